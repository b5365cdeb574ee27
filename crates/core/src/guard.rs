//! Everyone at once: many keys refused in a moment are not to blame one by one.
//!
//! When Google turns away the address we call from, or misjudges, every key looks dead within
//! seconds, and a pool that believes it is gone for hours. So disabling verdicts (never quotas)
//! are counted: five keys of three contributors within ten seconds, and none served meanwhile,
//! trip the guard. Then those verdicts, and all that follow, are held: the keys go last, an alarm
//! is raised, and a key that was good a moment ago is asked. If it is good still, the verdicts
//! stand; if it is refused too, each of the keys is asked as soon as any is served again.
//! Undecided after a minute the verdicts fall: a dead key is found dead again by its next call, a
//! good one that was disabled is lost. Until some key is served, the next verdict is then held at
//! once.
//!
//! Answers take their time, and one that is on its way while Google begins to refuse everybody shows
//! nothing: only a success that was asked for after a verdict speaks against it.
//!
//! A contributor is, as far as is known, a project: Google names it when it suspends one, and then
//! all keys of it count once. A key without a named project counts for itself.

use std::time::Duration;

use crate::{id::Slot, key::Reason, time::Mono};

/// Counts disabling verdicts and holds them when there are too many at once.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    blows: Vec<Blow>,
    held: Option<Held>,
    /// When held verdicts fell undecided, if no key was served since: the next one is held at once.
    wary: Option<Mono>,
    /// The key that was served last.
    pub(crate) last_good: Option<Slot>,
}

/// A disabling verdict of a moment ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blow {
    pub(crate) slot: Slot,
    pub(crate) contributor: u64,
    pub(crate) reason: Reason,
    pub(crate) at: Mono,
}

#[derive(Clone, Debug)]
struct Held {
    since: Mono,
    suspects: Vec<Slot>,
    /// The good key that was asked.
    witness: Option<Slot>,
    /// The witness was refused too.
    confirmed: bool,
}

/// What to do about a disabling verdict.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// Disable the key.
    Stands,
    /// Too many at once: hold these, and ask the witness if there is one.
    Trips { blows: Vec<Blow>, witness: Option<Slot> },
    /// Hold this one too.
    IsHeld,
}

/// What becomes of held verdicts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The keys are dead.
    Stand(Vec<Slot>),
    /// Google serves again, and not all of the keys are dead: each is to be asked.
    Ask(Vec<Slot>),
    /// The keys are good, as far as is known.
    Fall(Vec<Slot>),
}

impl Guard {
    /// A disabling verdict on a key, `others` being in service beside it.
    pub(crate) fn blow(&mut self, blow: Blow, others: usize) -> Blame {
        if let Some(held) = &mut self.held {
            if !held.suspects.contains(&blow.slot) {
                held.suspects.push(blow.slot);
            }
            return Blame::IsHeld;
        }
        let now = blow.at;
        self.blows.retain(|old| old.slot != blow.slot && now.since(old.at) <= WINDOW);
        if self.blows.len() == MAX_BLOWS {
            self.blows.remove(0);
        }
        self.blows.push(blow);
        if !self.is_everyone(others) && self.wary.is_none() {
            return Blame::Stands;
        }
        let blows = std::mem::take(&mut self.blows);
        let suspects: Vec<Slot> = blows.iter().map(|blow| blow.slot).collect();
        let witness = self.last_good.filter(|good| !suspects.contains(good));
        self.held = Some(Held { since: now, suspects, witness, confirmed: false });
        Blame::Trips { blows, witness }
    }

    fn is_everyone(&self, others: usize) -> bool {
        let mut contributors: Vec<u64> = self.blows.iter().map(|blow| blow.contributor).collect();
        contributors.sort_unstable();
        contributors.dedup();
        // Of a small pool hardly anybody may be left before five are refused.
        let most = self.blows.len() >= KEYS || self.blows.len() > others;
        most && contributors.len() >= CONTRIBUTORS
    }

    /// A key was served, by a call that was sent then: keys were not refused as such from then on.
    pub(crate) fn served(&mut self, slot: Slot, sent: Mono) -> Option<Decision> {
        self.last_good = Some(slot);
        self.wary = self.wary.filter(|since| sent < *since);
        if !self.blows.is_empty() {
            self.blows.retain(|blow| sent < blow.at);
        }
        let held = self.held.as_ref().filter(|held| held.since <= sent)?;
        // A suspect that serves shows that some verdict was false; so does anyone's success after a
        // good key was refused, unless that one has died with the others. A bystander's success
        // shows that only the suspects fail.
        let some_are_good = held.confirmed || held.suspects.contains(&slot);
        self.decide(if some_are_good { Decision::Ask } else { Decision::Stand })
    }

    /// A key has nothing to do with it any more.
    pub(crate) fn forget(&mut self, slot: Slot) {
        self.blows.retain(|blow| blow.slot != slot);
        self.last_good = self.last_good.filter(|good| *good != slot);
        if let Some(held) = &mut self.held {
            held.suspects.retain(|suspect| *suspect != slot);
            held.witness = held.witness.filter(|witness| *witness != slot);
        }
    }

