//! The plain data that goes into a store and comes out of it.
//!
//! Times are milliseconds since 1970; days are whole days since 1970-01-01, counted wherever the
//! pool counts them. A store compares such numbers and knows no clock of its own.

use potluck_vault::Sealed;

/// A key's id, or a tombstone: a keyed hash from the vault.
pub type RowId = [u8; potluck_vault::ID_BYTES];

/// One contributed key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// The keyed hash it is known by.
    pub id: RowId,
    /// The key itself, sealed for this row.
    pub sealed: Sealed,
    /// When it joined.
    pub joined_at: i64,
    /// Whether it is in use.
    pub state: KeyState,
    /// Since when it is in that state.
    pub changed_at: i64,
    /// What its contributor allows.
    pub limits: Limits,
}

impl KeyRow {
    /// A key that has just come.
    pub fn new(id: RowId, sealed: Sealed, now: i64) -> KeyRow {
        let (state, limits) = (KeyState::Active, Limits::default());
        KeyRow { id, sealed, joined_at: now, state, changed_at: now, limits }
    }
}

/// Whether a key is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyState {
    /// It may serve, cooldowns and limits aside.
    Active,
    /// Out until it has proved itself again.
    Disabled {
        /// A short code of the verdict that disabled it; at most 200 characters.
        reason: String,
    },
}

/// What a contributor allows. The default is what holds for a key that nobody said a word about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Lends nothing for now.
    pub paused: bool,
    /// Whether its bearer's calls may be served with others' keys.
    pub borrow: bool,
    /// The most calls lent in one day; none: no limit.
    pub lend_per_day: Option<u32>,
    /// The models it is lent for; none: whatever is free of charge.
    pub lend_models: Option<Vec<String>>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { paused: false, borrow: true, lend_per_day: None, lend_models: None }
    }
}

impl Limits {
    /// The form `lend_models` is stored in: one name a line. None for a name that has no such form
    /// (an empty one, or one with a line break).
    pub fn join_models(models: &[String]) -> Option<String> {
        let plain = |name: &String| !name.is_empty() && !name.contains('\n');
        models.iter().all(plain).then(|| models.join("\n"))
    }

    /// Reads [`Self::join_models`] back.
    pub fn split_models(stored: &str) -> Vec<String> {
        stored.lines().map(str::to_owned).collect()
    }
}

/// A key's rest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cooldown {
    /// Who rests.
    pub key: RowId,
    /// From what, in the pool's words; at most 256 characters.
    pub scope: String,
    /// Until when.
    pub until: i64,
    /// A short code of the verdict.
    pub why: String,
}

/// What was lent and borrowed with one key, for one model, on one day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usage {
    /// Whose key.
    pub key: RowId,
    /// The day; from 1 on, as 0 is where old days are summed up.
    pub day: u32,
    /// The model, or empty where none is known.
    pub model: String,
    /// How much.
    pub amount: UsageTotal,
}

/// An amount of use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsageTotal {
    /// Calls of others served with this key.
    pub lent_calls: u64,
    /// Tokens of those.
    pub lent_tokens: u64,
    /// Calls of this key's bearer served with others' keys.
    pub borrowed_calls: u64,
    /// Tokens of those.
    pub borrowed_tokens: u64,
    /// Calls of its bearer served with this very key.
    pub own_calls: u64,
    /// Tokens of those.
    pub own_tokens: u64,
    /// Calls of its bearer that nobody served.
    pub failed_calls: u64,
}

/// Whose use is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UseOf {
    /// One key's.
    Key(RowId),
    /// Each key's.
    Each {
        /// Rows at most.
        most: u32,
    },
    /// That of all keys together, told of the key that is all zeros.
    All,
}

/// What was learned of one key's quotas.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Learned {
    /// Whose.
    pub key: RowId,
    /// The last day it is of.
    pub day: u32,
    /// The pool's own text; at most 8192 characters.
    pub facts: String,
}

/// What was learned of one quota, of all keys together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quota {
    /// Which part of the pool learned it; 0 where it is not split.
    pub part: u8,
    /// Which quota, in the pool's words; at most 256 characters.
    pub scope: String,
    /// The last day it is of.
    pub day: u32,
    /// The pool's own text; at most 8192 characters.
    pub facts: String,
}

/// What stays of a withdrawn key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tombstone {
    /// A keyed hash that differs from the former id.
    pub id: RowId,
    /// When it was withdrawn.
    pub at: i64,
}

/// Everything a store holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// All keys, in the order of their ids.
    pub keys: Vec<KeyRow>,
    /// All rests, those already over included.
    pub cooldowns: Vec<Cooldown>,
    /// Use day by day, from the day asked for.
    pub usage: Vec<Usage>,
    /// Each key's use in all, of every day; keys without any are left out.
    pub totals: Vec<(RowId, UsageTotal)>,
    /// What was learned of keys' quotas; keys of which nothing was are left out.
    pub learned: Vec<Learned>,
    /// What was learned of quotas, by all parts of the pool.
    pub quotas: Vec<Quota>,
    /// All tombstones.
    pub tombstones: Vec<Tombstone>,
    /// Those of them of keys that an operator had put out.
    pub barred: Vec<RowId>,
}

/// What is old enough to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sweep {
    /// Keys disabled before this time are erased.
    pub disabled_before: i64,
    /// Use of days before this one is summed up in day 0; what was learned until then and not since is
    /// forgotten.
    pub days_before: u32,
}

/// What has gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// The keys that were erased.
    pub erased: Vec<RowId>,
    /// Whether there is more to erase.
    pub more: bool,
}
