//! Asking Google whether a key lives.
//!
//! Rule: by the one way out that calls take, too, so that what a probe says holds for them.

use std::borrow::Cow;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, Method, StatusCode};
use potluck_core::Outcome;
use potluck_gemini::{Dialect, failure};
use tokio::time::timeout;

use crate::app::Hand;
use crate::forward;
use crate::lent::Lent;
use crate::outgoing::{Body, Credential, Outgoing};
use crate::sending::Sending;
use crate::transport::body::collect;

/// What a probe was answered; nothing where no answer came in time.
pub type Answer = Option<Result<(), failure::Failure>>;

/// Asks Google about a key with a call that costs no quota.
pub async fn ask(hand: &Hand, secret: &Lent) -> Answer {
    timeout(PROBE, answer(hand, secret)).await.unwrap_or(None)
}

/// The same as the pool takes it.
pub fn outcome(answer: &Answer) -> Outcome<'_> {
    match answer {
        Some(Ok(())) => Outcome::Served,
        Some(Err(failure)) => Outcome::Failed(failure),
        None => Outcome::NoAnswer,
    }
}

async fn answer(hand: &Hand, secret: &Lent) -> Answer {
    let outgoing = Outgoing {
        method: Method::GET,
        target: PathAndQuery::from_static("/v1beta/models?pageSize=1"),
        headers: Cow::Owned(HeaderMap::new()),
        dialect: Dialect::Native,
        body: Body::Once(None),
        patience: None,
    };
    let credential = Credential::Key(secret);
    let response = forward::send(hand, &outgoing, &credential, Sending::Nothing, || None).await;
    let response = response.ok()?;
    let (parts, mut body) = response.into_parts();
    let text = collect(&mut body, MAX_ERROR).await.unwrap_or_default();
    if parts.status == StatusCode::OK {
        return Some(Ok(()));
    }
    let kind = parts.headers.get(http::header::CONTENT_TYPE).map(|kind| kind.as_bytes());
    Some(Err(failure::read(parts.status.as_u16(), kind, &text)))
}

/// How long a probe may take.
const PROBE: Duration = Duration::from_secs(30);
/// A probe's answer that is no error need not be read; an error is a few KiB.
const MAX_ERROR: usize = 64 << 10;
