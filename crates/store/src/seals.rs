//! Seals, for a store whose master key is replaced while it is in use.

use potluck_vault::Sealed;

use crate::rows::RowId;
use crate::{Answer, Store};

/// A store that hands out its seals and takes others in their place; the promises of [`Store`] hold for
/// these too.
pub trait SealStore: Store {
    /// Reads some rows' ids and seals, in the order of ids: behind `after`, and at most
    /// [`SEALS_AT_ONCE`].
    fn seals(&self, after: Option<RowId>) -> Answer<Vec<(RowId, Sealed)>>;

    /// Puts seals in the place of those that are there. After the answer no readable copy of the former
    /// ones is left in the data.
    fn reseal(&self, seals: Vec<(RowId, Sealed)>) -> Answer<()>;
}

/// Rows sealed anew together: some milliseconds of work, so that others are not kept waiting.
pub const SEALS_AT_ONCE: u32 = 500;