    /// The witness was refused too. Whether that is news.
    pub(crate) fn witness_refused(&mut self, slot: Slot) -> bool {
        match &mut self.held {
            Some(held) if held.witness == Some(slot) && !held.confirmed => {
                held.confirmed = true;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn is_witness(&self, slot: Slot) -> bool {
        self.held.as_ref().is_some_and(|held| held.witness == Some(slot))
    }

    /// When held verdicts must be decided.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        self.held.as_ref().map(|held| held.since + DEADLINE)
    }

    /// Time is up: what nobody confirmed falls.
    pub(crate) fn expire(&mut self, now: Mono) -> Option<Decision> {
        self.deadline().filter(|deadline| *deadline <= now)?;
        self.wary = Some(now);
        self.decide(Decision::Fall)
    }

    pub(crate) fn suspects(&self) -> &[Slot] {
        self.held.as_ref().map_or(&[], |held| &held.suspects)
    }

    fn decide(&mut self, decided: impl FnOnce(Vec<Slot>) -> Decision) -> Option<Decision> {
        self.held.take().map(|held| decided(held.suspects))
    }
}

/// Keys that must be refused at once.
const KEYS: usize = 5;
/// Contributors that they must belong to: one person's keys often die together.
const CONTRIBUTORS: usize = 3;
/// What "at once" means.
const WINDOW: Duration = Duration::from_secs(10);
/// By when held verdicts are decided.
const DEADLINE: Duration = Duration::from_secs(60);
/// Verdicts looked back on: more than enough to find five keys of three contributors.
const MAX_BLOWS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: usize = 100;
    /// Behind all that tripped it.
    const LATER: Mono = Mono(30_000);

    fn slot(at: u32) -> Slot {
        Slot { at, generation: 0 }
    }

    fn blow(at: u32, contributor: u64, second: u64) -> Blow {
        Blow { slot: slot(at), contributor, reason: Reason::Invalid, at: Mono(second * 1000) }
    }

    fn tripped() -> Guard {
        let mut guard = Guard { last_good: Some(slot(100)), ..Guard::default() };
        (0..4).for_each(|at| assert_eq!(guard.blow(blow(at, at.into(), 0), MANY), Blame::Stands));
        let blame = guard.blow(blow(4, 4, 9), MANY);
        assert!(matches!(blame, Blame::Trips { ref blows, witness: Some(w) }
            if blows.len() == 5 && w == slot(100)));
        guard
    }

    fn all() -> Vec<Slot> {
        (0..5).map(slot).collect()
    }

    #[test]
    fn five_keys_of_three_contributors_within_ten_seconds_trip_it() {
        tripped();
        let mut few = Guard::default();
        assert!((0..50).all(|at| few.blow(blow(at, u64::from(at) % 2, 0), MANY) == Blame::Stands));
        let mut slow = Guard::default();
        let paces = |at: u32| blow(at, at.into(), u64::from(at) * 3);
        assert!((0..50).all(|at| slow.blow(paces(at), MANY) == Blame::Stands));
    }

    #[test]
    fn a_served_call_meanwhile_shows_that_keys_die_one_by_one() {
        let mut guard = Guard::default();
        for at in 0..50 {
            assert_eq!(guard.blow(blow(at, at.into(), 0), MANY), Blame::Stands);
            if at % 4 == 3 {
                assert_eq!(guard.served(slot(100), Mono(0)), None);
            }
        }
    }

    #[test]
    fn verdicts_stand_if_a_bystander_is_served_and_are_looked_into_if_a_suspect_is() {
        assert_eq!(tripped().served(slot(100), LATER), Some(Decision::Stand(all())));
        assert_eq!(tripped().served(slot(2), LATER), Some(Decision::Ask(all())));
    }

    #[test]
    fn an_answer_that_was_on_its_way_already_shows_nothing() {
        let mut guard = tripped();
        assert_eq!(guard.served(slot(100), Mono(8_999)), None);
        assert_eq!(guard.served(slot(2), Mono(8_999)), None);
        assert_eq!(guard.served(slot(2), Mono(9_000)), Some(Decision::Ask(all())));
        let mut begins = Guard::default();
        (0..4).for_each(|at| assert_eq!(begins.blow(blow(at, at.into(), 5), MANY), Blame::Stands));
        begins.served(slot(100), Mono(4_999));
        assert!(matches!(begins.blow(blow(4, 4, 6), MANY), Blame::Trips { .. }));
    }

    #[test]
    fn after_a_refused_witness_each_is_asked_with_the_next_success() {
        let mut guard = tripped();
        assert!(guard.witness_refused(slot(100)));
        assert!(!guard.witness_refused(slot(100)));
        assert_eq!(guard.blow(blow(100, 100, 20), MANY), Blame::IsHeld);
        let mut everyone = all();
        everyone.push(slot(100));
        assert_eq!(guard.served(slot(101), LATER), Some(Decision::Ask(everyone)));
    }

    #[test]
    fn undecided_verdicts_fall_after_a_minute() {
        let mut guard = tripped();
        assert_eq!(guard.expire(Mono(68_999)), None);
        assert_eq!(guard.expire(Mono(69_000)), Some(Decision::Fall(all())));
        assert_eq!(guard.deadline(), None);
    }

    #[test]
    fn of_a_small_pool_three_are_enough_when_hardly_anybody_is_left() {
        let mut guard = Guard::default();
        assert_eq!(guard.blow(blow(0, 0, 0), 4), Blame::Stands);
        assert_eq!(guard.blow(blow(1, 1, 0), 3), Blame::Stands);
        assert!(matches!(guard.blow(blow(2, 2, 0), 2), Blame::Trips { .. }));
    }

    #[test]
    fn after_a_minute_without_an_answer_the_next_verdict_is_held_at_once() {
        let mut guard = tripped();
        guard.expire(Mono(69_000));
        assert!(matches!(guard.blow(blow(0, 0, 70), MANY), Blame::Trips { .. }));
        guard.served(slot(100), Mono(70_000));
        assert_eq!(guard.blow(blow(1, 1, 71), MANY), Blame::Stands);
    }
}
