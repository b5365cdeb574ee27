//! The vault: what is done with the master key.
//!
//! Rule: one sub-key for one purpose, derived with a context string that is used nowhere else.
//! Look-up ids and tombstones come from different sub-keys, so that a tombstone left behind by a
//! withdrawn key cannot be matched with the id that once stood in logs.
//!
//! The associated data of a seal names table, row and column, each with its length in front. A
//! ciphertext copied into another row therefore does not open, and no two places read alike.

use std::fmt;
use std::sync::{PoisonError, RwLock};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use potluck_gemini::ApiKey;
use potluck_gemini::credential::AccessToken;
use zeroize::Zeroizing;

use crate::master::SECRET_BYTES;
use crate::{MasterKey, NoRandomness, OpenError, Sealed};

/// Seals and opens keys, and names them by keyed hashes.
///
/// The first master key seals, names and signs; older ones still open what they sealed and verify
/// what they signed, so that a master key can be replaced without losing anything.
///
/// While it is in use, a yet newer master key may come to seal: see [`renew`](Self::renew).
pub struct Vault {
    current: Ring,
    older: Vec<Ring>,
    /// Newer ones, by age; the last one seals.
    newer: RwLock<Vec<Ring>>,
}

impl Vault {
    /// A vault under one master key.
    pub fn new(master: &MasterKey) -> Vault {
        Vault::with_older(master, &[])
    }

    /// A vault under `master` that also opens what was sealed under `older` ones.
    pub fn with_older(master: &MasterKey, older: &[MasterKey]) -> Vault {
        let older = older.iter().map(Ring::new).collect();
        Vault { current: Ring::new(master), older, newer: RwLock::default() }
    }

    /// From now on seals under `master`; what was sealed before still opens. What keys, tombstones and
    /// tokens are known by, and signatures, stay the former one's until a vault is made with it: their
    /// names must not change under those who hold them.
    pub fn renew(&self, master: &MasterKey) {
        self.newer.write().unwrap_or_else(PoisonError::into_inner).push(Ring::new(master));
    }

    /// Whether a seal for the row `row` is under the master key that seals now.
    pub fn is_current(&self, row: &[u8; ID_BYTES], sealed: &Sealed) -> bool {
        self.with_sealing(|ring| ring.opens(row, sealed).is_ok_and(|text| text.is_some()))
    }

    /// Whether there is any older one.
    pub fn has_older(&self) -> bool {
        !self.older.is_empty()
    }

    /// The id a key is known by everywhere: in the pool, in the store, in logs.
    pub fn key_id(&self, key: &ApiKey) -> [u8; ID_BYTES] {
        short_hash(&self.current.ids, key)
    }

    /// What stays of a key that was withdrawn.
    pub fn tombstone(&self, key: &ApiKey) -> [u8; ID_BYTES] {
        short_hash(&self.current.tombstones, key)
    }

    /// What may have stayed of it: under the current master key, then under each older one.
    pub fn tombstones(&self, key: &ApiKey) -> impl Iterator<Item = [u8; ID_BYTES]> {
        self.rings().map(|ring| short_hash(&ring.tombstones, key))
    }

    /// What an access token is known by: under the current master key, under which new ones are kept,
    /// then under each older one, as nobody has the token to hash it anew.
    pub fn token_ids(&self, token: &AccessToken) -> impl Iterator<Item = [u8; ID_BYTES]> {
        self.rings().map(|ring| hash_of_text(&ring.tokens, token.expose()))
    }

    /// The same of an invite code.
    pub fn invite_ids(&self, code: &str) -> impl Iterator<Item = [u8; ID_BYTES]> {
        self.rings().map(move |ring| hash_of_text(&ring.invites, code))
    }

