//! Probes: asking Google whether a key lives, with a call that costs no quota.
//!
//! A doubtful key is asked at once, once a doubt; its death needs two witnesses, the answer that raised the
//! doubt and the probe. A dead key is asked hours apart, the longer the deader, with jitter, so
//! that a thousand keys that died together are not asked together. Leaked and suspended keys are
//! never asked: every such call points Google at the others.

use std::{cmp::Reverse, time::Duration};

use crate::{
    call::Outcome,
    event::{Alarm, mark},
    id::{KeyId, Slot},
    key::{Reason, State},
    pool::{Job, Pool},
    rest::Cause,
    time::{Mono, Now},
    verdict::{Facts, Stage, Verdict, judge},
    wire::{Failure, Family},
};

impl<S: Clone> Pool<S> {
    /// Takes note of how a probe went; a probe that was given up meanwhile changes nothing.
    pub fn probed(&mut self, slot: Slot, outcome: Outcome<'_>, now: Now) {
        let Some(key) = self.keys.get_mut(slot) else { return };
        let Some(asked) = key.apart.probe.asked.take() else { return };
        let given_up = std::mem::replace(&mut key.apart.probe.at, Mono::NEVER);
        let sent = Mono(given_up.since(Mono(0) + PROBE_TIMEOUT).as_millis() as u64);
        let verdict = judge_probe(outcome);
        let failure = match outcome {
            Outcome::Failed(failure) => Some(failure),
            Outcome::Served | Outcome::NoAnswer => None,
        };
        if verdict == Verdict::OurPlace {
            self.events.alarm(Alarm::OurPlace);
        }
        if self.guard.is_witness(slot) {
            self.testify(slot, (asked, sent), verdict, now);
            return;
        }
        match verdict {
            Verdict::Served => self.lives(slot, asked, now),
            verdict if verdict.blames_quota() => self.lives(slot, asked, now),
            Verdict::KeyDead(reason) | Verdict::PerhapsDead(reason) => {
                self.found_dead(slot, reason, failure, now);
            }
            _ => self.unsettled(slot, asked, now),
        }
    }

    /// The secret of a key that is yet to be asked about: whoever has waited to ask looks once more.
    pub fn still_asked(&self, slot: Slot) -> Option<S> {
        let key = self.keys.get(slot).filter(|key| key.apart.probe.asked.is_some())?;
        Some(key.secret.clone())
    }

    /// Asks Google about a key.
    pub(super) fn ask(&mut self, slot: Slot, reason: Reason, now: Now) {
        let Some(key) = self.keys.get_mut(slot).filter(|key| !key.is_put_out()) else { return };
        key.apart.probe.asked = Some(reason);
        key.apart.probe.at = now.mono + PROBE_TIMEOUT;
        self.agenda.push(Reverse((now.mono + PROBE_TIMEOUT, Job::Probe(slot))));
        self.mark(slot, mark::PROBE);
    }

    /// A probe is due, or was never answered.
    pub(super) fn probe_due(&mut self, slot: Slot, now: Now) {
        let Some(key) = self.keys.get_mut(slot).filter(|key| key.apart.probe.at <= now.mono) else {
            return;
        };
        key.apart.probe.at = Mono::NEVER;
        match (key.apart.probe.asked.take(), key.apart.state) {
            (Some(asked), _) => self.unsettled(slot, asked, now),
            (None, State::Disabled { reason, .. }) => self.ask(slot, reason, now),
            (None, State::Active) => {
                if let Some(reason) = key.apart.probe.doubt.take() {
                    self.ask(slot, reason, now);
                }
            }
        }
    }

    /// Plans when a dead key is asked again, and when it is erased.
    pub(super) fn plan_for_dead(&mut self, slot: Slot, now: Now) {
        let Some(key) = self.keys.get(slot) else { return };
        let at = now.mono + growing(key.apart.probe.failures, key.id);
        self.plan_dead(slot, at, now);
    }

    /// As [`Self::plan_for_dead`], for a key that was read from the store: by how long it has been
    /// dead. Whoever sleeps between probes, and wakes up for one, must find it due.
    pub(super) fn plan_for_restored(&mut self, slot: Slot, now: Now) {
        let Some(key) = self.keys.get_mut(slot) else { return };
        let State::Disabled { since, .. } = key.apart.state else { return };
        let dead_for = Duration::from_millis(now.wall.0.saturating_sub(since.0).max(0) as u64);
        let dead_for = dead_for.min(ERASE_AFTER);
        let mut due = growing(0, key.id);
        key.apart.probe.failures = 0;
        while due + OVERDUE < dead_for {
            key.apart.probe.failures = key.apart.probe.failures.saturating_add(1);
            due += growing(key.apart.probe.failures, key.id);
        }
        self.plan_dead(slot, now.mono_at(since + due), now);
    }

    fn plan_dead(&mut self, slot: Slot, at: Mono, now: Now) {
        let Some(key) = self.keys.get_mut(slot) else { return };
        let State::Disabled { reason, since } = key.apart.state else { return };
        if !key.erase_queued && reason != Reason::Operator {
            key.erase_queued = true;
            self.agenda.push(Reverse((now.mono_at(since + ERASE_AFTER), Job::Erase(slot))));
        }
        if reason.is_final() {
            key.apart.probe.at = Mono::NEVER;
            return;
        }
        key.apart.probe.at = at;
        self.agenda.push(Reverse((at, Job::Probe(slot))));
    }

