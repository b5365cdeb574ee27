//! `/pool/me`: a contributor's place at the table, shown with the own key.

use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use potluck_core::{Changed, KeyId, LimitsPatch, Tombstone, Withdrawal};
use potluck_edition::pages::{self, Page};
use potluck_edition::usage::Days;
use potluck_edition::{me, problem, rows};
use potluck_gemini::ApiKey;
use potluck_gemini::answer::{Problem, Reason};
use potluck_gemini::credential::{self, Shown};
use tokio::time::sleep;

use crate::app::{App, Hand};
use crate::transport::{Answer, body};
use crate::{Reply, clock, local, tokens, usage};

/// How long a withdrawal waits for the calls that have the key in hand (design §2).
const LAST_LEASE: Duration = Duration::from_secs(5);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(20);

/// Answers what a contributor asks about the own key.
pub async fn answer(hand: &Hand, request: Request<Incoming>) -> Result<Reply, Problem> {
    let shown = credential::shown(request.headers(), request.uri().query());
    if let Shown::Token(token) = &shown {
        tokens::find(&hand.app, token)?;
    }
    let key = problem::key(shown)?;
    let (id, tombstone) = (hand.app.key_id(&key), hand.app.tombstone(&key));
    if pages::find(request.uri().path()) == Some(Page::MyUsage) {
        return match *request.method() {
            Method::GET | Method::HEAD => {
                usage::of_key(&hand.app, id, Days::asked(request.uri().query())?).await
            }
            _ => Err(problem::other_method("GET, HEAD")),
        };
    }
    match *request.method() {
        Method::GET | Method::HEAD => look(hand, id, tombstone),
        Method::PATCH => {
            let patch = read_patch(request.into_body(), &key).await?;
            change(hand, id, tombstone, &patch).await
        }
        Method::DELETE => withdraw(hand, id, tombstone).await,
        _ => Err(problem::other_method("GET, HEAD, PATCH, DELETE")),
    }
}

fn look(hand: &Hand, id: KeyId, tombstone: Tombstone) -> Result<Reply, Problem> {
    let app = &hand.app;
    let pool = app.pools.of(id);
    match pool.me(id, app.clock.now()) {
        Some(seen) => Ok(local::json(&me::view(&seen))),
        None if pool.is_withdrawn(tombstone) => Ok(local::json(&me::withdrawn())),
        None => Err(Problem::new(Reason::UnknownKey)),
    }
}

async fn read_patch(mut text: Incoming, key: &ApiKey) -> Result<LimitsPatch, Problem> {
    let text = body::collect(&mut text, me::MAX_PATCH).await;
    me::patch(&text.map_err(|_| me::bad("the body is too large"))?, key)
}

async fn change(
    hand: &Hand,
    id: KeyId,
    tombstone: Tombstone,
    patch: &LimitsPatch,
) -> Result<Reply, Problem> {
    let app = &hand.app;
    // As for a withdrawal: what the pool decides first, the store does first.
    let (changed, written) = {
        let mut pool = app.pools.of(id);
        let changed = pool.change(id, Some(tombstone), patch, app.clock.now());
        let written: potluck_store::Answer<bool> = match &changed {
            Changed::MayRejoin => app.store.lift(tombstone.0),
            Changed::Limits(limits) => app.store.set_limits(id.0, rows::limits(limits)),
            _ => Box::pin(std::future::ready(Ok(false))),
        };
        (changed, written)
    };
    written.await.map_err(|error| local::store_trouble(app, &error))?;
    match changed {
        Changed::Limits(_) => look(hand, id, tombstone),
        Changed::MayRejoin => Ok(local::json(&me::may_rejoin())),
        Changed::StaysWithdrawn => Ok(local::json(&me::withdrawn())),
        Changed::Unknown => Err(Problem::new(Reason::UnknownKey)),
        Changed::Refused(why) => Err(me::bad(&why.to_string())),
    }
}

/// Takes the key out at once; answers when no call holds it any more and the disk has forgotten it.
async fn withdraw(hand: &Hand, id: KeyId, tombstone: Tombstone) -> Result<Reply, Problem> {
    let app = &hand.app;
    let row = potluck_store::Tombstone { id: tombstone.0, at: clock::wall().0 };
    // The store takes orders when it is called: under the lock, its order is the pool's.
    let (mut withdrawal, erasing) = {
        let mut pool = app.pools.of(id);
        (pool.withdraw(id, tombstone, app.clock.now()), app.store.withdraw(id.0, row))
    };
    let erased = erasing.await.map_err(|error| local::store_trouble(app, &error))?;
    if withdrawal.is_none() && erased {
        // It was stored a moment ago, for a caller who left or whose answer is yet to go: whether
        // or not it has joined meanwhile, it is out, and stays out.
        let mut pool = app.pools.of(id);
        withdrawal = pool.withdraw(id, tombstone, app.clock.now());
        pool.restore_tombstone(tombstone);
    }
    let Some(withdrawal) = withdrawal else {
        return if erased { Ok(gone()) } else { Err(Problem::new(Reason::UnknownKey)) };
    };
    last_lease(app, id, withdrawal).await;
    Ok(gone())
}

/// Waits until no call has a key in hand that is gone.
pub async fn last_lease(app: &App, id: KeyId, withdrawal: Withdrawal) {
    let deadline = tokio::time::Instant::now() + LAST_LEASE;
    while app.pools.of(id).leases(withdrawal.slot) > 0 && tokio::time::Instant::now() < deadline {
        sleep(LOOK).await;
    }
}

/// Nothing to say, and done.
pub fn gone() -> Reply {
    let mut reply = Response::new(Answer::empty());
    *reply.status_mut() = StatusCode::NO_CONTENT;
    reply
}
