//! The pool's events as orders to the store.
//!
//! Rule: what an event means for the store is said here alone; when an order is given, and what
//! becomes of one that fails, is the edition's.

use std::collections::HashMap;

use potluck_core::{Event, KeyId, State, Usage, Wall};
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

/// Each key's counts as they are on the disk: the store adds, the pool tells totals.
#[derive(Debug, Default)]
pub struct Counts {
    all: HashMap<KeyId, Usage>,
    /// Which part of a pool tells them.
    part: u8,
}

impl Counts {
    /// None yet, of that part of a pool; a pool that is whole is part 0.
    pub fn of_part(part: u8) -> Counts {
        Counts { part, ..Counts::default() }
    }

    /// Notes what is on the disk.
    pub fn stored(&mut self, id: KeyId, usage: Usage) {
        self.all.insert(id, usage);
    }

    /// What an event orders; none where the disk needs no change. Once it is carried out, tell
    /// [`written`](Self::written).
    pub fn order<S>(&mut self, event: &Event<S>, now: Wall) -> Option<Order> {
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
            Event::Usage { id, usage } => Order::Usage(self.added(*id, usage)?),
            Event::Learned { id, day, facts } => {
                Order::Learned(store::Learned { key: id.0, day: *day, facts: facts.to_string() })
            }
            Event::Quota { scope, day, facts } => {
                let (scope, facts) = (scope.to_string(), facts.to_string());
                Order::Quota(store::Quota { part: self.part, scope, day: *day, facts })
            }
            Event::Withdrawn { id, tombstone } => {
                self.all.remove(id);
                Order::Withdraw(id.0, store::Tombstone { id: tombstone.0, at: now.0 })
            }
            Event::TombstoneLifted(tombstone) => Order::Lift(tombstone.0),
            Event::Erase(id) => {
                self.all.remove(id);
                Order::Erase(id.0)
            }
            Event::Probe { .. } | Event::Alarm(_) => return None,
        })
    }

    /// What an event ordered is on the disk.
    pub fn written<S>(&mut self, event: &Event<S>) {
        if let Event::Usage { id, usage } = event {
            self.stored(*id, *usage);
        }
    }

    fn added(&self, id: KeyId, now: &Usage) -> Option<store::Usage> {
        let before = self.all.get(&id).copied().unwrap_or_default();
        let amount = store::UsageTotal {
            lent_calls: now.lent_calls.saturating_sub(before.lent_calls),
            lent_tokens: now.lent_tokens.saturating_sub(before.lent_tokens),
            borrowed_calls: now.borrowed_calls.saturating_sub(before.borrowed_calls),
            borrowed_tokens: now.borrowed_tokens.saturating_sub(before.borrowed_tokens),
        };
        let day = rows::day_ending(now.day_end);
        let row = store::Usage { key: id.0, day, model: String::new(), amount };
        (amount != store::UsageTotal::default()).then_some(row)
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
    use super::*;

    const ID: KeyId = KeyId([7; 16]);

    fn lent(counts: &mut Counts, lent_calls: u64) -> Option<u64> {
        let event: Event<()> =
            Event::Usage { id: ID, usage: Usage { lent_calls, ..Usage::default() } };
        let order = counts.order(&event, Wall(1))?;
        counts.written(&event);
        let Order::Usage(row) = order else { panic!("{order:?}") };
        Some(row.amount.lent_calls)
    }

    #[test]
    fn the_store_is_told_what_was_added() {
        let mut counts = Counts::default();
        counts.stored(ID, Usage { lent_calls: 5, ..Usage::default() });
        assert_eq!(lent(&mut counts, 8), Some(3));
        assert_eq!(lent(&mut counts, 8), None);
        assert_eq!(lent(&mut counts, 9), Some(1));
    }

    #[test]
    fn what_is_erased_counts_from_nothing() {
        let mut counts = Counts::default();
        counts.stored(ID, Usage { lent_calls: 5, ..Usage::default() });
        assert_eq!(counts.order(&Event::<()>::Erase(ID), Wall(1)), Some(Order::Erase(ID.0)));
        assert_eq!(lent(&mut counts, 2), Some(2));
    }

    #[test]
    fn what_a_part_learned_is_stored_as_that_parts() {
        let facts: Box<str> = "hours".into();
        let event: Event<()> = Event::Quota { scope: "lane/x".into(), day: 4, facts };
        let parts = [Counts::default(), Counts::of_part(3)].map(|mut counts| {
            match counts.order(&event, Wall(1)) {
                Some(Order::Quota(quota)) => (quota.part, quota.scope, quota.day, quota.facts),
                other => panic!("{other:?}"),
            }
        });
        let told = |part| (part, "lane/x".to_owned(), 4, "hours".to_owned());
        assert_eq!(parts, [told(0), told(3)]);
    }

    #[test]
    fn a_failed_write_is_ordered_again() {
        let mut counts = Counts::default();
        let usage = Usage { lent_calls: 2, ..Usage::default() };
        let event: Event<()> = Event::Usage { id: ID, usage };
        let first = counts.order(&event, Wall(1));
        assert_eq!(counts.order(&event, Wall(2)), first);
    }
}
