//! Which keys are of one project.
//!
//! Quotas are the project's, so several keys of one are one quota, and one share. Google names the
//! project in some refusals, and in none of those that a working key meets. What else tells it: a
//! key that is refused below its own limit shares it with somebody. If the keys that fell short on
//! the same day have together spent just that limit, that explains it; by chance it happens now and
//! then, so it must happen on several days. That keys tire at the same time proves nothing.
//!
//! Even so it is a guess, and a wrong one takes half of what somebody has: so it is put to the test. Where
//! a call finds nothing else, one of the keys is tried that only the common count forbids, once a day.

use crate::{
    id::{Slot, seeded},
    pool::Pool,
    time::Now,
};

/// A key that was refused below its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shortfall {
    /// The key that keeps the project's accounts.
    pub(crate) slot: Slot,
    /// What was counted of the day,
    pub(crate) counted: u32,
    /// and the limit that Google named.
    pub(crate) limit: u32,
}

/// The day's shortfalls on one quota.
#[derive(Debug, Default)]
pub(crate) struct Shortfalls {
    day: u32,
    all: Vec<Shortfall>,
}

impl Shortfalls {
    /// Takes one in, and finds those that together with it explain the limit.
    fn add(&mut self, new: Shortfall, today: u32) -> Vec<Slot> {
        if self.day != today {
            (self.day, self.all) = (today, Vec::new());
        }
        self.all.retain(|old| old.slot != new.slot);
        let alike = |old: &&Shortfall| old.limit == new.limit && old.counted > 0;
        let others: Vec<Shortfall> = self.all.iter().filter(alike).copied().collect();
        if self.all.len() < MAX_SHORTFALLS {
            self.all.push(new);
        }
        explained(new, &others)
    }
}

/// Those of the others that, with the new one, have spent just the limit: one, two, or all.
fn explained(new: Shortfall, others: &[Shortfall]) -> Vec<Slot> {
    let Some(missing) = new.limit.checked_sub(new.counted).filter(|_| new.counted > 0) else {
        return Vec::new();
    };
    if others.iter().map(|one| one.counted).sum::<u32>() == missing {
        return others.iter().map(|one| one.slot).collect();
    }
    if let Some(one) = others.iter().find(|one| one.counted == missing) {
        return vec![one.slot];
    }
    for (at, one) in others.iter().enumerate() {
        let rest = missing.checked_sub(one.counted);
        let two = others[at + 1..].iter().find(|two| Some(two.counted) == rest);
        if let Some(two) = two {
            return vec![one.slot, two.slot];
        }
    }
    Vec::new()
}

/// Two keys that may be of one project.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suspicion {
    pair: [Slot; 2],
    /// On so many days one's count explained the other's refusal, last on this one.
    days: u8,
    last: u32,
}

impl<S: Clone> Pool<S> {
    /// Google named the project of a key.
    pub(super) fn belongs(&mut self, slot: Slot, project: &str, now: Now) {
        let hash = seeded(PROJECTS, project.as_bytes());
        match self.projects.get(hash).filter(|known| self.keys.get(*known).is_some()) {
            Some(known) => {
                self.unite(known, slot, now);
                self.mark_family(slot);
            }
            None => self.projects.insert(hash, slot),
        }
    }

    /// A key was refused below its limit.
    pub(super) fn fell_short(&mut self, lane: u16, short: Shortfall, now: Now) {
        let today = self.today(now);
        let quota = self.lanes.at(lane).quota;
        let kin = self.lanes.at_mut(quota).shortfalls.add(short, today);
        for other in kin {
            if self.suspect_kin(short.slot, other, today) {
                self.unite(short.slot, other, now);
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

    /// Notes one more day on which two keys explain each other; whether that is enough.
    fn suspect_kin(&mut self, a: Slot, b: Slot, today: u32) -> bool {
        let pair = if a < b { [a, b] } else { [b, a] };
        self.suspicions.retain(|one| today.saturating_sub(one.last) <= REMEMBERED_DAYS);
        let Some(at) = self.suspicions.iter().position(|one| one.pair == pair) else {
            if self.suspicions.len() == MAX_SUSPICIONS {
                self.suspicions.swap_remove(0);
            }
            self.suspicions.push(Suspicion { pair, days: 1, last: today });
            return false;
        };
        let one = &mut self.suspicions[at];
        one.days += u8::from(one.last != today);
        one.last = today;
        let enough = one.days >= PROVEN_BY_DAYS;
        if enough {
            self.suspicions.swap_remove(at);
        }
        enough
    }
}

/// Makes the hashes of projects others than those of anything else.
const PROJECTS: u64 = 0x9b1d_aa53_7c0e_4f21;
/// Shortfalls looked at in a day: pairs are looked for among them, and they are rare.
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
/// A suspicion that nothing renewed for so long is dropped.
const REMEMBERED_DAYS: u32 = 14;

#[cfg(test)]
mod tests {
    use super::*;

    fn short(at: u32, counted: u32) -> Shortfall {
        Shortfall { slot: Slot { at, generation: 0 }, counted, limit: 20 }
    }

    fn found(shorts: &mut Shortfalls, at: u32, counted: u32) -> Vec<u32> {
        shorts.add(short(at, counted), 1).iter().map(|slot| slot.at).collect()
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
        assert!(day.add(short(3, 8), 2).is_empty());
    }
}
