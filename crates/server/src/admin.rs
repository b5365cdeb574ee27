//! `/pool/admin`: what operators ask and decide.
//!
//! Rule: what the pool decides first, the store does first; an answer means that it is on the disk.

mod add;
mod admission;
mod check;
mod many;
mod rekey;
mod session;

use http::{Method, Request};
use hyper::body::Incoming;
use potluck_core::{KeyId, Withdrawal};
use potluck_edition::admin::listing::{Page, Wanted};
use potluck_edition::admin::operations;
use potluck_edition::admin::settings::InForce;
use potluck_edition::admin::sights::{Place, Sights};
use potluck_edition::admin::{
    Task, adding, change, invites, openapi, sessions, site, status, tokens,
};
use potluck_edition::pages;
use potluck_gemini::answer::{Problem, Reason};
use serde_json::json;

use crate::app::{App, Hand};
use crate::caller::Caller;
use crate::pools::PartNumber;
use crate::transport::body;
use crate::{Reply, local, me, usage};

/// Answers an operator, and nobody else.
pub async fn answer(
    hand: &Hand,
    request: Request<Incoming>,
    caller: &Caller,
) -> Result<Reply, Problem> {
    let app = &hand.app;
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if changes && is_cross_site(app, &request) {
        return Err(Problem::new(Reason::CrossSite));
    }
    let uri = request.uri();
    let task = operations::task(request.method(), uri.path(), uri.query());
    if task == Ok(Task::SignIn) {
        return session::sign_in(app, &read(request, sessions::MAX).await?, caller);
    }
    check(app, &request, caller)?;
    match task? {
        Task::SignIn => unreachable!("answered above"),
        Task::Session => session::look(app, request.headers()),
        Task::SignOut => Ok(session::sign_out(app, request.headers())),
        Task::Status => Ok(local::json(&json!(status::Status::of(&app.pools.metrics())))),
        Task::List(wanted) => Ok(list(app, &wanted)),
        Task::Add { check } => {
            add::add(hand, &read(request, adding::MAX_ADDED).await?, check).await
        }
        Task::Check(id) => check::check(hand, id).await,
        Task::Look(id) => look(app, id),
        Task::Change(id) => {
            let wanted = change::Change::read(&read(request, change::MAX).await?)?;
            change(app, id, wanted.disabled).await
        }
        Task::ChangeMany => {
            let (act, ids) = change::many(&read(request, change::MAX_MANY).await?)?;
            many::change(app, act, &ids).await
        }
        Task::Watch(place) => Ok(watch(app, &place)),
        Task::Usage(wanted) => usage::told(app, wanted).await,
        Task::UsageTable(wanted) => usage::table(app, wanted).await,
        Task::Alarms => Ok(local::json(&json!(app.alarms.lock().told()))),
        Task::Settings => Ok(local::json(&json!(InForce::of(&app.settings.in_force)))),
        Task::Tokens => Ok(admission::tokens(app)),
        Task::MakeToken => admission::make_token(app, &read(request, tokens::MAX).await?).await,
        Task::ChangeToken(id) => {
            admission::change_token(app, id, &read(request, tokens::MAX).await?).await
        }
        Task::RevokeToken(id) => admission::revoke_token(app, id).await,
        Task::Invites => Ok(admission::invites(app)),
        Task::MakeInvite => admission::make_invite(app, &read(request, invites::MAX).await?).await,
        Task::RevokeInvite(id) => admission::revoke_invite(app, id).await,
        Task::Erase(id) => erase(app, id).await,
        Task::Rekey => rekey::begin(app).await,
        Task::Rekeying => Ok(rekey::look(app)),
        Task::Describe => Ok(local::json(&openapi::describe())),
    }
}

fn is_cross_site(app: &App, request: &Request<Incoming>) -> bool {
    let public = app.settings.public_url.as_ref().map(|url| url.to_string());
    site::is_cross_site(request.headers(), public.as_deref())
}

/// Whether an operator asks.
pub fn check<B>(app: &App, request: &Request<B>, caller: &Caller) -> Result<(), Problem> {
    if session::is_open(app, request.headers(), app.clock.now().mono) {
        return Ok(());
    }
    compare(app, pages::operator(request.headers()), caller)
}

/// Whether that is the operators' token; a wrong one is remembered.
fn compare(app: &App, shown: Option<&[u8]>, caller: &Caller) -> Result<(), Problem> {
    let is_right = |token: &[u8]| app.vault.same_token(token, app.admin_token.as_bytes());
    app.gate.lock().check((caller.block(), app.clock.now().mono), shown, is_right)
}

async fn read(request: Request<Incoming>, most: usize) -> Result<bytes::Bytes, Problem> {
    let read = body::collect(&mut request.into_body(), most).await;
    read.map_err(|_| Problem::new(Reason::TooLarge).saying("The body is too large."))
}

/// Keys of one part after another; a place is told with its part.
fn list(app: &App, wanted: &Wanted) -> Reply {
    let (all, next) = wanted.gather(app.pools.count().into(), |part, from, most| {
        // Not reached: the parts are counted by numbers of this type.
        let part = PartNumber::try_from(part).unwrap_or(0);
        app.pools.at(part).list(from, most, wanted.sought(), app.clock.now())
    });
    let lent = app.pools.all().map(|pool| pool.lent_calls()).sum();
    local::json(&json!(Page::of(&all, next, lent)))
}

fn look(app: &App, id: KeyId) -> Result<Reply, Problem> {
    let seen = app.pools.of(id).me(id, app.clock.now());
    let seen = seen.ok_or_else(|| Problem::new(Reason::UnknownKey))?;
    Ok(local::json(&potluck_edition::me::view(&seen)))
}

fn watch(app: &App, after: &Place) -> Reply {
    let now = app.clock.now();
    let (mut seen, mut last) = (Vec::new(), Vec::new());
    for (mut pool, part) in app.pools.all().zip(0..) {
        let (known, newest) = (after.in_part(part), pool.last_sight());
        // A place that lies ahead was told before the last restart.
        seen.extend(pool.watch(if known > newest { 0 } else { known }, now));
        last.push(newest);
    }
    local::json(&json!(Sights::of(seen, &Place::of(last.into_iter()))))
}

async fn change(app: &App, id: KeyId, out: bool) -> Result<Reply, Problem> {
    set(app, id, out).await?;
    look(app, id)
}

/// Takes a key out of service, or back.
async fn set(app: &App, id: KeyId, out: bool) -> Result<(), Problem> {
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
    Ok(())
}

async fn erase(app: &App, id: KeyId) -> Result<Reply, Problem> {
    if let Some(withdrawal) = forget(app, id).await? {
        me::last_lease(app, id, withdrawal).await;
    }
    Ok(me::gone())
}

/// Erases a key; some call may have it in hand yet.
async fn forget(app: &App, id: KeyId) -> Result<Option<Withdrawal>, Problem> {
    let (erased, written) = {
        let mut pool = app.pools.of(id);
        app.erasures.note(id);
        (pool.erase(id), app.store.erase(id.0))
    };
    let stored = written.await.map_err(|error| local::store_trouble(app, &error))?;
    if erased.is_none() && !stored {
        return Err(Problem::new(Reason::UnknownKey));
    }
    Ok(erased)
}
