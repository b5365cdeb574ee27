//! Who asks about the own key, on the way from an isolate to the object.
//!
//! Rule: a key stays in the isolate that it was shown to. What goes on is what the vault makes of
//! it there: its id and its tombstone.

use potluck_core::{KeyId, Tombstone};
use potluck_gemini::ApiKey;
use potluck_vault::Vault;

/// The header that holds the id.
pub const ID: &str = "x-potluck-id";
/// The header that holds the tombstone.
pub const TOMBSTONE: &str = "x-potluck-tombstone";

/// A key's bearer, as the object knows one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The key's name in the pool.
    pub id: KeyId,
    /// What would remain of it.
    pub tombstone: Tombstone,
}

impl Caller {
    /// Whoever shows that key.
    pub fn of(key: &ApiKey, vault: &Vault) -> Caller {
        Caller { id: KeyId(vault.key_id(key)), tombstone: Tombstone(vault.tombstone(key)) }
    }

    /// As headers of a request to the object.
    pub fn headers(&self) -> [(&'static str, String); 2] {
        [(ID, hex::encode(self.id.0)), (TOMBSTONE, hex::encode(self.tombstone.0))]
    }

    /// Out of the headers of a request to the object.
    pub fn read(header: impl Fn(&str) -> Option<String>) -> Option<Caller> {
        let bytes = |name| {
            let mut bytes = [0; 16];
            hex::decode_to_slice(header(name)?, &mut bytes).ok()?;
            Some(bytes)
        };
        Some(Caller { id: KeyId(bytes(ID)?), tombstone: Tombstone(bytes(TOMBSTONE)?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_arrives_as_it_was_sent() {
        let caller = Caller { id: KeyId([1; 16]), tombstone: Tombstone([0xfe; 16]) };
        let sent = caller.headers();
        let header = |name: &str| {
            sent.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
        };
        assert_eq!(Caller::read(header), Some(caller));
        assert_eq!(Caller::read(|_| Some("ff".to_owned())), None);
        assert_eq!(Caller::read(|_| None), None);
    }
}
