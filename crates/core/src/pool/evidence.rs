//! Which keys are of one project.
//!
//! Quotas are the project's, so several keys of one are one quota, and one share. Google names the
//! project in some refusals, and in none of those that a working key meets. What else tells it: a
//! key that is refused below its own limit shares it with somebody. If the keys that fell short on
//! the same day, or within the same minute, have together spent just that limit, that explains it; by
//! chance it happens now and then, so it must happen on several days or in many minutes. That keys
//! tire at the same time proves nothing.
//!
//! Even so it is a guess, and a wrong one takes half of what somebody has: so it is put to the test. Where
//! a call finds nothing else, one of the keys is tried that only the common count forbids, once a day.
//! Until it is known whose project is whose, each key has what it could spend ([`crate::meter`]).

use std::time::Duration;

use crate::{
    id::{Slot, seeded},
    pool::Pool,
    quota::Axis,
    time::{Mono, Now},
};

/// A key that was refused below its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shortfall {
    /// The key that keeps the project's accounts.
    pub(crate) slot: Slot,
    /// The day's requests, or the minute's.
    pub(crate) axis: Axis,
    /// What was counted of them,
    pub(crate) counted: u32,
    /// and the limit that Google named.
    pub(crate) limit: u32,
}

/// The shortfalls of a day and of a minute on one quota.
#[derive(Debug, Default)]
pub(crate) struct Shortfalls {
    today: u32,
    of_day: Vec<Shortfall>,
    of_minute: Vec<(Mono, Shortfall)>,
}

impl Shortfalls {
    /// Takes one in, and finds those that together with it explain the limit. Calls that were under way
    /// are refused as well: the first of a key's within a minute says all there is.
    fn add(&mut self, new: Shortfall, today: u32, now: Mono) -> Vec<Slot> {
        if self.today != today {
            (self.today, self.of_day) = (today, Vec::new());
        }
        self.of_minute.retain(|(at, _)| now.since(*at) < MINUTE);
        let is_new = |old: &Shortfall| old.slot != new.slot;
        let others: Vec<Shortfall> = match new.axis {
            Axis::MinuteRequests if self.of_minute.iter().all(|(_, old)| is_new(old)) => {
                let others = self.of_minute.iter().map(|(_, old)| *old).collect();
                make_room(&mut self.of_minute);
                self.of_minute.push((now, new));
                others
            }
            Axis::MinuteRequests => Vec::new(),
            _ => {
                self.of_day.retain(is_new);
                let others = self.of_day.clone();
                make_room(&mut self.of_day);
                self.of_day.push(new);
                others
            }
        };
        let alike = |old: &Shortfall| old.limit == new.limit && old.counted > 0;
        explained(new, &others.into_iter().filter(alike).collect::<Vec<_>>())
    }
}

fn make_room<T>(shortfalls: &mut Vec<T>) {
    if shortfalls.len() == MAX_SHORTFALLS {
        shortfalls.remove(0);
    }
}

/// Those of the others that, with the new one, have spent just the limit: one, two, or all. Where
/// several could be meant, none is: under even load all have spent alike.
fn explained(new: Shortfall, others: &[Shortfall]) -> Vec<Slot> {
    let Some(missing) = new.limit.checked_sub(new.counted).filter(|_| new.counted > 0) else {
        return Vec::new();
    };
    let slots = |some: &[&Shortfall]| some.iter().map(|one| one.slot).collect::<Vec<_>>();
    let ones = others.iter().filter(|one| one.counted == missing).map(|one| slots(&[one]));
    let twos = others.iter().enumerate().flat_map(|(at, one)| {
        let rest = missing.checked_sub(one.counted);
        let fit = others[at + 1..].iter().filter(move |two| Some(two.counted) == rest);
        fit.map(move |two| slots(&[one, two]))
    });
    let mut found = ones.chain(twos);
    match (found.next(), found.next()) {
        (Some(kin), None) => kin,
        (None, _) if others.iter().map(|one| one.counted).sum::<u32>() == missing => {
            others.iter().map(|one| one.slot).collect()
        }
        _ => Vec::new(),
    }
}

/// Two keys that may be of one project.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suspicion {
    pair: [Slot; 2],
    axis: Axis,
    /// On so many days, or in so many minutes, one's count explained the other's refusal, each time
    /// another way:
    times: u8,
    /// last so much was the first one's,
    share: u32,
    /// then,
    last: Mono,
    /// on this day.
    day: u32,
}

impl<S: Clone> Pool<S> {
    /// Google named the project of a key.
    pub(super) fn belongs(&mut self, slot: Slot, project: &str, now: Now) {
        let hash = seeded(PROJECTS, project.as_bytes());
        match self.projects.get(hash).filter(|known| self.keys.get(*known).is_some()) {
            Some(known) => {
                self.unite(known, slot, now);
                self.make_whole(slot, now);
                self.mark_family(slot);
            }
            None => self.projects.insert(hash, slot),
        }
    }

    /// A key was refused below its limit.
    pub(super) fn fell_short(&mut self, lane: u16, short: Shortfall, now: Now) {
        let today = self.today(now);
        let quota = self.lanes.at(lane).quota;
        let kin = self.lanes.at_mut(quota).shortfalls.add(short, today, now.mono);
        for other in kin {
            if self.suspect_kin(short, other, now) {
                self.unite(short.slot, other, now);
                self.make_whole(other, now);
                self.mark_family(other);
                self.guess([short.slot, other]);
            }
        }
    }

    /// Notes that it is a guess that these keys are of one project.
    pub(super) fn guess(&mut self, keys: impl IntoIterator<Item = Slot>) {
        for slot in keys {
            if self.guesses.len() == MAX_GUESSES {
                self.guesses.pop_front();
            }
            if !self.is_guess(slot) {
                self.guesses.push_back((slot, 0));
            }
        }
    }

