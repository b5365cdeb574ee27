//! What the pool wants done: written behind, probed, or shouted.
//!
//! Events are kept as marks on keys, not as a queue of messages: an event is made from the key's
//! state at the moment it is taken. So any number of changes between two takings is one event, and
//! nothing can overflow or be lost.

use crate::{
    id::{KeyId, Slot, Tombstone},
    key::State,
    limits::Limits,
    pool::Used,
    rest::CooldownRecord,
};

/// Something for the driver to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<S> {
    /// Store whether the key is in service.
    State {
        /// The key.
        id: KeyId,
        /// Its state now.
        state: State,
    },
    /// Store the key's cooldowns: all that are longer than a minute, in place of what was stored.
    Cooldowns {
        /// The key.
        id: KeyId,
        /// Its cooldowns now.
        cooldowns: Vec<CooldownRecord>,
    },
    /// Store the key's limits.
    Limits {
        /// The key.
        id: KeyId,
        /// Its limits now.
        limits: Limits,
    },
    /// Add to what is stored of the use of a key.
    Usage(Used),
    /// Store what was learned of the key's quotas, in place of what was stored.
    Learned {
        /// The key.
        id: KeyId,
        /// The last day it is of, counted from 1970-01-01.
        day: u32,
        /// A text that the core alone reads.
        facts: Box<str>,
    },
    /// Store what was learned of a quota of all keys together, in place of what was stored.
    Quota {
        /// Which one, as a [`Scope`](crate::Scope)'s text.
        scope: Box<str>,
        /// The last day it is of, counted from 1970-01-01.
        day: u32,
        /// A text that the core alone reads.
        facts: Box<str>,
    },
    /// Erase the key and its usage, and remember the tombstone.
    Withdrawn {
        /// The key.
        id: KeyId,
        /// What remains of it.
        tombstone: Tombstone,
    },
    /// Forget a tombstone: its contributor wants to join again.
    TombstoneLifted(Tombstone),
    /// Erase a key that was out for thirty days.
    Erase(KeyId),
    /// Ask `GET models` with this key, and say how it went with `probed`.
    Probe {
        /// The key's place.
        slot: Slot,
        /// The key.
        id: KeyId,
        /// Its secret.
        secret: S,
    },
    /// Tell the operator.
    Alarm(Alarm),
}

/// What an operator should know at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alarm {
    /// Google refuses the place we call from, whatever the key.
    OurPlace,
    /// Many keys were refused at once; verdicts are held until a probe decides.
    Everyone,
    /// A key that was good a moment ago is refused too: the keys are not to blame.
    EveryoneConfirmed,
    /// The held verdicts stand: the keys are dead.
    EveryoneDead,
}

pub(crate) const ALARMS: [Alarm; 4] =
    [Alarm::OurPlace, Alarm::Everyone, Alarm::EveryoneConfirmed, Alarm::EveryoneDead];

/// Marks of a key's waiting events.
pub(crate) mod mark {
    pub(crate) const STATE: u8 = 1;
    pub(crate) const COOLDOWNS: u8 = 2;
    pub(crate) const LIMITS: u8 = 4;
    pub(crate) const PROBE: u8 = 16;
    pub(crate) const LEARNED: u8 = 32;
}
