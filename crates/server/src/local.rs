//! What is answered here, without Google.
//!
//! Rule: which paths are ours, and which of them no foreign page may read, says
//! `potluck_edition::pages`.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use potluck_edition::pages::{JSON, Page, SVG, TEXT};
use potluck_edition::problem::other_method;
use potluck_edition::{badge, front, numbers, table};
use potluck_gemini::Dialect;
use potluck_gemini::answer::{Problem, Reason};

use crate::Reply;
use crate::app::{App, Hand};
use crate::caller::Caller;
use crate::handle::Told;
use crate::transport::Answer;
use crate::transport::drain::Phase;
use crate::{admin, me};

/// Answers a page.
pub async fn answer(
    hand: &Hand,
    page: Page,
    request: Request<Incoming>,
    caller: &Caller,
) -> Result<Reply, Told> {
    let native = |problem| (problem, Dialect::Native);
    match page {
        Page::Me | Page::MyUsage => return me::answer(hand, request).await.map_err(native),
        Page::Admin => return admin::answer(hand, request, caller).await.map_err(native),
        _ => {}
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(native(other_method("GET, HEAD")));
    }
    let app = &hand.app;
    Ok(match page {
        Page::Table => front_page(app, &request, caller),
        Page::Still(page) => {
            let (page, headers) = front::still(page, request.headers(), request.uri().query());
            with(typed(front::HTML, page), headers)
        }
        Page::Asset(asset) => with(typed(asset.kind, asset.text), front::headers()),
        Page::KeyCount => json(&table::key_count(app.pools.key_count())),
        Page::Badge => typed(SVG, badge::svg(app.pools.key_count())),
        Page::Pool => json(&summary(app)),
        Page::Alive => typed(TEXT, "ok\n"),
        Page::Ready => ready(app),
        Page::Metrics => {
            if !caller.is_local() {
                admin::check(app, &request, caller).map_err(native)?;
            }
            typed(numbers::TYPE, app.metrics.text(app))
        }
        Page::Me | Page::MyUsage | Page::Admin => unreachable!("answered above"),
    })
}

/// The pool as passers-by see it, and whether they may join.
fn summary(app: &App) -> serde_json::Value {
    let mut pool = table::summary(&app.pools.summary(app.clock.now()));
    pool["admission"] = app.settings.admission.name().into();
    pool
}

fn front_page(app: &App, request: &Request<Incoming>, caller: &Caller) -> Reply {
    let pool = summary(app);
    let base = caller.base(&app.settings).map(|url| url.to_string()).unwrap_or_default();
    let (page, headers) = front::table(request.headers(), request.uri().query(), &base, &pool);
    with(typed(front::HTML, page), headers)
}

fn with(mut reply: Reply, headers: http::HeaderMap) -> Reply {
    reply.headers_mut().extend(headers);
    reply
}

/// JSON that is not to be kept by anybody on the way.
pub fn json(value: &serde_json::Value) -> Reply {
    typed(JSON, format!("{value}\n"))
}

/// A body with its label, that is not to be kept by anybody on the way.
pub fn typed(kind: &'static str, body: impl Into<bytes::Bytes>) -> Reply {
    let mut reply = Response::new(Answer::whole(body));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

fn ready(app: &App) -> Reply {
    let draining = app.shutdown.phase() > Phase::Running;
    let (status, said) = match (draining, app.store.healthy()) {
        (false, true) => (StatusCode::OK, "ready\n"),
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        (false, false) => (StatusCode::SERVICE_UNAVAILABLE, "the store has failed\n"),
    };
    let mut reply = typed(TEXT, said);
    *reply.status_mut() = status;
    reply
}

/// A store that failed, as the caller reads it.
pub fn store_trouble(app: &App, error: &potluck_store::StoreError) -> Problem {
    app.metrics.store_failed();
    tracing::error!(%error, "the store failed");
    Problem::new(Reason::Store)
}
