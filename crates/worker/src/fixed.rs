//! What does not change while an isolate lives.

use potluck_vault::{MasterKey, Vault};

use crate::settings::Settings;

/// The purpose of the signature that conversations are hashed with.
const CONVERSATIONS: &str = "conversations";

/// Settings, and what the master key makes.
pub struct Fixed {
    /// The operator's settings.
    pub settings: Settings,
    /// Seals and names keys.
    pub vault: Vault,
    /// Makes the hashes of conversations unforeseeable, and the same in all isolates.
    pub seed: u64,
}

impl Fixed {
    /// Out of what the operator gave.
    pub fn new(settings: Settings, master: &MasterKey) -> Fixed {
        let vault = Vault::new(master);
        let [a, b, c, d, e, f, g, h, ..] = vault.sign(CONVERSATIONS, b"");
        Fixed { settings, vault, seed: u64::from_le_bytes([a, b, c, d, e, f, g, h]) }
    }
}
