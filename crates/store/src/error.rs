//! Why the store could not do what it was asked.

/// Whose fault it is, and with that what the asker should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Too much is waiting to be written. Nothing was queued; try again later.
    #[error("the store is busy")]
    Busy,
    /// The store was closed; a stop is under way.
    #[error("the store is closed")]
    Closed,
    /// An input or output error. What is on disk is no longer certain, so nothing more is written
    /// until a restart has read it again.
    #[error("the store has failed and needs a restart")]
    Failed,
    /// No room on the disk. Nothing was written; writing goes on once there is room.
    #[error("the disk is full")]
    Full,
    /// The row breaks the schema: a fault in this program. Nothing of it was written.
    #[error("the store refused a malformed row")]
    Rejected,
    /// Out of reach for the moment, or held by another program. Nothing was written.
    #[error("the store is not available at the moment")]
    Unavailable,
}
