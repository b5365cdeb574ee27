//! What time brings: wake-ups, probes, erasures, and counts to be stored.

use std::{cmp::Reverse, time::Duration};

use crate::{
    event::mark,
    id::Slot,
    key::State,
    pool::{Pool, events::Notice, probe::ERASE_AFTER},
    rest::Reach,
    time::{Mono, Now},
};

/// Why the pool wants to be called at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// A key wakes for more than one lane, or a contributor's day of lending ends.
    Wake,
    /// A probe is due.
    Probe,
    /// A dead key is to be erased.
    Erase,
    /// A model is no longer held for billed.
    Unbill,
    /// Counts are to be stored.
    Flush,
    /// Held verdicts are to be decided.
    Guard,
    /// A new day is to be begun for keys that nobody calls.
    Roll,
}

/// Something to do at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Job {
    Probe(Slot),
    Erase(Slot),
    Unbill,
    Flush,
    Guard,
    /// From this place on.
    Roll(u32),
}

impl<S: Clone> Pool<S> {
    /// When [`handle_timeout`](Self::handle_timeout) should be called next, and why. A time that
    /// has passed means at once.
    pub fn poll_timeout(&self) -> Option<(Mono, Why)> {
        let job = self.agenda.peek().map(|Reverse((at, job))| (*at, job.why()));
        let wake = self.wakes.peek().map(|Reverse((at, _))| (*at, Why::Wake));
        job.into_iter().chain(wake).min()
    }

    /// Does what is due by now, up to a bound: ask [`poll_timeout`](Self::poll_timeout) again.
    pub fn handle_timeout(&mut self, now: Now) {
        self.advance(now, JOBS_PER_TIMEOUT);
    }

    /// Puts every count that was not stored yet among the events: for a driver about to stop.
    pub fn flush(&mut self) {
        for slot in std::mem::take(&mut self.events.used) {
            if let Some(key) = self.keys.get_mut(slot) {
                key.used = false;
                // Of a key whose accounts another keeps, its project's name is told to be in use.
                self.mark(slot, mark::LEARNED);
                self.mark(self.head(slot), mark::LEARNED);
            }
        }
        self.flush_usage();
        self.flush_quotas();
    }

    /// Does a little of what is due, on the way of a call.
    pub(super) fn tick(&mut self, now: Now) {
        self.advance(now, JOBS_PER_CALL);
    }

    fn advance(&mut self, now: Now, jobs: usize) {
        for _ in 0..jobs {
            let wakes = self.wake_next(now);
            let works = self.work_next(now);
            if !wakes && !works {
                return;
            }
        }
    }

    fn wake_next(&mut self, now: Now) -> bool {
        let due = self.wakes.peek().is_some_and(|Reverse((at, _))| *at <= now.mono);
        let Some(Reverse((_, slot))) = due.then(|| self.wakes.pop()).flatten() else {
            return false;
        };
        let Some(key) = self.keys.get_mut(slot) else { return true };
        if key.apart.day_wake <= now.mono {
            key.apart.day_wake = Mono::NEVER;
        }
        for rest in key.rests.iter_mut().filter(|rest| rest.queued <= now.mono) {
            if matches!(rest.reach, Reach::Lane(_)) {
                continue;
            }
            rest.queued = Mono::NEVER;
            if rest.until > now.mono {
                rest.queued = rest.until;
                self.wakes.push(Reverse((rest.until, slot)));
            }
        }
        key.lift(|rest| !matches!(rest.reach, Reach::Lane(_)) && rest.until <= now.mono);
        self.wake_at_day_end(slot, now);
        self.sync(slot, now);
        true
    }

    /// Queues the end of a day whose loan is used up, once. The two clocks drift apart, so whoever
    /// wakes asks again: on the wall the day may have some seconds left.
    pub(super) fn wake_at_day_end(&mut self, slot: Slot, now: Now) {
        let day_end = self.day_end(now);
        let Some(key) = self.keys.get_mut(slot) else { return };
        if !key.lent_out(now.wall) || key.apart.limits.lend_per_day == Some(0) {
            return;
        }
        // A day that was counted on a clock far ahead is over with the present one.
        key.usage.day_end = key.usage.day_end.min(day_end);
        let at = now.mono_at(key.usage.day_end);
        if at < key.apart.day_wake {
            key.apart.day_wake = at;
            self.wakes.push(Reverse((at, slot)));
        }
    }

    fn work_next(&mut self, now: Now) -> bool {
        let due = self.agenda.peek().is_some_and(|Reverse((at, _))| *at <= now.mono);
        let Some(Reverse((_, job))) = due.then(|| self.agenda.pop()).flatten() else {
            return false;
        };
        match job {
            Job::Probe(slot) => self.probe_due(slot, now),
            Job::Erase(slot) => self.erase_due(slot, now),
            Job::Unbill => self.unbill(now),
            Job::Flush => {
                self.events.flush_planned = false;
                self.flush();
            }
            Job::Roll(from) => self.roll(from, now),
            Job::Guard => {
                let decision = self.guard.expire(now.mono);
                self.decide(decision, now);
            }
        }
        true
    }

    /// Begins the day for some keys, and plans to go on: what a contributor who does not call any
    /// more used to want must not be kept for ever.
    fn roll(&mut self, from: u32, now: Now) {
        let end = from.saturating_add(ROLLED_AT_ONCE).min(self.keys.places());
        for at in from..end {
            if let Some(slot) = self.keys.at(at).map(|(slot, _)| slot) {
                self.book_all(slot, now);
            }
        }
        if end < self.keys.places() {
            self.agenda.push(Reverse((now.mono, Job::Roll(end))));
        }
    }

    /// A key was dead for thirty days, if it did not die again meanwhile.
    fn erase_due(&mut self, slot: Slot, now: Now) {
        let Some(key) = self.keys.get_mut(slot) else { return };
        key.erase_queued = false;
        let State::Disabled { since, .. } = key.apart.state else { return };
        if key.is_put_out() {
            return;
        }
        let at = now.mono_at(since + ERASE_AFTER);
        if at > now.mono {
            key.erase_queued = true;
            self.agenda.push(Reverse((at, Job::Erase(slot))));
            return;
        }
        let id = key.id;
        self.drop_key(slot);
        self.events.notices.push_back(Notice::Erased(id));
    }

    /// Notes that a key's counts changed; they are stored by the half-minute.
    pub(super) fn touch(&mut self, slot: Slot, now: Now) {
        let Some(key) = self.keys.get_mut(slot) else { return };
        if std::mem::replace(&mut key.used, true) {
            return;
        }
        self.events.used.push(slot);
        if !std::mem::replace(&mut self.events.flush_planned, true) {
            self.agenda.push(Reverse((now.mono + FLUSH_EVERY, Job::Flush)));
        }
    }
}

impl Job {
    fn why(self) -> Why {
        match self {
            Job::Probe(_) => Why::Probe,
            Job::Erase(_) => Why::Erase,
            Job::Unbill => Why::Unbill,
            Job::Flush => Why::Flush,
            Job::Guard => Why::Guard,
            Job::Roll(_) => Why::Roll,
        }
    }
}

/// Keys whose day is begun in one job: some microseconds of work.
const ROLLED_AT_ONCE: u32 = 32;
/// Jobs done on the way of one call: more than calls bring, so that none waits for the timer.
const JOBS_PER_CALL: usize = 8;
/// Jobs done at one timeout: some hundred microseconds of work.
const JOBS_PER_TIMEOUT: usize = 512;
/// How often counts are stored: what a crash may lose of them.
const FLUSH_EVERY: Duration = Duration::from_secs(30);
