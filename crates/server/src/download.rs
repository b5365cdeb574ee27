//! Downloads, whose redirects are followed inside.
//!
//! Rule: where they may lead says `potluck_edition::redirect`; no credential goes along, and anything
//! else is an honest error.

use http::header::{ACCEPT, IF_RANGE, LOCATION, RANGE};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Uri};
use potluck_edition::redirect;
use potluck_gemini::answer::{Problem, Reason};

use crate::app::Hand;
use crate::forward::{Answered, AnsweredBody};
use crate::sending::Sending;
use crate::transport::{Asking, Upstream, UpstreamConfig};

/// Follows an answer that is a redirect.
pub async fn follow(
    hand: &Hand,
    mut answered: Answered,
    wanted: &HeaderMap,
) -> Result<Answered, Problem> {
    let mut at = hand.app.settings.upstream.clone();
    for _ in 0..redirect::MOST {
        if !is_redirect(&answered) {
            return Ok(answered);
        }
        at = next(hand, &at, &answered.parts.headers)
            .ok_or_else(|| Problem::new(Reason::Upstream))?;
        let response = fetch(hand, &at, wanted).await?;
        let (parts, body) = response.into_parts();
        answered.parts = parts;
        answered.body = AnsweredBody::Upstream(body);
    }
    if is_redirect(&answered) { Err(Problem::new(Reason::Upstream)) } else { Ok(answered) }
}

/// What of the caller's headers a redirect's host is told as well: which bytes are wanted.
pub fn wanted(headers: &HeaderMap) -> HeaderMap {
    let named = [ACCEPT, RANGE, IF_RANGE].into_iter();
    named.filter_map(|name| headers.get(&name).cloned().map(|value| (name, value))).collect()
}

fn is_redirect(answered: &Answered) -> bool {
    redirect::is_redirect(answered.parts.status.as_u16())
}

/// Where a redirect leads, if we go there.
fn next(hand: &Hand, from: &Uri, headers: &HeaderMap) -> Option<Uri> {
    let location = headers.get(LOCATION)?.to_str().ok()?;
    redirect::next(&hand.app.settings.upstream, from, location)
}

async fn fetch(
    hand: &Hand,
    at: &Uri,
    wanted: &HeaderMap,
) -> Result<http::Response<crate::transport::UpstreamBody<Sending>>, Problem> {
    let root = PathAndQuery::from_static("/");
    let target = at.path_and_query().unwrap_or(&root);
    let asking = Asking { method: &Method::GET, target, fields: wanted };
    let answer = origin(hand, at)?.send(asking, Sending::Nothing, || None).await;
    answer.map_err(|error| {
        tracing::warn!(%error, "a download's redirect led nowhere");
        Problem::new(Reason::Upstream)
    })
}

/// A client for the redirect's host. Downloads are rare and large: a connection of their own costs
/// nothing beside them.
fn origin(hand: &Hand, at: &Uri) -> Result<Upstream<Sending>, Problem> {
    let settings = &hand.app.settings;
    if at.authority() == settings.upstream.authority() {
        return Ok(hand.upstream.clone());
    }
    let mut origin = at.clone().into_parts();
    origin.path_and_query = Some(PathAndQuery::from_static("/"));
    let origin = Uri::from_parts(origin).map_err(|_| Problem::new(Reason::Upstream))?;
    let config = UpstreamConfig {
        origin,
        extra_ca: None,
        egress: settings.egress.clone(),
        connect_timeout: settings.limits.connect,
        idle_stream: settings.limits.idle_stream,
    };
    Upstream::new(config).map_err(|_| Problem::new(Reason::Upstream))
}
