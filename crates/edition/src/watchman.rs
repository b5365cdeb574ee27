//! Sees whether anything is wrong: of what the pool tells, and of how keys and store are.
//!
//! Rule: nothing is told twice. Whom it is told, and how often one looks, is the edition's.

use std::collections::HashSet;
use std::time::Duration;

use potluck_core::{Alarm, Census, Event, KeyId, Mono, Now, Reason, State};

use crate::alarms::{Alarms, Kind, Notice};

/// What is remembered between two looks, and the alarms that come of it.
#[derive(Debug, Default)]
pub struct Watchman {
    place_refused: Option<Mono>,
    store_failed: Option<Mono>,
    /// Keys whose state was heard and could not be stored: the pool tells it again.
    unstored: HashSet<KeyId>,
}

impl Watchman {
    /// Hears what the pool wants told or stored; a notice if a key died.
    pub fn hear<S>(&mut self, alarms: &mut Alarms, event: &Event<S>, now: Now) -> Option<Notice> {
        if self.was_heard(event) {
            return None;
        }
        match event {
            Event::Alarm(Alarm::OurPlace) => {
                self.place_refused = Some(now.mono);
                None
            }
            Event::State { id, state: State::Disabled { reason, .. } }
                if *reason != Reason::Operator =>
            {
                Some(alarms.key_died(*id, reason.words(), now.wall))
            }
            _ => None,
        }
    }

    /// What an event says was not stored.
    pub fn untold<S>(&mut self, event: &Event<S>) {
        if let Event::State { id, .. } = event {
            self.unstored.insert(*id);
        }
    }

    /// The store did not take something.
    pub fn store_failed(&mut self, now: Mono) {
        self.store_failed = Some(now);
    }

    /// Looks around: at the keys, and whether the store works. Gives what has changed.
    pub fn look(
        &self,
        alarms: &mut Alarms,
        keys: Census,
        store_works: bool,
        now: Now,
    ) -> Vec<Notice> {
        let lately = |at: Option<Mono>| at.is_some_and(|at| now.mono.since(at) < STANDS);
        let found = [
            (Kind::PoolLow, is_low(keys)),
            (Kind::OurPlace, lately(self.place_refused)),
            (Kind::Everyone, keys.held > 0),
            (Kind::Store, !store_works || lately(self.store_failed)),
        ];
        found.into_iter().filter_map(|(kind, stands)| alarms.set(kind, stands, now.wall)).collect()
    }

    /// Whether an event only tells again what was heard and not stored.
    fn was_heard<S>(&mut self, event: &Event<S>) -> bool {
        matches!(event, Event::State { id, .. } if self.unstored.remove(id))
    }
}

/// Whether fewer than a quarter of the keys serve. Paused ones are out because somebody wants it so.
fn is_low(keys: Census) -> bool {
    let wanted = keys.serving + keys.resting + keys.held + keys.disabled;
    wanted > 0 && keys.serving * LOW < wanted
}

/// A pool of which not even this part serves is low.
const LOW: u32 = 4;
/// What is not seen any more for so long is over.
const STANDS: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use potluck_core::Wall;

    use super::*;

    #[test]
    fn what_is_told_again_for_want_of_room_is_heard_once() {
        let (mut watchman, mut alarms) = (Watchman::default(), Alarms::default());
        let now = Now { mono: Mono(1_000_000), wall: Wall(1_700_000_000_000) };
        let died = |n: u8| {
            let state = State::Disabled { reason: Reason::Invalid, since: now.wall };
            Event::<()>::State { id: KeyId([n; 16]), state }
        };
        let mut hears = |watchman: &mut Watchman, n| watchman.hear(&mut alarms, &died(n), now);
        assert!(hears(&mut watchman, 1).is_some(), "news");

        watchman.untold(&died(1));

        assert!(hears(&mut watchman, 1).is_none() && hears(&mut watchman, 2).is_some());
        assert!(hears(&mut watchman, 1).is_some(), "it was stored then, and this is news");
    }

    #[test]
    fn an_alarm_stands_for_a_while_after_its_cause_was_seen() {
        let (mut watchman, mut alarms) = (Watchman::default(), Alarms::default());
        let at = |mono| Now { mono: Mono(mono), wall: Wall(1_700_000_000_000 + mono as i64) };
        let keys = Census { serving: 1, ..Census::default() };
        watchman.store_failed(Mono(1_000_000));

        assert_eq!(watchman.look(&mut alarms, keys, true, at(1_000_001)).len(), 1, "raised");
        assert!(watchman.look(&mut alarms, keys, true, at(1_000_002)).is_empty());
        assert_eq!(watchman.look(&mut alarms, keys, true, at(1_601_000)).len(), 1, "cleared");
        assert_eq!(watchman.look(&mut alarms, keys, false, at(1_601_001)).len(), 1, "raised");
    }

    #[test]
    fn a_pool_is_low_when_hardly_any_of_the_wanted_keys_serve() {
        let keys =
            |serving, resting, paused| Census { serving, resting, paused, ..Census::default() };
        assert!(is_low(keys(1, 4, 0)) && !is_low(keys(1, 3, 0)));
        assert!(!is_low(keys(0, 0, 9)) && !is_low(Census::default()));
    }
}
