//! A key under seal.
//!
//! Layout: one version byte, a 24-byte nonce, the ciphertext with its 16-byte tag. The version
//! byte is part of what the seal protects, so that a later layout cannot be passed off as this.

use std::fmt;

/// A key under seal: bytes for a database, of no use without the master key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Sealed(Box<[u8]>);

impl Sealed {
    /// Takes back what [`Self::as_bytes`] gave; whether it opens is found out by opening it.
    pub fn from_bytes(bytes: impl Into<Box<[u8]>>) -> Sealed {
        Sealed(bytes.into())
    }

    /// The bytes to be stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// Why a sealed key does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// What was sealed is whole, yet by today's grammar it is no Gemini key.
    #[error("what was sealed is not a Gemini key")]
    NotAKey,
    /// Changed, moved from another row, or sealed under another master key.
    #[error("the seal is broken, or belongs to another row or master key")]
    Tampered,
    /// Written in a layout that this version does not know.
    #[error("sealed in an unknown layout")]
    UnknownLayout,
}
