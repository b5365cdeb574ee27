//! What every store is tested against.