    /// Whether it is a guess of which project a key is.
    pub(super) fn is_guess(&self, slot: Slot) -> bool {
        self.guesses.iter().any(|(one, _)| *one == slot)
    }

    /// A test said of a key what was guessed.
    pub(super) fn stood(&mut self, slot: Slot) {
        if let Some(guess) = self.guesses.iter_mut().find(|(one, _)| *one == slot) {
            guess.1 += 1;
        }
        self.guesses.retain(|(_, tests)| *tests < TESTS);
    }

    /// Notes one more day, or minute, in which two keys explain each other; whether that is enough. What
    /// was divided alike before says nothing new: each is known to have so much ([`crate::meter`]).
    fn suspect_kin(&mut self, short: Shortfall, other: Slot, now: Now) -> bool {
        let (axis, day) = (short.axis, self.today(now));
        let mut pair = [short.slot, other];
        pair.sort();
        let is_first = pair[0] == short.slot;
        let share = if is_first { short.counted } else { short.limit - short.counted };
        self.suspicions.retain(|one| day.saturating_sub(one.day) <= REMEMBERED_DAYS);
        let is = |one: &Suspicion| (one.pair, one.axis) == (pair, axis);
        let Some(at) = self.suspicions.iter().position(is) else {
            if self.suspicions.len() == MAX_SUSPICIONS {
                self.suspicions.swap_remove(0);
            }
            let last = now.mono;
            self.suspicions.push(Suspicion { pair, axis, times: 1, share, last, day });
            return false;
        };
        let one = &mut self.suspicions[at];
        let (another_time, enough) = match axis {
            Axis::DayRequests => (one.day != day, PROVEN_BY_DAYS),
            _ => (now.mono.since(one.last) >= MINUTE, PROVEN_BY_MINUTES),
        };
        if another_time && one.share != share {
            one.times += 1;
            (one.share, one.last, one.day) = (share, now.mono, day);
        }
        let enough = one.times >= enough;
        if enough {
            self.suspicions.swap_remove(at);
        }
        enough
    }
}

/// Makes the hashes of projects others than those of anything else.
const PROJECTS: u64 = 0x9b1d_aa53_7c0e_4f21;
/// Shortfalls looked at of a day, and of a minute, the latest: pairs are looked for among them.
const MAX_SHORTFALLS: usize = 128;
/// Pairs remembered.
const MAX_SUSPICIONS: usize = 512;
/// Tests of each key that a guess must stand, a day each: whoever spent of its quota elsewhere may spend
/// of it on that day as well.
const TESTS: u8 = 3;
/// Guesses remembered, by their keys: older ones are put to the test as seldom as a limit is.
const MAX_GUESSES: usize = 1024;
/// On so many days two keys must explain each other. With a limit of twenty, chance does it for one
/// pair in eight thousand that fell short on the same three days.
const PROVEN_BY_DAYS: u8 = 3;
/// In so many minutes: few keys fall short in one, and hardly ever two that have nothing in common.
const PROVEN_BY_MINUTES: u8 = 4;
const MINUTE: Duration = Duration::from_secs(60);
/// A suspicion that nothing renewed for so long is dropped.
const REMEMBERED_DAYS: u32 = 14;

#[cfg(test)]
mod tests {
    use super::*;

    fn short(at: u32, counted: u32) -> Shortfall {
        let slot = Slot { at, generation: 0 };
        Shortfall { slot, axis: Axis::DayRequests, counted, limit: 20 }
    }

    fn found(shorts: &mut Shortfalls, at: u32, counted: u32) -> Vec<u32> {
        shorts.add(short(at, counted), 1, Mono(0)).iter().map(|slot| slot.at).collect()
    }

    #[test]
    fn two_that_spent_the_limit_together_explain_each_other() {
        let mut day = Shortfalls::default();
        assert!(found(&mut day, 1, 7).is_empty());
        assert!(found(&mut day, 2, 9).is_empty());
        assert_eq!(found(&mut day, 3, 13), [1]);
    }

    #[test]
    fn so_do_three_and_many() {
        let mut day = Shortfalls::default();
        assert!(found(&mut day, 1, 7).is_empty());
        assert!(found(&mut day, 2, 4).is_empty());
        assert_eq!(found(&mut day, 3, 9), [1, 2]);
        let mut day = Shortfalls::default();
        (0..9).for_each(|at| assert!(found(&mut day, at, 2).is_empty()));
        assert_eq!(found(&mut day, 9, 2).len(), 9);
    }

    #[test]
    fn a_key_that_spent_nothing_explains_nothing_and_yesterday_is_over() {
        let mut day = Shortfalls::default();
        assert!(found(&mut day, 1, 0).is_empty());
        assert!(found(&mut day, 2, 12).is_empty());
        assert!(day.add(short(3, 8), 2, Mono(0)).is_empty());
    }

    #[test]
    fn who_could_be_meant_with_others_is_not_meant() {
        let mut day = Shortfalls::default();
        (1..=4).for_each(|at| assert!(found(&mut day, at, 7).is_empty()));
        assert!(found(&mut day, 5, 13).is_empty(), "each of four is as likely");
    }

    #[test]
    fn within_a_minute_two_explain_each_other_as_well() {
        let mut shorts = Shortfalls::default();
        let mut add = |at, counted, now| {
            let short = Shortfall { axis: Axis::MinuteRequests, ..short(at, counted) };
            shorts.add(short, 1, Mono(now)).iter().map(|slot| slot.at).collect::<Vec<_>>()
        };
        assert!(add(1, 7, 0).is_empty());
        assert_eq!(add(2, 13, 59_000), [1]);
        assert!(add(1, 7, 120_000).is_empty(), "the minute is over");
    }
}
