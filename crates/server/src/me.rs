//! `/pool/me`: a contributor's place at the table, shown with the own key.

use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use potluck_core::{Changed, KeyId, LimitsPatch, Me, Tombstone, Wall};
use potluck_gemini::answer::{Problem, Reason};
use potluck_gemini::{ApiKey, credential, redact};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::app::Hand;
use crate::transport::{Answer, body};
use crate::{Reply, clock, handle, local, problem};

/// A change of limits is a few hundred bytes; sixty-four model names are below this.
const MAX_PATCH: usize = 16 << 10;
/// How long a withdrawal waits for the calls that have the key in hand (design §2).
const LAST_LEASE: Duration = Duration::from_secs(5);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(20);

/// Answers what a contributor asks about the own key.
pub async fn answer(hand: &Hand, request: Request<Incoming>) -> Result<Reply, Problem> {
    let shown = credential::shown(request.headers(), request.uri().query());
    let key = handle::key(shown)?;
    let (id, tombstone) = (hand.app.key_id(&key), hand.app.tombstone(&key));
    match *request.method() {
        Method::GET | Method::HEAD => look(hand, id, tombstone),
        Method::PATCH => {
            let patch = read_patch(request.into_body(), &key).await?;
            change(hand, id, tombstone, &patch).await
        }
        Method::DELETE => withdraw(hand, id, tombstone).await,
        _ => Err(Problem::new(Reason::Method)),
    }
}

fn look(hand: &Hand, id: KeyId, tombstone: Tombstone) -> Result<Reply, Problem> {
    let app = &hand.app;
    let pool = app.pool();
    match pool.me(id, app.clock.now()) {
        Some(me) => Ok(local::json(&view(&me))),
        None if pool.is_withdrawn(tombstone) => Ok(local::json(&withdrawn())),
        None => Err(Problem::new(Reason::UnknownKey)),
    }
}

fn withdrawn() -> Value {
    json!({
        "state": "withdrawn",
        "why": "Withdrawn by its contributor. Calls are served with this key only; \
                PATCH {\"paused\": false} joins again.",
    })
}

fn view(me: &Me) -> Value {
    let cooldowns: Vec<Value> = me
        .cooldowns
        .iter()
        .map(|rest| {
            json!({
                "model": rest.model,
                "family": rest.family.map(potluck_core::family_name),
                "why": rest.why,
                "until": time(rest.until),
            })
        })
        .collect();
    json!({
        "id": me.id.to_string(),
        "state": me.state,
        "why": me.why,
        "since": me.since.map(time),
        "joined": time(me.added),
        "cooldowns": cooldowns,
        "lent": { "calls": me.usage.lent_calls, "tokens": me.usage.lent_tokens },
        "borrowed": { "calls": me.usage.borrowed_calls, "tokens": me.usage.borrowed_tokens },
        "limits": {
            "paused": me.limits.paused,
            "borrow": me.limits.borrow,
            "lend_per_day": me.limits.lend_per_day,
            "lend_models": me.limits.lend_models,
        },
    })
}

/// RFC 3339 in UTC, for people and programs.
fn time(at: Wall) -> String {
    jiff::Timestamp::from_millisecond(at.0).unwrap_or_default().to_string()
}

/// What `PATCH` understands. Absent stays as it is, `null` lifts a limit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    paused: Option<bool>,
    borrow: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    lend_per_day: Option<Option<u32>>,
    #[serde(default, deserialize_with = "present")]
    lend_models: Option<Option<Vec<String>>>,
}

fn present<'de, D, T>(reader: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(reader).map(Some)
}

async fn read_patch(mut text: Incoming, key: &ApiKey) -> Result<LimitsPatch, Problem> {
    let text =
        body::collect(&mut text, MAX_PATCH).await.map_err(|_| bad("the body is too large"))?;
    // What is wrong is told in the caller's own words, which may hold the key.
    let patch: Patch = serde_json::from_slice(&text)
        .map_err(|error| bad(&redact::redact_text(&error.to_string(), &[key])))?;
    // Limits are stored and shown in the clear.
    let mut named = patch.lend_models.iter().flatten().flatten();
    if named.any(|name| redact::redact_text(name, &[key]) != *name) {
        return Err(bad("a key stands in lend_models, where models are named"));
    }
    Ok(LimitsPatch {
        paused: patch.paused,
        borrow: patch.borrow,
        lend_per_day: patch.lend_per_day,
        lend_models: patch.lend_models,
    })
}

fn bad(why: &str) -> Problem {
    problem::refused(&problem::sentence(why))
}

async fn change(
    hand: &Hand,
    id: KeyId,
    tombstone: Tombstone,
    patch: &LimitsPatch,
) -> Result<Reply, Problem> {
    let app = &hand.app;
    // As for a withdrawal: what the pool decides first, the store does first.
    let (changed, lifting) = {
        let mut pool = app.pool();
        let changed = pool.change(id, Some(tombstone), patch, app.clock.now());
        let lifting: potluck_store::Answer<bool> = match changed {
            Changed::MayRejoin => app.store.lift(tombstone.0),
            _ => Box::pin(std::future::ready(Ok(false))),
        };
        (changed, lifting)
    };
    match changed {
        Changed::Limits(limits) => {
            let stored = app.store.set_limits(id.0, crate::rows::limits(&limits)).await;
            stored.map_err(|error| crate::rows::trouble(app, &error))?;
            look(hand, id, tombstone)
        }
        Changed::MayRejoin => {
            lifting.await.map_err(|error| crate::rows::trouble(app, &error))?;
            Ok(local::json(&json!({
                "state": "unknown",
                "why": "This key joins again with its next successful call.",
            })))
        }
        Changed::StaysWithdrawn => Ok(local::json(&withdrawn())),
        Changed::Unknown => Err(Problem::new(Reason::UnknownKey)),
        Changed::Refused(why) => Err(bad(&why.to_string())),
    }
}

/// Takes the key out at once; answers when no call holds it any more and the disk has forgotten it.
async fn withdraw(hand: &Hand, id: KeyId, tombstone: Tombstone) -> Result<Reply, Problem> {
    let app = &hand.app;
    let row = potluck_store::Tombstone { id: tombstone.0, at: clock::wall().0 };
    // The store takes orders when it is called: under the lock, its order is the pool's.
    let (mut withdrawal, erasing) = {
        let mut pool = app.pool();
        (pool.withdraw(id, tombstone, app.clock.now()), app.store.withdraw(id.0, row))
    };
    let erased = erasing.await.map_err(|error| crate::rows::trouble(app, &error))?;
    if withdrawal.is_none() && erased {
        // It was stored a moment ago, for a caller who left or whose answer is yet to go: whether
        // or not it has joined meanwhile, it is out, and stays out.
        let mut pool = app.pool();
        withdrawal = pool.withdraw(id, tombstone, app.clock.now());
        pool.restore_tombstone(tombstone);
    }
    let Some(withdrawal) = withdrawal else {
        return if erased { Ok(gone()) } else { Err(Problem::new(Reason::UnknownKey)) };
    };
    let deadline = tokio::time::Instant::now() + LAST_LEASE;
    while app.pool().leases(withdrawal.slot) > 0 && tokio::time::Instant::now() < deadline {
        sleep(LOOK).await;
    }
    Ok(gone())
}

fn gone() -> Reply {
    let mut reply = Response::new(Answer::empty());
    *reply.status_mut() = StatusCode::NO_CONTENT;
    reply
}
