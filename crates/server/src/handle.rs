//! One request, from its head to the answer's head.
//!
//! The way of a request: [`handle`] guards and names it, `dispatch` finds its route, and then one
//! of `pooled`, `own`, `uploads` or `live` takes it to Google through `forward`; `local` and `me`
//! answer what is ours.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt;
use http::header::{HeaderName, ORIGIN};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use potluck_edition::pages;
use potluck_edition::problem::key;
use potluck_gemini::answer::{Problem, Reason};
use potluck_gemini::credential::{self, Shown};
use potluck_gemini::headers;
use potluck_gemini::query::{self, Query};
use potluck_gemini::route;
use potluck_gemini::{ApiKey, Class, Dialect, Route, redact};

use crate::Reply;
use crate::app::Hand;
use crate::caller::Caller;
use crate::door::{Came, Door};
use crate::metrics::Metrics;
use crate::transport::{Answer, Peer, guard};
use crate::{live, local, own, pooled, problem, tokens, uploads};

/// Where a caller may insist on the own key.
const ROUTE: HeaderName = HeaderName::from_static("x-potluck-route");

/// A problem, in the dialect of the caller who is to read it.
pub type Told = (Problem, Dialect);

/// A request that is understood: what every kind of forwarding begins with.
pub struct Asked<'r> {
    /// The request itself, but for its body.
    pub head: &'r Parts,
    /// Which method, and what may be done with it.
    pub route: Route<'r>,
    /// What of the query goes on.
    pub query: Query,
    /// Who asks.
    pub caller: Caller,
    /// Something besides the body makes the call own.
    pub own: bool,
    /// The answer will come in a shape that cannot be judged.
    pub masked: bool,
    /// Under which rule the key comes in.
    pub door: Door,
}

/// Answers one request, whatever it is. All that is large is put where it stays before anything
/// of this is moved.
pub fn handle(
    hand: Arc<Hand>,
    request: Request<Incoming>,
    peer: Peer,
) -> impl Future<Output = Reply> + Send {
    let app = hand.app.clone();
    let for_a_page =
        request.headers().contains_key(ORIGIN) && !pages::is_private(request.uri().path());
    let dispatched = guard::check(&request).map(|()| on_heap(|| dispatch(hand, request, peer)));
    async move {
        let mut reply = match dispatched {
            Ok(dispatched) => unpanicked(&app.metrics, dispatched).await,
            Err(refusal) => problem::guarded(refusal),
        };
        app.metrics.answered(reply.status());
        let headers = reply.headers_mut();
        headers.insert(pages::REQUEST_ID, app.ids.next());
        if for_a_page {
            pages::add_cors(headers);
        }
        reply
    }
}

/// The one large future of a call, made where it stays: it would be moved, as a part of others,
/// through every layer between here and the connection, and into a plain `Box::pin` once.
fn on_heap<F>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    let room = Box::new_uninit();
    Box::into_pin(Box::write(room, make()))
}

/// A panic costs the request it happened in, and nobody else's.
async fn unpanicked(metrics: &Metrics, reply: impl Future<Output = Result<Reply, Told>>) -> Reply {
    match AssertUnwindSafe(reply).catch_unwind().await {
        Ok(Ok(reply)) => reply,
        Ok(Err((problem, dialect))) => problem::reply(&problem, dialect),
        Err(_) => {
            metrics.panicked();
            problem::reply(&Problem::new(Reason::Internal), Dialect::Native)
        }
    }
}

