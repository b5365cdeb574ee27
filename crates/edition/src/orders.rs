//! The pool's events as orders to the store.
//!
//! Rule: what an event means for the store is said here alone; when an order is given, and what
//! becomes of one that fails, is the edition's.

use potluck_core::{Event, State, Wall};
use potluck_store as store;

use crate::rows;

/// Something for the store to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Set a key's state, which changed then (milliseconds since 1970).
    State(store::RowId, store::KeyState, i64),
    /// Set a key's rests.
    Cooldowns(store::RowId, Vec<store::Cooldown>),
    /// Set what a contributor allows.
    Limits(store::RowId, store::Limits),
    /// Add to what was lent and borrowed.
    Usage(store::Usage),
    /// Set what was learned of a key's quotas.
    Learned(store::Learned),
    /// Set what was learned of a quota by all keys together.
    Quota(store::Quota),
    /// Erase a key and leave this tombstone.
    Withdraw(store::RowId, store::Tombstone),
    /// Take a tombstone away.
    Lift(store::RowId),
    /// Erase a key without a trace.
    Erase(store::RowId),
}

/// What events of a part of the pool order.
#[derive(Debug, Clone, Copy, Default)]
pub struct Orders {
    part: u8,
}

impl Orders {
    /// Of that part; a pool that is whole is part 0.
    pub fn of_part(part: u8) -> Orders {
        Orders { part }
    }

    /// What an event orders; none where the disk needs no change.
    pub fn order<S>(&self, event: &Event<S>, now: Wall) -> Option<Order> {
        Some(match event {
            Event::State { id, state } => {
                let (state, at) = stored_state(*state, now);
                Order::State(id.0, state, at)
            }
            Event::Cooldowns { id, cooldowns } => {
                let rests = cooldowns.iter().map(|rest| rows::cooldown(id.0, rest)).collect();
                Order::Cooldowns(id.0, rests)
            }
            Event::Limits { id, limits } => Order::Limits(id.0, rows::limits(limits)),
            Event::Usage(used) => Order::Usage(rows::used(used)),
            Event::Learned { id, day, facts } => {
                Order::Learned(store::Learned { key: id.0, day: *day, facts: facts.to_string() })
            }
            Event::Quota { scope, day, facts } => {
                let (scope, facts) = (scope.to_string(), facts.to_string());
                Order::Quota(store::Quota { part: self.part, scope, day: *day, facts })
            }
            Event::Withdrawn { id, tombstone } => {
                Order::Withdraw(id.0, store::Tombstone { id: tombstone.0, at: now.0 })
            }
            Event::TombstoneLifted(tombstone) => Order::Lift(tombstone.0),
            Event::Erase(id) => Order::Erase(id.0),
            Event::Probe { .. } | Event::Alarm(_) => return None,
        })
    }
}

/// A key's state for the store, and since when it has been so.
pub fn stored_state(state: State, now: Wall) -> (store::KeyState, i64) {
    match state {
        State::Active => (store::KeyState::Active, now.0),
        State::Disabled { reason, since } => {
            (store::KeyState::Disabled { reason: reason.name().to_owned() }, since.0)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use potluck_core::{Amount, KeyId, Used};

    use super::*;

    #[test]
    fn what_was_used_is_ordered_of_the_day_that_google_counts() {
        let amount = Amount { lent_calls: 3, own_tokens: 4, ..Amount::default() };
        let (id, day_end) = (KeyId([7; 16]), Wall(20_000 * 86_400_000 + 8 * 3_600_000));
        let event: Event<()> = Event::Usage(Used { id, day_end, model: "flash".into(), amount });
        let Some(Order::Usage(row)) = Orders::default().order(&event, Wall(1)) else {
            panic!("{event:?}")
        };
        assert_eq!((row.key, row.day, row.model.as_str()), (id.0, 19_999, "flash"));
        assert_eq!((row.amount.lent_calls, row.amount.own_tokens), (3, 4));
    }

    #[test]
    fn what_a_part_learned_is_stored_as_that_parts() {
        let facts: Box<str> = "hours".into();
        let event: Event<()> = Event::Quota { scope: "lane/x".into(), day: 4, facts };
        let parts = [Orders::default(), Orders::of_part(3)].map(|orders| {
            match orders.order(&event, Wall(1)) {
                Some(Order::Quota(quota)) => (quota.part, quota.scope, quota.day, quota.facts),
                other => panic!("{other:?}"),
            }
        });
        let told = |part| (part, "lane/x".to_owned(), 4, "hours".to_owned());
        assert_eq!(parts, [told(0), told(3)]);
    }
}
