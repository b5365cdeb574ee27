//! `/pool/admin`: what operators ask and decide.
//!
//! Rule: what the pool decides first, the store does first; an answer means that it is on the disk.

use std::sync::Arc;

use http::{Method, Request};
use hyper::body::Incoming;
use potluck_core::{KeyId, KeyRecord, Limits, Listing, State, Usage, Wall};
use potluck_edition::admin::{self, Became, Line, Task, Wanted};
use potluck_edition::pages;
use potluck_gemini::ApiKey;
use potluck_gemini::answer::{Problem, Reason};
use potluck_store::{Answer, Inserted, KeyRow};

use crate::app::{App, Hand};
use crate::caller::Caller;
use crate::lent::Lent;
use crate::pools::PartNumber;
use crate::transport::body;
use crate::{Reply, clock, local, me};

/// Answers an operator, and nobody else.
pub async fn answer(
    hand: &Hand,
    request: Request<Incoming>,
    caller: &Caller,
) -> Result<Reply, Problem> {
    let app = &hand.app;
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if changes && admin::is_cross_site(request.headers()) {
        return Err(Problem::new(Reason::CrossSite));
    }
    check(app, &request, caller)?;
    let uri = request.uri();
    match admin::task(request.method(), uri.path(), uri.query())? {
        Task::Status => Ok(local::json(&admin::status(&app.pools.metrics()))),
        Task::List(wanted) => Ok(list(app, &wanted)),
        Task::Add => add(app.clone(), read(request, admin::MAX_ADDED).await?).await,
        Task::Look(id) => look(app, id),
        Task::Change(id) => {
            let out = admin::change(&read(request, admin::MAX_CHANGE).await?)?;
            change(app, id, out).await
        }
        Task::Erase(id) => erase(app, id).await,
    }
}

/// Whether an operator asks.
pub fn check<B>(app: &App, request: &Request<B>, caller: &Caller) -> Result<(), Problem> {
    let (block, now) = (caller.block(), app.clock.now().mono);
    if let Some(wait) = app.gate.lock().wait(block, now) {
        return Err(Problem::new(Reason::TooManyTries).after(wait));
    }
    let shown = pages::operator(request.headers());
    if shown.is_some_and(|token| app.vault.same_token(token, app.admin_token.as_bytes())) {
        return Ok(());
    }
    if shown.is_some() {
        app.gate.lock().wrong(block, now);
    }
    Err(Problem::new(Reason::NotAdmin))
}

async fn read(request: Request<Incoming>, most: usize) -> Result<bytes::Bytes, Problem> {
    let read = body::collect(&mut request.into_body(), most).await;
    read.map_err(|_| Problem::new(Reason::TooLarge).saying("The body is too large."))
}

/// Keys of one part after another; a place is told with its part.
fn list(app: &App, wanted: &Wanted) -> Reply {
    let (mut part, mut from) = split(wanted.after);
    let state = wanted.state.as_deref();
    let mut all = Listing::default();
    while part < app.pools.count() && all.keys.len() < wanted.limit {
        let most = (wanted.limit - all.keys.len()).min(AT_ONE_LOOK);
        let listing = app.pools.at(part).list(from, most, state, app.clock.now());
        all.keys.extend(listing.keys);
        (part, from) = match listing.next {
            Some(next) => (part, next),
            None => (part + 1, 0),
        };
    }
    let more = part < app.pools.count();
    local::json(&admin::list(&all, more.then(|| u64::from(part) << 32 | u64::from(from))))
}

fn split(after: u64) -> (PartNumber, u32) {
    (PartNumber::try_from(after >> 32).unwrap_or(PartNumber::MAX), after as u32)
}

fn look(app: &App, id: KeyId) -> Result<Reply, Problem> {
    let seen = app.pools.of(id).me(id, app.clock.now());
    let seen = seen.ok_or_else(|| Problem::new(Reason::UnknownKey))?;
    Ok(local::json(&potluck_edition::me::view(&seen)))
}

async fn change(app: &App, id: KeyId, out: bool) -> Result<Reply, Problem> {
    let written = {
        let mut pool = app.pools.of(id);
        let now = app.clock.now();
        let known = if out { pool.put_out(id, now) } else { pool.put_back(id, now) };
        let state = pool.state(id).filter(|_| known);
        let state = state.ok_or_else(|| Problem::new(Reason::UnknownKey))?;
        let (state, at) = potluck_edition::orders::stored_state(state, now.wall);
        app.store.set_state(id.0, state, at)
    };
    written.await.map_err(|error| local::store_trouble(app, &error))?;
    look(app, id)
}

async fn erase(app: &App, id: KeyId) -> Result<Reply, Problem> {
    let (erased, written) = {
        let mut pool = app.pools.of(id);
        (pool.erase(id), app.store.erase(id.0))
    };
    let stored = written.await.map_err(|error| local::store_trouble(app, &error))?;
    if erased.is_none() && !stored {
        return Err(Problem::new(Reason::UnknownKey));
    }
    if let Some(withdrawal) = erased {
        me::last_lease(app, id, withdrawal).await;
    }
    Ok(me::gone())
}

async fn add(app: Arc<App>, text: bytes::Bytes) -> Result<Reply, Problem> {
    let lines = admin::lines(&text)?;
    // By itself: who hangs up half way must not leave keys on the disk that the pool does not know.
    let added = tokio::spawn(async move { add_all(&app, &lines).await }).await;
    let told = added.unwrap_or_else(|_| Err(Problem::new(Reason::Internal)))?;
    Ok(local::json(&admin::report(&told)))
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

/// Keys described under one lock: some tens of microseconds.
const AT_ONE_LOOK: usize = 64;
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
