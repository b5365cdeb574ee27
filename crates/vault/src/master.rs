//! The master key and its text form.
//!
//! Why a text form of its own: people copy this value between files and environment variables. A
//! prefix tells what it is, a checksum tells a typing mistake from a wrong key, and no error ever
//! repeats what was read.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::NoRandomness;

/// The secret that all others are derived from.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; SECRET_BYTES]>);

impl MasterKey {
    /// Makes a new one from the platform's randomness.
    pub fn generate() -> Result<MasterKey, NoRandomness> {
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        getrandom::fill(secret.as_mut_slice()).map_err(|_| NoRandomness)?;
        Ok(MasterKey(secret))
    }

    /// Reads the text form; white space around it is ignored.
    pub fn parse(text: &str) -> Result<MasterKey, MasterKeyError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(MasterKeyError::Empty);
        }
        let body = text.strip_prefix(PREFIX).ok_or(MasterKeyError::Prefix)?;
        if body.len() != BODY_CHARS {
            return Err(MasterKeyError::Length);
        }
        let mut bytes = Zeroizing::new([0; SECRET_BYTES + CHECKSUM_BYTES]);
        URL_SAFE_NO_PAD
            .decode_slice(body, bytes.as_mut_slice())
            .map_err(|_| MasterKeyError::Alphabet)?;
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        secret.copy_from_slice(&bytes[..SECRET_BYTES]);
        if bytes[SECRET_BYTES..] != checksum(&secret) {
            return Err(MasterKeyError::Mistyped);
        }
        Ok(MasterKey(secret))
    }

    /// The text form, for a file that only its owner may read.
    pub fn text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; SECRET_BYTES + CHECKSUM_BYTES]);
        bytes[..SECRET_BYTES].copy_from_slice(self.0.as_slice());
        bytes[SECRET_BYTES..].copy_from_slice(&checksum(&self.0));
        // Sized at once: a string that grows would leave copies of the secret behind.
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + BODY_CHARS));
        text.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(bytes.as_slice(), &mut text);
        text
    }

    pub(crate) fn secret(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// Why a text is no master key. Names the fault, never the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MasterKeyError {
    /// Letters that base64url does not have.
    #[error("the master key holds characters that do not belong in it")]
    Alphabet,
    /// Nothing there.
    #[error("the master key is empty")]
    Empty,
    /// Cut off, or with something behind it.
    #[error("the master key has the wrong length")]
    Length,
    /// The checksum does not fit.
    #[error("the master key is mistyped: its checksum does not fit")]
    Mistyped,
    /// Some other text.
    #[error("this is not a master key: those begin with {PREFIX}")]
    Prefix,
}

fn checksum(secret: &[u8; SECRET_BYTES]) -> [u8; CHECKSUM_BYTES] {
    let derived = Zeroizing::new(blake3::derive_key(CHECKSUM_CONTEXT, secret));
    let mut sum = [0; CHECKSUM_BYTES];
    sum.copy_from_slice(&derived[..CHECKSUM_BYTES]);
    sum
}

const PREFIX: &str = "plmk1_";
const CHECKSUM_CONTEXT: &str = "potluck 2026 master key checksum v1";
/// 256 bits: what the cipher and the hash take.
pub(crate) const SECRET_BYTES: usize = 32;
/// A slip goes unseen once in four thousand million; 36 bytes also fill base64 without a rest.
const CHECKSUM_BYTES: usize = 4;
const BODY_CHARS: usize = (SECRET_BYTES + CHECKSUM_BYTES) / 3 * 4;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn text_form_reads_back_with_white_space_around() {
        let master = MasterKey::generate().unwrap();

        let read = MasterKey::parse(&format!("\n {}\r\n", *master.text())).unwrap();

        assert_eq!(read.secret(), master.secret());
    }

    #[test]
    fn text_form_never_outgrows_its_room() {
        let text = MasterKey::generate().unwrap().text();
        assert_eq!(text.len(), PREFIX.len() + BODY_CHARS);
    }

    #[test]
    fn each_fault_is_told_apart() {
        let good = MasterKey::generate().unwrap().text();
        let cases = [
            (String::new(), MasterKeyError::Empty),
            (" \n".to_owned(), MasterKeyError::Empty),
            ("hunter2".to_owned(), MasterKeyError::Prefix),
            (good[PREFIX.len()..].to_owned(), MasterKeyError::Prefix),
            (good[..good.len() - 1].to_owned(), MasterKeyError::Length),
            (format!("{}A", *good), MasterKeyError::Length),
            (format!("{PREFIX}{}", "!".repeat(BODY_CHARS)), MasterKeyError::Alphabet),
            (format!("{PREFIX}{}", "é".repeat(BODY_CHARS / 2)), MasterKeyError::Alphabet),
        ];
        for (text, fault) in cases {
            assert_eq!(MasterKey::parse(&text).err(), Some(fault), "{fault}");
        }
    }

    #[test]
    fn one_changed_letter_is_a_typing_mistake() {
        let good = MasterKey::generate().unwrap().text();
        for place in PREFIX.len()..good.len() {
            let mut letters = good.as_bytes().to_vec();
            letters[place] = if letters[place] == b'A' { b'B' } else { b'A' };
            let text = String::from_utf8(letters).unwrap();
            assert_eq!(MasterKey::parse(&text).err(), Some(MasterKeyError::Mistyped));
        }
    }

    #[test]
    fn neither_debug_nor_an_error_prints_any_of_it() {
        let master = MasterKey::generate().unwrap();
        let text = master.text();
        let mut wrong = text.to_string();
        wrong.truncate(40);

        let error = MasterKey::parse(&wrong).unwrap_err();

        assert_eq!(format!("{master:?}"), "MasterKey(…)");
        assert!(!format!("{error} {error:?}").contains(&wrong[10..20]));
    }
}
