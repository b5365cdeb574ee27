//! The trait every store implements.

use std::pin::Pin;

use crate::StoreError;
use crate::rows::{
    Cooldown, KeyRow, KeyState, Learned, Limits, Quota, RowId, Snapshot, Sweep, Swept, Tombstone,
    Usage, UseOf,
};

/// What a store answers, once it is certain.
///
/// Owns all it needs, so that it can be awaited by a task of its own. It is to be awaited: some
/// stores begin when asked, others when first polled. Dropped half way it may or may not be done.
pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// Durable state.
///
/// Four promises hold for every method:
///
/// - **Ok means durable.** A crash or a power cut right after the answer loses nothing.
/// - **All or nothing.** A batch is written whole or not at all.
/// - **Again is harmless**, except for [`add_usage`](Self::add_usage), which adds.
/// - **Bounded.** What cannot be queued is refused at once with [`StoreError::Busy`].
///
/// Writes about a key that is not there (any more) do nothing and are no error: they were on their
/// way when it was withdrawn.
pub trait Store: Send + Sync {
    /// Reads everything; usage day by day only from `since_day` on, before that as a sum.
    fn load(&self, since_day: u32) -> Answer<Snapshot>;

    /// Adds a key, unless it is there or was withdrawn under this tombstone.
    fn insert(&self, row: KeyRow, tombstone: RowId) -> Answer<Inserted>;

    /// Sets a key's state; false if there is no such key.
    fn set_state(&self, id: RowId, state: KeyState, at: i64) -> Answer<bool>;

    /// Sets what a contributor allows; false if there is no such key.
    fn set_limits(&self, id: RowId, limits: Limits) -> Answer<bool>;

    /// Sets a key's rests, in place of all that were stored for it.
    fn set_cooldowns(&self, id: RowId, cooldowns: Vec<Cooldown>) -> Answer<()>;

    /// Adds to what was lent and borrowed.
    fn add_usage(&self, usage: Vec<Usage>) -> Answer<()>;

    /// Reads use day by day from `since_day` on, in the order of keys, days and models.
    fn usage(&self, since_day: u32, of: UseOf) -> Answer<Vec<Usage>>;

    /// Sets what was learned of keys, in place of what was stored of each.
    fn set_learned(&self, learned: Vec<Learned>) -> Answer<()>;

    /// Sets what was learned of quotas, in place of what was stored of each.
    fn set_quotas(&self, quotas: Vec<Quota>) -> Answer<()>;

    /// Erases a key with all that is remembered of it and leaves a tombstone; false, and no
    /// tombstone, if there is no such key. After the answer no readable copy is left in the data.
    fn withdraw(&self, id: RowId, tombstone: Tombstone) -> Answer<bool>;

    /// Erases a key with all that is remembered of it, without a trace; false if there is none.
    fn erase(&self, id: RowId) -> Answer<bool>;

    /// Takes a tombstone away, so that its key may join again; false if there was none.
    fn lift(&self, tombstone: RowId) -> Answer<bool>;

    /// Erases what has grown old, some of it at a time: ask again while [`Swept::more`].
    fn sweep(&self, sweep: Sweep) -> Answer<Swept>;

    /// Requests that wait to be carried out.
    fn queued(&self) -> usize;

    /// False once an error has made the state on disk uncertain; readiness asks this.
    fn healthy(&self) -> bool;

    /// Writes what is queued, tidies up and lets go of the data. What is asked later is
    /// [`StoreError::Closed`].
    fn close(&self) -> Answer<()>;
}

/// What became of a key that was to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It was there before and stays as it was.
    Already,
    /// It is there now.
    Stored,
    /// Its contributor withdrew it; it stays out until the tombstone is lifted.
    Withdrawn,
}
