//! A new master key, while the server runs.
//!
//! Rules: the new one is on the disk before anything is sealed under it, and the former one stays beside
//! it, so that a stop at any moment loses nothing: the next start goes on. It is done by itself: who hangs
//! up half way must not leave a key on the disk that nothing is sealed under. Ids are held in many hands
//! here, and change with the next start alone.

use std::sync::Arc;
use std::time::Duration;

use potluck_edition::admin::rekeying::Rekeying;
use potluck_gemini::answer::{Problem, Reason};
use potluck_store::{RowId, StoreError};
use potluck_vault::{Sealed, Vault};
use serde_json::json;

use crate::app::App;
use crate::{Reply, local};

/// Puts a new master key in force and begins to seal under it; one under way goes on.
pub async fn begin(app: &Arc<App>) -> Result<Reply, Problem> {
    if !claim(app) {
        return Ok(look(app));
    }
    let renewed = tokio::spawn(renew(Arc::clone(app))).await;
    let renewed = renewed.map_err(|_| Problem::new(Reason::Internal))?;
    renewed.map_err(|why| Problem::new(Reason::Refused).saying(&why))?;
    Ok(look(app))
}

/// Puts a new master key in force, and has everything sealed under it.
async fn renew(app: Arc<App>) -> Result<(), String> {
    let renewal = Arc::clone(&app.renewal);
    let master = tokio::task::spawn_blocking(move || renewal()).await;
    let master = master.unwrap_or_else(|_| Err("It ended by a fault of its own.".to_owned()));
    let master = master.inspect_err(|why| app.rekeying.lock().end(Err(why.clone())))?;
    app.vault.renew(&master);
    tracing::info!("a new master key is in force, and all keys are sealed anew under it");
    tokio::spawn(run(app));
    Ok(())
}

/// How far it is.
pub fn look(app: &App) -> Reply {
    local::json(&json!(*app.rekeying.lock()))
}

fn claim(app: &App) -> bool {
    let mut rekeying = app.rekeying.lock();
    let free = !rekeying.is_under_way();
    if free {
        *rekeying = Rekeying::begun(app.pools.key_count());
    }
    free
}

async fn run(app: Arc<App>) {
    let outcome = seal_all(&app).await;
    match &outcome {
        Ok(()) => tracing::info!("every key is sealed under the new master key"),
        Err(why) => tracing::error!("keys are yet to be sealed anew: {why}"),
    }
    app.rekeying.lock().end(outcome);
}

/// Until nothing is left: a key that was sealed just before may be on its way to the disk yet.
async fn seal_all(app: &Arc<App>) -> Result<(), String> {
    for _ in 0..PASSES {
        if !pass(app).await? {
            return Ok(());
        }
    }
    Err("new keys came under the former master key again and again".to_owned())
}

/// Whether any was sealed anew.
async fn pass(app: &Arc<App>) -> Result<bool, String> {
    let (mut after, mut any) = (None, false);
    loop {
        let seals = patient(|| app.seals.seals(after)).await?;
        let Some((last, _)) = seals.last() else { return Ok(any) };
        after = Some(*last);
        let hand = Arc::clone(app);
        let anew = tokio::task::spawn_blocking(move || seal_anew(&hand.vault, seals)).await;
        let anew = anew.map_err(|error| error.to_string())??;
        if anew.is_empty() {
            continue;
        }
        any = true;
        patient(|| app.seals.reseal(anew.clone())).await?;
        app.rekeying.lock().advance(anew.len());
    }
}

/// Those that are under a former master key, under the new one. What does not open was told at the start.
fn seal_anew(vault: &Vault, seals: Vec<(RowId, Sealed)>) -> Result<Vec<(RowId, Sealed)>, String> {
    let former = seals.into_iter().filter(|(id, sealed)| !vault.is_current(id, sealed));
    let opened = former.filter_map(|(id, sealed)| Some((id, vault.open(&id, &sealed).ok()?)));
    let anew = opened.map(|(id, key)| vault.seal(&id, &key).map(|sealed| (id, sealed)));
    anew.collect::<Result<_, _>>().map_err(|error| error.to_string())
}

/// Asks again while the store has no room.
async fn patient<T>(ask: impl Fn() -> potluck_store::Answer<T>) -> Result<T, String> {
    for _ in 0..TRIES {
        match ask().await {
            Err(StoreError::Busy | StoreError::Unavailable | StoreError::Full) => {
                tokio::time::sleep(PAUSE).await;
            }
            done => return done.map_err(|error| error.to_string()),
        }
    }
    Err("the store had no room for a minute".to_owned())
}

/// Looks at all keys: one that seals, one that finds nothing left, and some for keys on their way.
const PASSES: u32 = 5;
/// How long a busy store is left alone.
const PAUSE: Duration = Duration::from_millis(250);
/// So often: a minute.
const TRIES: u32 = 240;
