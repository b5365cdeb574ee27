//! A key joins the pool.
//!
//! Rule: on the disk first, then in the pool, then in the answer's head. A store that cannot is no
//! reason to keep an answer from its caller: it goes all the same, and says so.

use potluck_edition::marks::KeyMark;
use potluck_gemini::ApiKey;
use potluck_store::{Inserted, KeyRow};

use crate::app::App;
use crate::clock;
use crate::door::Held;
use crate::lease::Lease;
use crate::lent::Lent;

/// Stores the caller's key and takes it into the pool.
pub async fn join(app: &App, lease: &mut Lease, key: &ApiKey, invite: Option<&Held>) -> KeyMark {
    let since = app.erasures.now();
    match store(app, key, invite).await {
        Ok(Some(Inserted::Stored | Inserted::Already)) if lease.admitted(Lent::of(key), since) => {
            KeyMark::Stored
        }
        Ok(_) => KeyMark::NotStored,
        Err(error) => {
            app.metrics.store_failed();
            tracing::error!(%error, "a contributed key could not be stored");
            KeyMark::NotStored
        }
    }
}

/// None where the invite is no longer good.
async fn store(
    app: &App,
    key: &ApiKey,
    invite: Option<&Held>,
) -> Result<Option<Inserted>, StoreTrouble> {
    let id = app.key_id(key);
    let row = KeyRow::new(id.0, app.vault.seal(&id.0, key)?, clock::wall().0);
    let tombstone = app.tombstone(key).0;
    let Some(invite) = invite else {
        return Ok(Some(app.store.insert(row, tombstone).await?));
    };
    let inserted = app.store.insert_invited(row, tombstone, invite.id().0).await?;
    if inserted == Some(Inserted::Stored) {
        invite.joined();
    }
    Ok(inserted)
}

#[derive(Debug, thiserror::Error)]
enum StoreTrouble {
    #[error(transparent)]
    Store(#[from] potluck_store::StoreError),
    #[error(transparent)]
    Randomness(#[from] potluck_vault::NoRandomness),
}
