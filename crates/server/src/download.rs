//! Downloads, whose redirects are followed inside.
//!
//! Why: Google answers some downloads with a redirect that clients would follow with their key, or
//! not at all (`gemini-api.md` §4). Rule: at most three, over https, to Google's hosts, and without
//! any credential; anything else is an honest error.

use http::header::{ACCEPT, IF_RANGE, LOCATION, RANGE};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, Method, Uri};
use potluck_gemini::answer::{Problem, Reason};

use crate::app::Hand;
use crate::forward::{Answered, AnsweredBody};
use crate::sending::Sending;
use crate::transport::{Asking, Upstream, UpstreamConfig};

/// Google needs one; three leaves room for a change of storage.
const MAX_REDIRECTS: usize = 3;
/// Where Google keeps what it lets people download.
const GOOGLE: [&str; 3] = [".googleapis.com", ".googleusercontent.com", ".google.com"];

/// Follows an answer that is a redirect.
pub async fn follow(
    hand: &Hand,
    mut answered: Answered,
    wanted: &HeaderMap,
) -> Result<Answered, Problem> {
    let mut at = hand.app.settings.upstream.clone();
    for _ in 0..MAX_REDIRECTS {
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
    matches!(answered.parts.status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Where a redirect leads, if we go there.
fn next(hand: &Hand, from: &Uri, headers: &HeaderMap) -> Option<Uri> {
    let location = headers.get(LOCATION)?.to_str().ok()?;
    let mut to: Uri = location.parse().ok()?;
    if to.authority().is_none() {
        let mut parts = from.clone().into_parts();
        parts.path_and_query = to.path_and_query().cloned();
        to = Uri::from_parts(parts).ok()?;
    }
    is_allowed(&hand.app.settings.upstream, &to).then_some(to)
}

fn is_allowed(upstream: &Uri, to: &Uri) -> bool {
    if to.scheme() == upstream.scheme() && to.authority() == upstream.authority() {
        return true;
    }
    let host = to.host().unwrap_or_default().to_ascii_lowercase();
    let default_port = to.port_u16().is_none_or(|port| port == 443);
    to.scheme() == Some(&Scheme::HTTPS)
        && default_port
        && to.authority().is_some_and(|authority| !authority.as_str().contains('@'))
        && GOOGLE.iter().any(|google| host.ends_with(google))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn redirects_lead_to_google_over_https_alone() {
        let upstream: Uri = "https://generativelanguage.googleapis.com".parse().unwrap();
        for (to, allowed) in [
            ("https://generativelanguage.googleapis.com/x", true),
            ("https://storage.googleapis.com/x?sig=1", true),
            ("https://lh3.googleusercontent.com/x", true),
            ("http://storage.googleapis.com/x", false),
            ("https://storage.googleapis.com:8443/x", false),
            ("https://evilgoogleapis.com/x", false),
            ("https://user@storage.googleapis.com/x", false),
            ("https://storage.googleapis.com.evil.test/x", false),
            ("https://127.0.0.1/x", false),
        ] {
            assert_eq!(is_allowed(&upstream, &to.parse().unwrap()), allowed, "{to}");
        }
    }
}