    /// Seals `key` for the row `row` of the table of keys.
    pub fn seal(&self, row: &[u8; ID_BYTES], key: &ApiKey) -> Result<Sealed, NoRandomness> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| NoRandomness)?;
        let place = place(row);
        let payload = Payload { msg: key.expose().as_bytes(), aad: &place };
        let hidden = self.with_sealing(|ring| ring.cipher().encrypt(&XNonce::from(nonce), payload));
        // The cipher refuses only what is longer than 256 GiB, which no key is.
        let Ok(hidden) = hidden else { unreachable!("a key is shorter than the cipher's limit") };
        let mut bytes = Vec::with_capacity(1 + NONCE_BYTES + hidden.len());
        bytes.push(LAYOUT);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&hidden);
        Ok(Sealed::from_bytes(bytes))
    }

    /// Opens what was sealed for the row `row`.
    pub fn open(&self, row: &[u8; ID_BYTES], sealed: &Sealed) -> Result<ApiKey, OpenError> {
        let newer = self.newer.read().unwrap_or_else(PoisonError::into_inner);
        let mut text = None;
        for ring in newer.iter().rev().chain(self.rings()) {
            text = ring.opens(row, sealed)?;
            if text.is_some() {
                break;
            }
        }
        let text = text.ok_or(OpenError::Tampered)?;
        let text = std::str::from_utf8(&text).map_err(|_| OpenError::NotAKey)?;
        ApiKey::parse(text).map_err(|_| OpenError::NotAKey)
    }

    /// Signs `bytes` for one purpose; a signature for another purpose is another one.
    pub fn sign(&self, purpose: &str, bytes: &[u8]) -> [u8; MAC_BYTES] {
        *self.current.mac(purpose, bytes).as_bytes()
    }

    /// Whether `mac` is this vault's signature of `bytes`; takes the same time wherever it differs.
    pub fn verify(&self, purpose: &str, bytes: &[u8], mac: &[u8]) -> bool {
        let Ok(mac) = <[u8; MAC_BYTES]>::try_from(mac) else { return false };
        let mac = blake3::Hash::from_bytes(mac);
        // blake3 compares hashes in constant time.
        self.rings().any(|ring| ring.mac(purpose, bytes) == mac)
    }

    /// Whether two tokens are one. Compared by their MACs, so that the time it takes tells nothing
    /// about either.
    pub fn same_token(&self, shown: &[u8], token: &[u8]) -> bool {
        self.verify("admin-token", shown, &self.sign("admin-token", token))
    }

    /// A value to be stored beside the sealed keys: it tells whose they are and nothing else.
    pub fn check(&self) -> [u8; CHECK_BYTES] {
        self.current.check()
    }

    /// Whether a stored [check value](Self::check) was written under one of these master keys.
    pub fn recognises(&self, check: &[u8]) -> Recognised {
        if self.current.check() == *check {
            Recognised::Current
        } else if self.older.iter().any(|ring| ring.check() == *check) {
            Recognised::Older
        } else {
            Recognised::Foreign
        }
    }

    fn rings(&self) -> impl Iterator<Item = &Ring> {
        std::iter::once(&self.current).chain(&self.older)
    }

    fn with_sealing<T>(&self, work: impl FnOnce(&Ring) -> T) -> T {
        let newer = self.newer.read().unwrap_or_else(PoisonError::into_inner);
        work(newer.last().unwrap_or(&self.current))
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(…)")
    }
}

/// Whose seals a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recognised {
    /// Sealed under the master key in use.
    Current,
    /// Sealed under a master key that this vault does not hold.
    Foreign,
    /// Sealed under one of the older master keys: to be sealed anew.
    Older,
}

/// The sub-keys of one master key.
struct Ring {
    check: SubKey,
    ids: SubKey,
    invites: SubKey,
    seals: SubKey,
    signatures: SubKey,
    tokens: SubKey,
    tombstones: SubKey,
}

impl Ring {
    fn new(master: &MasterKey) -> Ring {
        let sub_key = |context| Zeroizing::new(blake3::derive_key(context, master.secret()));
        Ring {
            check: sub_key("potluck 2026 master key check v1"),
            ids: sub_key("potluck 2026 key id v1"),
            invites: sub_key("potluck 2026 invite id v1"),
            seals: sub_key("potluck 2026 sealing of keys v1"),
            signatures: sub_key("potluck 2026 signatures v1"),
            tokens: sub_key("potluck 2026 token id v1"),
            tombstones: sub_key("potluck 2026 tombstone v1"),
        }
    }

    /// None for what another ring sealed, or somebody changed.
    fn opens(
        &self,
        row: &[u8; ID_BYTES],
        sealed: &Sealed,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, OpenError> {
        let (&layout, rest) = sealed.as_bytes().split_first().ok_or(OpenError::Tampered)?;
        if layout != LAYOUT {
            return Err(OpenError::UnknownLayout);
        }
        let (nonce, hidden) = rest.split_first_chunk().ok_or(OpenError::Tampered)?;
        let payload = Payload { msg: hidden, aad: &place(row) };
        Ok(self.cipher().decrypt(&XNonce::from(*nonce), payload).ok().map(Zeroizing::new))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.seals).into())
    }

    fn mac(&self, purpose: &str, bytes: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.signatures);
        hasher.update(&length(purpose.as_bytes())).update(purpose.as_bytes()).update(bytes);
        hasher.finalize()
    }

    fn check(&self) -> [u8; CHECK_BYTES] {
        *blake3::keyed_hash(&self.check, b"check").as_bytes()
    }
}

fn short_hash(sub_key: &SubKey, key: &ApiKey) -> [u8; ID_BYTES] {
    hash_of_text(sub_key, key.expose())
}

fn hash_of_text(sub_key: &SubKey, text: &str) -> [u8; ID_BYTES] {
    let hash = blake3::keyed_hash(sub_key, text.as_bytes());
    let mut id = [0; ID_BYTES];
    id.copy_from_slice(&hash.as_bytes()[..ID_BYTES]);
    id
}

/// The associated data: layout, table, row, column.
fn place(row: &[u8; ID_BYTES]) -> Vec<u8> {
    let mut place = vec![LAYOUT];
    for part in [TABLE, row.as_slice(), COLUMN] {
        place.extend_from_slice(&length(part));
        place.extend_from_slice(part);
    }
    place
}

fn length(bytes: &[u8]) -> [u8; 8] {
    (bytes.len() as u64).to_le_bytes()
}

type SubKey = Zeroizing<[u8; SECRET_BYTES]>;

/// Bytes of a key's id and of a tombstone: 128 bits, so that two of a million keys never meet.
pub const ID_BYTES: usize = 16;
/// Bytes of a signature.
pub const MAC_BYTES: usize = 32;
/// Bytes of the check value.
pub const CHECK_BYTES: usize = 32;

const LAYOUT: u8 = 1;
const NONCE_BYTES: usize = 24;
const TABLE: &[u8] = b"keys";
const COLUMN: &[u8] = b"sealed";
