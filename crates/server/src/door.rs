//! Through which door a caller comes: with which credential, and past which rule of admission.
//!
//! Rule: what becomes of a key that nobody knows is decided by the pool, under its lock, whatever was
//! looked up before; here is only said what the operator wants. An invite's use is held as long as its
//! call is on the way to the pool, and given back unless the key was stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use http::HeaderMap;
use potluck_core::{InviteId, KeyId, SourceBlock, Strangers, TokenId};
use potluck_edition::admission;
use potluck_edition::calls::Bearer;
use potluck_gemini::ApiKey;
use potluck_gemini::answer::Problem;

use crate::app::App;
use crate::settings::Admission;

/// Where an unknown key's bearer shows an invite.
const INVITE: &str = "x-potluck-invite";

/// What a caller came with.
#[derive(Clone, Copy)]
pub enum Came<'k> {
    /// A key.
    Key(&'k ApiKey),
    /// A good access token.
    Token(TokenId),
}

impl<'k> Came<'k> {
    /// The key, if it is one.
    pub fn key(self) -> Option<&'k ApiKey> {
        if let Came::Key(key) = self { Some(key) } else { None }
    }

    /// What the pool knows the caller by.
    pub fn id(self, app: &App) -> KeyId {
        match self {
            Came::Key(key) => app.key_id(key),
            Came::Token(id) => id.bearer(),
        }
    }

    /// Whether its own request need not prove it.
    pub fn is_known(self, app: &App) -> bool {
        let id = self.id(app);
        matches!(self, Came::Token(_)) || app.pools.of(id).knows(id)
    }

    /// Who asks, in the pool's terms; `known` where the pool surely knows the key.
    pub fn bearer(self, app: &App, door: &Door, known: bool, source: SourceBlock) -> Bearer {
        match self {
            Came::Token(id) => Bearer::of_token(id, source),
            Came::Key(key) => {
                let tombstone = (!known).then(|| app.tombstone(key));
                let bearer = Bearer::of_key(app.key_id(key), tombstone, source);
                Bearer { strangers: door.strangers(), ..bearer }
            }
        }
    }
}

/// The rule under which a call comes in.
#[derive(Default)]
pub struct Door {
    strangers: Strangers,
    invite: Option<Arc<Held>>,
}

impl Door {
    /// The door for a key; an invite is looked at only where one is needed.
    pub fn of(app: &Arc<App>, headers: &HeaderMap, key: &ApiKey) -> Result<Door, Problem> {
        let strangers = match app.settings.admission {
            Admission::Open => return Ok(Door::default()),
            Admission::Closed => Strangers::Closed,
            Admission::Invite => Strangers::Uninvited,
        };
        let shown = headers.get(INVITE).filter(|_| strangers == Strangers::Uninvited);
        let Some(code) = shown else { return Ok(Door { strangers, invite: None }) };
        let id = app.key_id(key);
        if app.pools.of(id).knows(id) {
            return Ok(Door { strangers, invite: None });
        }
        let invite = Held::of(app, &String::from_utf8_lossy(code.as_bytes()))?;
        let invite = Some(Arc::new(invite));
        Ok(Door { strangers: Strangers::Welcome, invite })
    }

    /// What becomes of a key that nobody knows.
    pub fn strangers(&self) -> Strangers {
        self.strangers
    }

    /// The invite that was shown.
    pub fn invite(&self) -> Option<&Arc<Held>> {
        self.invite.as_ref()
    }
}

/// A use of an invite that is held.
pub struct Held {
    app: Arc<App>,
    id: InviteId,
    counted: AtomicBool,
}

impl Held {
    fn of(app: &Arc<App>, code: &str) -> Result<Held, Problem> {
        let mut invites = app.invites.lock();
        let ids: Vec<InviteId> = app.vault.invite_ids(code.trim()).map(InviteId).collect();
        let known = ids.iter().find(|id| invites.knows(**id));
        let Some(id) = known.or(ids.first()).copied() else {
            return Err(admission::uninvited(potluck_core::invites::Uninvited::Unknown));
        };
        invites.hold(id, app.clock.now().wall).map_err(admission::uninvited)?;
        Ok(Held { app: app.clone(), id, counted: AtomicBool::new(false) })
    }

    /// Which invite.
    pub fn id(&self) -> InviteId {
        self.id
    }

    /// The key is on the disk, and so is the use.
    pub fn joined(&self) {
        if !self.counted.swap(true, Relaxed) {
            self.app.invites.lock().joined(self.id);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !*self.counted.get_mut() {
            self.app.invites.lock().left(self.id);
        }
    }
}
