//! What was lent, borrowed and used, read from the store.
//!
//! Rule: what is told agrees with what was served. So what the pool has not told the store yet is
//! written first, and that is waited for.

use std::time::Duration;

use potluck_core::KeyId;
use potluck_edition::usage::{self, Days, Told, Wanted};
use potluck_gemini::answer::{Problem, Reason};
use potluck_store::{Usage, UseOf};
use serde_json::json;
use tokio::time::timeout;

use crate::app::App;
use crate::{Reply, clock, local};

/// Of one key, for its bearer.
pub async fn of_key(app: &App, id: KeyId, days: Days) -> Result<Reply, Problem> {
    if !app.pools.of(id).knows(id) {
        return Err(Problem::new(Reason::UnknownKey));
    }
    told(app, Wanted { days, key: Some(id) }).await
}

/// Of one key or of all together.
pub async fn told(app: &App, wanted: Wanted) -> Result<Reply, Problem> {
    let of = wanted.key.map_or(UseOf::All, |id| UseOf::Key(id.0));
    let used = read(app, wanted, of).await?;
    Ok(local::json(&json!(Told::of(&used, wanted.days, clock::wall()))))
}

/// Of each key, as comma-separated values.
pub async fn table(app: &App, wanted: Wanted) -> Result<Reply, Problem> {
    let of = wanted.key.map_or(usage::each(MOST_LINES), |id| UseOf::Key(id.0));
    Ok(local::typed(usage::CSV, usage::csv(&read(app, wanted, of).await?, MOST_LINES)?))
}

async fn read(app: &App, wanted: Wanted, of: UseOf) -> Result<Vec<Usage>, Problem> {
    match wanted.key {
        Some(id) => app.pools.of(id).flush_usage_of(id),
        None => app.pools.all().for_each(|mut pool| pool.flush_usage()),
    }
    written(app).await;
    let used = app.store.usage(wanted.days.since(clock::wall()), of).await;
    used.map_err(|error| local::store_trouble(app, &error))
}

/// Waits until all is written that the pool wants written now. A store that does not take it just
/// now is told of elsewhere; what it holds is told all the same.
async fn written(app: &App) {
    let mut turns = app.turns.subscribe();
    // The turn under way may have passed by already.
    let enough = *turns.borrow() + 2;
    let _ = timeout(PATIENCE, turns.wait_for(|turn| *turn >= enough)).await;
}

/// Lines of one table: some ten megabytes.
const MOST_LINES: u32 = 200_000;
/// Some turns of the task that writes.
const PATIENCE: Duration = Duration::from_secs(3);
