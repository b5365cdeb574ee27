//! Names of keys that are safe to show, and the places they hold in the pool.
//!
//! A key is never named by any of its characters: everywhere it goes by an id made of its keyed
//! hash. Inside the pool a small place number is handier; it carries a generation, so that a place
//! that was given to another key is never mistaken for the old one.

use std::{
    fmt,
    hash::{BuildHasher, Hash, Hasher},
};

/// A key's keyed hash: its name towards people, logs and the store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 16]);

/// An access token's keyed hash: its name towards people, logs and the store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub [u8; 16]);

impl TokenId {
    /// The same as a bearer's: hashes of keys and of tokens never meet.
    pub fn bearer(self) -> KeyId {
        KeyId(self.0)
    }
}

/// An invite's keyed hash: its name towards people, logs and the store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InviteId(pub [u8; 16]);

macro_rules! shown_as {
    ($($id:ident $prefix:literal)*) => {$(
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.shown(|text| f.write_str(text))
            }
        }

        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl $id {
            /// Lets something look at how it is shown, which takes no memory.
            pub(crate) fn shown<T>(&self, look: impl FnOnce(&str) -> T) -> T {
                let text = letters($prefix, &self.0);
                // Digits are ASCII, and so is the prefix.
                look(std::str::from_utf8(&text).unwrap_or_default())
            }

            /// Reads an id as it is shown.
            pub fn parse(text: &str) -> Option<$id> {
                text.strip_prefix($prefix).and_then(digits).map($id)
            }
        }
    )*};
}

shown_as! {
    KeyId "k_"
    TokenId "t_"
    InviteId "i_"
}

/// An id as it is shown: a prefix of two letters, and its digits.
fn letters(prefix: &str, id: &[u8; 16]) -> [u8; 34] {
    let mut text = [0; 34];
    for (letter, known) in text.iter_mut().zip(prefix.bytes()) {
        *letter = known;
    }
    for (digits, byte) in text[2..].chunks_exact_mut(2).zip(id) {
        digits[0] = DIGITS[usize::from(byte >> 4)];
        digits[1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

fn digits(text: &str) -> Option<[u8; 16]> {
    let lower = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    let whole = text.len() == 32 && text.bytes().all(lower);
    whole.then(|| u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes))?
}

/// What remains of a withdrawn key: a hash under another key than [`KeyId`]'s, so that neither
/// tells the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tombstone(pub [u8; 16]);

/// A key's place in the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    pub(crate) at: u32,
    pub(crate) generation: u32,
}

/// Hashes what is a keyed hash already, by taking its first eight bytes.
///
/// Outsiders cannot choose keyed hashes, so no more mixing is needed; and unlike the standard
/// hasher this one needs no randomness.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hashed;

impl BuildHasher for Hashed {
    type Hasher = FirstBytes;

    fn build_hasher(&self) -> FirstBytes {
        FirstBytes(0)
    }
}

#[derive(Debug)]
pub(crate) struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        for (place, byte) in bytes.iter().take(8).enumerate() {
            self.0 ^= u64::from(*byte) << (place * 8);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }

    // The length prefix of an array says nothing.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A seeded 64-bit hash for tables whose keys callers can choose.
pub(crate) fn seeded(seed: u64, bytes: &[u8]) -> u64 {
    let mut state = seed ^ K0;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        state = fold(state ^ u64::from_le_bytes(word), K1);
    }
    fold(state ^ bytes.len() as u64, K2)
}

/// The next number of a small generator: jitter needs no better one.
pub(crate) fn stir(state: &mut u64) -> u64 {
    *state = state.wrapping_add(K0);
    fold(*state ^ K1, K2)
}

fn fold(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    (wide as u64) ^ ((wide >> 64) as u64)
}

// Odd constants with evenly mixed bits.
const K0: u64 = 0x9e37_79b9_7f4a_7c15;
const K1: u64 = 0xd1b5_4a32_d192_ed03;
const K2: u64 = 0x8cb9_2ba7_2f3d_8dd7;

/// The place in the hash table of anything hashable by [`Hashed`].
#[cfg(test)]
fn place(value: impl Hash) -> u64 {
    Hashed.hash_one(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_as_lower_case_hex() {
        let id = KeyId([0xab; 16]);
        assert_eq!(id.to_string(), format!("k_{}", "ab".repeat(16)));
        assert_eq!(format!("{id:?}"), id.to_string());
        assert_eq!(KeyId::parse(&id.to_string()), Some(id));
        assert_eq!(TokenId::parse(&id.to_string()), None, "each kind has a mark of its own");
        assert_eq!(TokenId::parse(&TokenId([1; 16]).to_string()), Some(TokenId([1; 16])));
        assert_eq!(InviteId::parse(&format!("i_{}", "AB".repeat(16))), None);
    }

    #[test]
    fn ids_are_placed_by_their_first_bytes() {
        let mut bytes = [7; 16];
        bytes[8..].fill(1);
        assert_eq!(place(KeyId(bytes)), u64::from_le_bytes([7; 8]));
    }

    #[test]
    fn the_seed_changes_every_place() {
        assert_ne!(seeded(1, b"gemini-flash"), seeded(2, b"gemini-flash"));
        assert_ne!(seeded(1, b"a"), seeded(1, b"a\0"));
        assert_eq!(seeded(9, b"same"), seeded(9, b"same"));
    }
}
