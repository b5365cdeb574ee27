//! `/pool/admin`: what operators ask and decide.
//!
//! Rule: what the pool decides first, the store does first; an answer means that it is on the disk.

mod add;

use http::{Method, Request};
use hyper::body::Incoming;
use potluck_core::{KeyId, Listing};
use potluck_edition::admin::listing::{Page, Wanted};
use potluck_edition::admin::operations;
use potluck_edition::admin::{Task, adding, change, openapi, site, status};
use potluck_edition::pages;
use potluck_gemini::answer::{Problem, Reason};
use serde_json::json;

use crate::app::{App, Hand};
use crate::caller::Caller;
use crate::pools::PartNumber;
use crate::transport::body;
use crate::{Reply, local, me};

/// Answers an operator, and nobody else.
pub async fn answer(
    hand: &Hand,
    request: Request<Incoming>,
    caller: &Caller,
) -> Result<Reply, Problem> {
    let app = &hand.app;
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if changes && site::is_cross_site(request.headers()) {
        return Err(Problem::new(Reason::CrossSite));
    }
    check(app, &request, caller)?;
    let uri = request.uri();
    match operations::task(request.method(), uri.path(), uri.query())? {
        Task::Status => Ok(local::json(&json!(status::Status::of(&app.pools.metrics())))),
        Task::List(wanted) => Ok(list(app, &wanted)),
        Task::Add => add::add(app.clone(), read(request, adding::MAX_ADDED).await?).await,
        Task::Look(id) => look(app, id),
        Task::Change(id) => {
            let wanted = change::Change::read(&read(request, change::MAX).await?)?;
            change(app, id, wanted.disabled).await
        }
        Task::Erase(id) => erase(app, id).await,
        Task::Describe => Ok(local::json(&openapi::describe())),
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
    let next = more.then(|| u64::from(part) << 32 | u64::from(from));
    local::json(&json!(Page::of(&all, next)))
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

/// Keys described under one lock: some tens of microseconds.
const AT_ONE_LOOK: usize = 64;
