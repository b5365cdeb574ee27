//! What every request needs, made once at the start.

use std::collections::HashSet;
use std::sync::Arc;

use potluck_core::invites::Invites;
use potluck_core::tokens::Tokens;
use potluck_core::{KeyId, Tombstone};
use potluck_gemini::ApiKey;
use potluck_store::{AdmissionStore, SealStore};
use potluck_vault::Vault;

use crate::clock::Clock;
use crate::erasures::Erasures;
use crate::kept::Budget;
use crate::metrics::Metrics;
use crate::pools::Pools;
use crate::sending::Sending;
use crate::settings::{Renewal, Settings};
use crate::traces::Traces;
use crate::transport::{Shutdown, Upstream};
use crate::webhook;
use potluck_edition::admin::rekeying::Rekeying;
use potluck_edition::admin::sessions::Sessions;
use potluck_edition::alarms::Alarms;
use potluck_edition::gate::Gate;
use potluck_edition::ids::RequestIds;

/// Everything that requests share.
pub struct App {
    /// What the operator decided.
    pub settings: Settings,
    /// The operators' password.
    pub admin_token: String,
    /// Every decision is made in here. A part is held for a microsecond at a time, never across a
    /// wait.
    pub pools: Pools,
    /// Opens, seals and recognises keys.
    pub vault: Vault,
    /// Who tried wrong tokens.
    pub gate: parking_lot::Mutex<Gate>,
    /// Operators who signed in with a browser.
    pub sessions: parking_lot::Mutex<Sessions>,
    /// Access tokens: what each may, and what it did.
    pub tokens: parking_lot::Mutex<Tokens>,
    /// Invites for keys that nobody knows.
    pub invites: parking_lot::Mutex<Invites>,
    /// How often the pool's wishes were carried out.
    pub turns: tokio::sync::watch::Sender<u64>,
    /// What is wrong, and was of late.
    pub alarms: parking_lot::Mutex<Alarms>,
    /// Where alarms are told besides.
    pub webhook: Option<webhook::Queue>,
    /// Which keys were erased of late.
    pub erasures: Erasures,
    /// Tombstones that may be of an older master key's making; none where there is no older one.
    pub stones: HashSet<[u8; 16]>,
    /// Where traces go.
    pub traces: Option<Traces>,
    /// What survives.
    pub store: Arc<dyn AdmissionStore>,
    /// The same, for seals alone.
    pub seals: Arc<dyn SealStore>,
    /// Makes a new master key.
    pub renewal: Renewal,
    /// How far a new master key has come.
    pub rekeying: parking_lot::Mutex<Rekeying>,
    /// Time.
    pub clock: Clock,
    /// Seeds the hashes of conversations, so that nobody outside can aim at one.
    pub seed: u64,
    /// Names of requests.
    pub ids: RequestIds,
    /// Memory for bodies that may be sent again.
    pub kept: Budget,
    /// What is counted here; the pool counts its own.
    pub metrics: Metrics,
    /// How far a stop has come.
    pub shutdown: Shutdown,
}

impl App {
    /// What the pool knows this key by.
    pub fn key_id(&self, key: &ApiKey) -> KeyId {
        KeyId(self.vault.key_id(key))
    }

    /// What it would leave behind.
    pub fn tombstone(&self, key: &ApiKey) -> Tombstone {
        let mut older = self.vault.tombstones(key).filter(|id| self.stones.contains(id));
        let left = if self.stones.is_empty() { None } else { older.next() };
        Tombstone(left.unwrap_or_else(|| self.vault.tombstone(key)))
    }
}

/// What one worker thread serves with: the shared things, and upstream connections of its own.
#[derive(Clone)]
pub struct Hand {
    /// The shared things.
    pub app: Arc<App>,
    /// Connections that never wake another worker.
    pub upstream: Upstream<Sending>,
}