async fn dispatch(hand: Arc<Hand>, request: Request<Incoming>, peer: Peer) -> Result<Reply, Told> {
    if request.method() == Method::OPTIONS {
        return Ok(preflight(&request));
    }
    let caller = Caller::of(&hand.app.settings, &request, peer);
    if let Some(page) = pages::find(request.uri().path()) {
        return Box::pin(local::answer(&hand, page, request, &caller)).await;
    }
    let (head, body) = request.into_parts();
    if headers::override_method(&head.headers) {
        return Err((
            problem::refused("Another method than the request line's is not heeded."),
            pages::spoken_at(head.uri.path()),
        ));
    }
    let path = pages::one_slash(head.uri.path());
    let bearer = credential::bears(&head.headers);
    let route = route::route(&head.method, path, head.uri.query(), bearer)
        .map_err(|none| (problem::no_route(none), pages::spoken_at(path)))?;
    let dialect = route.dialect;
    let told = |problem| (problem, dialect);
    let (mut asked, shown) = understand(&head, route, caller).map_err(told)?;
    match &shown {
        Shown::Key(key) => asked.door = Door::of(&hand.app, &head.headers, key).map_err(told)?,
        Shown::Token(token) => {
            return Box::pin(tokens::answer(&hand, asked, body, token)).await.map_err(told);
        }
        _ => {}
    }
    // A future is as large as the largest it may await: those of the rarer kinds are boxed, so
    // that the usual call does not carry them.
    if asked.route.class == Class::Pooled {
        let key = key(shown).map_err(told)?;
        return pooled::answer(&hand, &asked, body, Came::Key(&key)).await.map_err(told);
    }
    Box::pin(alone(&hand, &asked, body, shown)).await.map_err(told)
}

/// What a request asks for, and the key that it shows.
fn understand<'r>(
    head: &'r Parts,
    route: Route<'r>,
    caller: Caller,
) -> Result<(Asked<'r>, Shown), Problem> {
    let query = query::query(&route, head.uri.query())
        .map_err(|refused| problem::refused(&problem::sentence(&refused.to_string())))?;
    let shown = credential::shown(&head.headers, head.uri.query());
    let path = || without_key(&route.path, &shown);
    tracing::debug!(method = %head.method, path = path(), class = ?route.class, "asked");
    let insists = head.headers.get(ROUTE).is_some_and(|value| value == "own");
    let shaped = headers::make_own(&head.headers);
    let own = query.own || shaped || insists;
    let masked = query.own || shaped;
    let door = Door::default();
    Ok((Asked { head, route, query, caller, own, masked, door }, shown))
}

/// Calls that are not the pool's to serve, or only once more is known.
async fn alone(
    hand: &Hand,
    asked: &Asked<'_>,
    body: Incoming,
    shown: Shown,
) -> Result<Reply, Problem> {
    match asked.route.class {
        Class::Pooled => pooled::answer(hand, asked, body, Came::Key(&key(shown)?)).await,
        Class::Listing | Class::Own | Class::Download => {
            own::answer(hand, asked, body, Came::Key(&key(shown)?)).await
        }
        Class::UploadStart => uploads::start(hand, asked, body, Came::Key(&key(shown)?)).await,
        Class::UploadPart => uploads::part(hand, asked, body, shown).await,
        Class::Live | Class::LiveMusic => live::answer(hand, asked, Came::Key(&key(shown)?)),
        Class::LiveConstrained => live::constrained(hand, asked, shown),
    }
}

/// A path for the log: some put their key where a model or a file is named. Tokens go by their form.
fn without_key(path: &str, shown: &Shown) -> String {
    let key = if let Shown::Key(key) = shown { Some(key) } else { None };
    let keys: Vec<&ApiKey> = key.into_iter().collect();
    redact::redact_text(path, &keys)
}

fn preflight(request: &Request<Incoming>) -> Reply {
    let mut reply: Reply = Response::new(Answer::empty());
    *reply.status_mut() = StatusCode::NO_CONTENT;
    *reply.headers_mut() = pages::preflight(request.uri().path());
    reply
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_one_answer_that_says_nothing_of_it() {
        let metrics = Metrics::default();
        let key = "AIzaSyTestTestTestTestTestTestTestTest12";

        let reply = unpanicked(&metrics, async move { panic!("it held {key}") }).await;

        assert_eq!(reply.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let said = format!("{:?}", reply.headers());
        let body = reply.into_body().collect().await.ok().unwrap().to_bytes();
        let said = said + std::str::from_utf8(&body).unwrap();
        assert!(said.contains("POOL_INTERNAL") && !said.contains("SyTest"), "{said}");
        assert_eq!(metrics.panics(), 1);
    }
}