    /// The key answers: a dead one comes back, a doubt is dropped where the probe refutes it.
    fn lives(&mut self, slot: Slot, asked: Reason, now: Now) {
        let Some(key) = self.keys.get_mut(slot) else { return };
        key.apart.probe.failures = 0;
        if !key.is_active() {
            self.revive(slot, now);
            return;
        }
        // Restrictions may cover the one method only: its rest stays. Other doubts a living key
        // refutes; but Google may list models to a project that it denies everything else, so the
        // rest shrinks, and less each time.
        if !matches!(asked, Reason::Blocked | Reason::ServiceDisabled | Reason::Project) {
            let longer = CLEARED_FOR * (1 << key.apart.probe.cleared.min(MAX_DOUBLINGS));
            key.apart.probe.cleared = key.apart.probe.cleared.saturating_add(1);
            self.shorten_doubts(slot, now.mono + longer, now);
        }
    }

    fn shorten_doubts(&mut self, slot: Slot, until: Mono, now: Now) {
        let Some(key) = self.keys.get_mut(slot) else { return };
        let mut shortened = Vec::new();
        for rest in key.rests.iter_mut().filter(|rest| rest.cause == Cause::Doubt) {
            rest.until = rest.until.min(until);
            shortened.push(rest.reach);
        }
        shortened.into_iter().for_each(|reach| self.rested(slot, reach, now));
        self.mark(slot, mark::COOLDOWNS);
    }

    fn found_dead(&mut self, slot: Slot, reason: Reason, failure: Option<&Failure>, now: Now) {
        let Some(key) = self.keys.get_mut(slot).filter(|key| !key.is_put_out()) else { return };
        if let State::Disabled { since, .. } = key.apart.state {
            key.apart.state = State::Disabled { reason, since };
            key.apart.probe.failures = key.apart.probe.failures.saturating_add(1);
            self.plan_for_dead(slot, now);
        } else {
            self.condemn(slot, reason, failure, now);
        }
    }

    /// The probe said nothing about the key.
    fn unsettled(&mut self, slot: Slot, asked: Reason, now: Now) {
        let witness = self.guard.is_witness(slot);
        let Some(key) = self.keys.get_mut(slot) else { return };
        if !key.is_active() {
            self.plan_for_dead(slot, now);
            return;
        }
        key.apart.probe.failures = key.apart.probe.failures.saturating_add(1);
        if !witness && key.apart.probe.failures > DOUBT_PROBES {
            key.apart.probe.failures = 0;
            return;
        }
        let wait = if witness { WITNESS_AGAIN } else { DOUBT_AGAIN };
        key.apart.probe.doubt = Some(asked);
        key.apart.probe.at = now.mono + wait;
        self.agenda.push(Reverse((now.mono + wait, Job::Probe(slot))));
    }

    /// A good key was asked whether everyone is refused.
    fn testify(&mut self, slot: Slot, (asked, sent): (Reason, Mono), verdict: Verdict, now: Now) {
        match verdict {
            Verdict::Served => match self.guard.served(slot, sent) {
                // It was asked before they were held.
                None => self.unsettled(slot, asked, now),
                decision => self.decide(decision, now),
            },
            Verdict::KeyDead(_) | Verdict::PerhapsDead(_) | Verdict::OurPlace => {
                if self.guard.witness_refused(slot) {
                    self.events.alarm(Alarm::EveryoneConfirmed);
                }
                self.unsettled(slot, asked, now);
            }
            _ => self.unsettled(slot, asked, now),
        }
    }
}

/// How long a dead key is left alone that was asked so often. The jitter is the key's own, so that
/// it is the same for whoever remembers nothing but the key.
fn growing(failures: u8, id: KeyId) -> Duration {
    let growing = FIRST_DEAD_PROBE * (1 << failures.min(MAX_DOUBLINGS));
    let jitter = u32::from(id.0[15]) % JITTER_PERCENT;
    growing.min(LONGEST_DEAD_PROBE) * (100 + jitter) / 100
}

/// What a probe says about its key, whether the pool knows it or not.
pub fn judge_probe(outcome: Outcome<'_>) -> Verdict {
    let facts = Facts { family: Family::Models, prompt_tokens: 0, stage: Stage::Head };
    match outcome {
        Outcome::Served => Verdict::Served,
        Outcome::NoAnswer => Verdict::Trouble,
        Outcome::Failed(failure) => judge(failure, facts),
    }
}

/// After this long without a word a probe is given up.
const PROBE_TIMEOUT: Duration = Duration::from_secs(30);
/// A doubt whose probe said nothing is probed again after this long,
const DOUBT_AGAIN: Duration = Duration::from_secs(60);
/// so often; then the rest alone stands.
const DOUBT_PROBES: u8 = 5;
/// A witness is asked again sooner: the guard waits for it.
const WITNESS_AGAIN: Duration = Duration::from_secs(10);
/// A doubtful key that was found alive rests this long at first, then twice as long each time.
const CLEARED_FOR: Duration = Duration::from_secs(60);
/// A dead key is asked again after an hour at first,
const FIRST_DEAD_PROBE: Duration = Duration::from_secs(3600);
/// then after twice as long each time,
const MAX_DOUBLINGS: u8 = 5;
/// at most a day apart.
const LONGEST_DEAD_PROBE: Duration = Duration::from_secs(24 * 3600);
/// Up to so much is added, so that keys that died together are asked apart.
const JITTER_PERCENT: u32 = 25;
/// A probe that should have been made within this time is made at once; an older one was made. Less
/// than [`PROBE_TIMEOUT`], for which whoever has made it wakes up once more.
const OVERDUE: Duration = Duration::from_secs(25);
/// A key that was out for so long is erased.
pub(super) const ERASE_AFTER: Duration = Duration::from_secs(30 * 24 * 3600);
