//! Sealing contributed keys at rest, and the keyed hashes they are known by.
//!
//! The storage is not trusted: whoever copies the data folder, or changes bytes in it, must learn
//! no key and must not be able to pass one row off as another. Whoever holds the master key as
//! well holds everything; keeping that file apart is the operator's part.
//!
//! - [`MasterKey`]: 32 random bytes and the text they are kept as in a file;
//! - [`Vault`]: everything that is done with them. Each use has a sub-key of its own, so that no
//!   two uses can be played against each other;
//! - [`Sealed`]: a key under seal, the only form in which one is ever written down;
//! - [`draw_token`], [`draw_invite`]: what the proxy itself gives out.
//!
//! Nothing here does I/O besides asking the platform for randomness, so the same code runs in
//! every edition.

mod master;
mod sealed;
mod token;
mod vault;

pub use master::{MasterKey, MasterKeyError};
pub use sealed::{OpenError, Sealed};
pub use token::{draw_invite, draw_token};
pub use vault::{CHECK_BYTES, ID_BYTES, MAC_BYTES, Recognised, Vault};

/// The platform gave no randomness; nothing can be sealed safely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the platform gave no random bytes")]
pub struct NoRandomness;
