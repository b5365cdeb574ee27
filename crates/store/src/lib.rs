//! Durable state behind one trait, with SQLite inside.
//!
//! What must outlive a restart is little: sealed keys, their state and lending limits, rests longer
//! than a minute, usage, what was learned of quotas, and tombstones of withdrawn keys. It is read once, at start; from then on
//! the pool lives in memory and only writes. No request waits for the store, except that a new
//! key's first answer waits until the key is on disk.
//!
//! - [`Store`]: the promises; [`StoreError`]: whose fault it is when one cannot be kept;
//! - [`rows`]: the plain data that goes in and comes out;
//! - [`admission`]: access tokens and invites, for a store that keeps them;
//! - [`seals`]: for a store whose master key is replaced while it is in use;
//! - [`migrations`] and [`sql`]: schema and statements, one set for every engine of SQLite's kind;
//! - [`sqlite`]: one file, one writer thread, group commit (feature `sqlite`, on by default);
//! - `contract`: what every store is tested against (feature `contract`).

pub mod admission;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod error;
pub mod migrations;
pub mod rows;
pub mod seals;
pub mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod store;

pub use admission::AdmissionStore;
pub use error::StoreError;
pub use rows::{
    Cooldown, KeyRow, KeyState, Learned, Limits, Quota, RowId, Snapshot, Sweep, Swept, Tombstone,
    Usage, UsageTotal, UseOf,
};
pub use seals::SealStore;
#[cfg(feature = "sqlite")]
pub use sqlite::{OpenError, SqliteStore};
pub use store::{Answer, Inserted, Store};
