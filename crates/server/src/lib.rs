//! Placeholder.

mod idle;
pub mod transport;
