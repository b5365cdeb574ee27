//! A key joins the pool.
//!
//! Rules: on the disk first, then in the pool, then in the answer's head; what is on the disk is in the
//! pool as well, whether its caller still listens or not. A store that cannot is no reason to keep an
//! answer from its caller: it goes all the same, and says so.

use std::sync::Arc;

use potluck_edition::marks::KeyMark;
use potluck_edition::rows;
use potluck_gemini::ApiKey;
use potluck_store::{Answer, Inserted, KeyRow, StoreError};
use tokio::sync::oneshot;

use crate::app::App;
use crate::clock;
use crate::door::Held;
use crate::erasures::Moment;
use crate::lease::Lease;
use crate::lent::Lent;

/// Stores the caller's key and takes it into the pool.
pub async fn join(
    app: &Arc<App>,
    lease: &mut Lease,
    key: &ApiKey,
    invite: Option<&Arc<Held>>,
) -> KeyMark {
    let ordered = match order(app, key, invite) {
        Ok(Some(ordered)) => ordered,
        Ok(None) => return KeyMark::NotStored,
        Err(error) => return not_stored(app, &error),
    };
    let since = ordered.since;
    match ordered.carry_out(app.clone(), key.clone(), invite.cloned()).await {
        Ok(Some(Inserted::Stored | Inserted::Already)) if lease.admitted(Lent::of(key), since) => {
            KeyMark::Stored
        }
        Ok(_) => KeyMark::NotStored,
        Err(error) => not_stored(app, &error.into()),
    }
}

/// What became of taking a key that is on the disk into the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seated {
    /// It is there.
    Now,
    /// It was there already.
    Already,
    /// It was taken away just now.
    Gone,
    /// There is no room.
    Full,
}

/// Takes a key that is on the disk into the pool; its storing began then.
pub fn seat(app: &App, key: &ApiKey, since: Moment) -> Seated {
    let id = app.key_id(key);
    let mut pool = app.pools.of(id);
    if pool.is_withdrawn(app.tombstone(key)) || app.erasures.since(since, id) {
        // Its row is erased already.
        return Seated::Gone;
    }
    match pool.knows(id) {
        true => Seated::Already,
        false if pool.restore(rows::fresh(id, clock::wall()), Lent::of(key), app.clock.now()) => {
            Seated::Now
        }
        false => Seated::Full,
    }
}

/// A row on its way to the disk.
struct Ordered {
    since: Moment,
    written: Answer<Option<Inserted>>,
}

/// Orders the key to be stored, under its pool's lock, so that whoever erases it does so before or
/// after; none where the pool has no room for it.
fn order(
    app: &App,
    key: &ApiKey,
    invite: Option<&Arc<Held>>,
) -> Result<Option<Ordered>, StoreTrouble> {
    let id = app.key_id(key);
    let row = KeyRow::new(id.0, app.vault.seal(&id.0, key)?, clock::wall().0);
    let tombstone = app.tombstone(key).0;
    let pool = app.pools.of(id);
    if !pool.knows(id) && !pool.has_room() {
        return Ok(None);
    }
    let written = match invite {
        Some(invite) => app.store.insert_invited(row, tombstone, invite.id().0),
        None => {
            let written = app.store.insert(row, tombstone);
            Box::pin(async { written.await.map(Some) })
        }
    };
    Ok(Some(Ordered { since: app.erasures.now(), written }))
}

impl Ordered {
    /// By itself, as its caller may leave at any moment. None where the invite is no longer good.
    async fn carry_out(
        self,
        app: Arc<App>,
        key: ApiKey,
        invite: Option<Arc<Held>>,
    ) -> Result<Option<Inserted>, StoreError> {
        let (tell, told) = oneshot::channel();
        tokio::spawn(async move {
            let inserted = self.written.await;
            let stored = inserted == Ok(Some(Inserted::Stored));
            if let Some(invite) = invite.filter(|_| stored) {
                invite.joined();
            }
            if tell.send(inserted).is_err() && stored {
                seat(&app, &key, self.since);
            }
        });
        told.await.unwrap_or(Err(StoreError::Failed))
    }
}

fn not_stored(app: &App, error: &StoreTrouble) -> KeyMark {
    app.metrics.store_failed();
    tracing::error!(%error, "a contributed key could not be stored");
    KeyMark::NotStored
}

#[derive(Debug, thiserror::Error)]
enum StoreTrouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Randomness(#[from] potluck_vault::NoRandomness),
}
