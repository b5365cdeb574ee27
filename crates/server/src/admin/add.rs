//! Keys that an operator adds.

use std::sync::Arc;

use potluck_core::{KeyId, KeyRecord, Limits, State, Usage, Wall};
use potluck_edition::admin::adding::{self, Became, Line, Report};
use potluck_gemini::ApiKey;
use potluck_gemini::answer::{Problem, Reason};
use potluck_store::{Answer, Inserted, KeyRow};
use serde_json::json;

use crate::app::App;
use crate::lent::Lent;
use crate::{Reply, clock, local};

/// Adds the keys of a text, and tells what became of each line.
pub async fn add(app: Arc<App>, text: bytes::Bytes) -> Result<Reply, Problem> {
    let lines = adding::lines(&text)?;
    // By itself: who hangs up half way must not leave keys on the disk that the pool does not know.
    let added = tokio::spawn(async move { add_all(&app, &lines).await }).await;
    let told = added.unwrap_or_else(|_| Err(Problem::new(Reason::Internal)))?;
    Ok(local::json(&json!(Report::of(&told))))
}

async fn add_all(app: &App, lines: &[Line]) -> Result<Vec<(usize, Became)>, Problem> {
    let mut told = Vec::with_capacity(lines.len());
    // Together as many as the store queues without refusing any.
    for some in lines.chunks(AT_ONCE) {
        let asked: Vec<_> = some.iter().map(|line| begin(app, line)).collect();
        for (line, asked) in some.iter().zip(asked) {
            told.push((line.number, ended(app, asked).await?));
        }
    }
    Ok(told)
}

/// Keys whose storing is under way at once: one batch of the store's.
const AT_ONCE: usize = 64;

/// A line on its way to the disk.
enum Adding<'l> {
    Bad(&'static str),
    Key(&'l ApiKey, KeyId, Answer<Inserted>),
}

fn begin<'l>(app: &App, line: &'l Line) -> Result<Adding<'l>, Problem> {
    let key = match &line.key {
        Ok(key) => key,
        Err(why) => return Ok(Adding::Bad(why)),
    };
    let (id, now) = (app.key_id(key), clock::wall().0);
    let sealed = app.vault.seal(&id.0, key).map_err(|_| Problem::new(Reason::Internal))?;
    let row = KeyRow::new(id.0, sealed, now);
    Ok(Adding::Key(key, id, app.store.insert(row, app.tombstone(key).0)))
}

async fn ended(app: &App, adding: Result<Adding<'_>, Problem>) -> Result<Became, Problem> {
    let (key, id, written) = match adding? {
        Adding::Bad(why) => return Ok(Became::Bad(why)),
        Adding::Key(key, id, written) => (key, id, written),
    };
    let inserted = written.await.map_err(|error| local::store_trouble(app, &error))?;
    if inserted == Inserted::Withdrawn {
        return Ok(Became::Withdrawn);
    }
    let record = KeyRecord {
        id,
        added: Wall(clock::wall().0),
        limits: Limits::default(),
        state: State::Active,
        cooldowns: Vec::new(),
        usage: Usage::default(),
        learned: Box::default(),
    };
    let became = seat(app, record, key);
    if became == Became::Full {
        app.store.erase(id.0).await.map_err(|error| local::store_trouble(app, &error))?;
    }
    Ok(became)
}

/// Takes a key that is on the disk into the pool.
fn seat(app: &App, record: KeyRecord, key: &ApiKey) -> Became {
    let id = record.id;
    let mut pool = app.pools.of(id);
    if pool.is_withdrawn(app.tombstone(key)) {
        // Just now: its row is erased already.
        return Became::Withdrawn;
    }
    match pool.knows(id) {
        true => Became::Known(id),
        false if pool.restore(record, Lent::of(key), app.clock.now()) => Became::Added(id),
        false => Became::Full,
    }
}
