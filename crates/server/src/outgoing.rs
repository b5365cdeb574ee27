//! A caller's request as Google is to see it.
//!
//! Rule: it is made anew for each attempt, out of allow-lists; exactly one credential is in it, in
//! the place that the route wants.

use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Uri};
use potluck_gemini::credential::EphemeralToken;
use potluck_gemini::{Dialect, headers};

use crate::lent::Lent;
use crate::sending::{Pieces, Sending};

/// Room for the headers that SDKs send and the two that are added, so that the map grows never.
const USUAL_HEADERS: usize = 16;

/// What is asked of Google, credential aside.
pub struct Outgoing {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub target: PathAndQuery,
    /// The caller's headers, all of them; only the allow-list travels.
    pub headers: HeaderMap,
    /// Decides where the credential stands.
    pub dialect: Dialect,
    /// The body.
    pub body: Body,
    /// How long the answer's head may take; none: as long as it takes.
    pub patience: Option<Duration>,
}

/// The body, and whether it can be sent twice.
pub enum Body {
    /// Kept whole.
    Kept(Pieces),
    /// Passing; gone once sent.
    Once(Option<Sending>),
}

/// Who pays for a request.
pub enum Credential<'a> {
    /// A key.
    Key(&'a Lent),
    /// An ephemeral token, in the place where it came.
    Ephemeral(&'a EphemeralToken),
    /// None: what the URL itself allows.
    Nothing,
}

impl Outgoing {
    /// The request with this credential. `None` when its body has gone already.
    pub fn request(&mut self, credential: &Credential<'_>) -> Option<Request<Sending>> {
        let body = match &mut self.body {
            Body::Kept(pieces) => pieces.sending(),
            Body::Once(body) => body.take()?,
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = Uri::from(self.target.clone());
        *request.headers_mut() = self.headers_with(credential);
        Some(request)
    }

    /// Whether it may be sent once more after it was sent: a body that is still here.
    pub fn can_be_made_again(&self) -> bool {
        matches!(self.body, Body::Kept(_))
    }

    fn headers_with(&self, credential: &Credential<'_>) -> HeaderMap {
        let mut out = HeaderMap::with_capacity(USUAL_HEADERS);
        for (name, value) in headers::to_google(&self.headers) {
            out.append(name, value.clone());
        }
        match credential {
            Credential::Key(lent) => lent.place(self.dialect, &mut out),
            Credential::Ephemeral(token) => {
                if let Some(value) = token.authorization() {
                    out.insert(http::header::AUTHORIZATION, value);
                }
            }
            Credential::Nothing => {}
        }
        out
    }
}

/// Path and query as one, reusing the caller's own bytes where nothing had to change.
pub fn target(asked: &Uri, path: &str, query: &str) -> PathAndQuery {
    if asked.path() == path
        && asked.query().unwrap_or("") == query
        && let Some(whole) = asked.path_and_query()
    {
        return whole.clone();
    }
    let text = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    // Both halves were checked byte by byte when they were read; should they still not make a
    // target, the root asks for nothing of anybody's.
    PathAndQuery::from_maybe_shared(Bytes::from(text)).unwrap_or(PathAndQuery::from_static("/"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use potluck_gemini::ApiKey;

    #[test]
    fn google_sees_the_allow_list_and_one_credential() {
        let key = Lent::of(&ApiKey::parse("AIzaSyTestTestTestTestTestTestTestTest12").unwrap());
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("content-type", "application/json"),
            ("authorization", "Bearer somebody"),
            ("x-goog-api-key", "somebody"),
            ("cookie", "a=b"),
            ("x-forwarded-for", "192.0.2.1"),
        ] {
            headers.append(name, value.parse().unwrap());
        }
        let mut outgoing = Outgoing {
            method: Method::POST,
            target: PathAndQuery::from_static("/v1beta/models/m:generateContent"),
            headers,
            dialect: Dialect::Native,
            body: Body::Once(Some(Sending::Nothing)),
            patience: None,
        };

        let request = outgoing.request(&Credential::Key(&key)).unwrap();

        let mut names: Vec<_> = request.headers().keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-type", "x-goog-api-key"]);
        assert_ne!(request.headers()["x-goog-api-key"], "somebody");
        assert!(outgoing.request(&Credential::Key(&key)).is_none());
    }

    #[test]
    fn a_target_is_rebuilt_only_where_it_changed() {
        let asked: Uri = "/v1beta/models/m:generateContent?key=x&alt=sse".parse().unwrap();
        assert_eq!(
            target(&asked, asked.path(), "alt=sse"),
            "/v1beta/models/m:generateContent?alt=sse"
        );
        assert_eq!(target(&asked, "/v1/x", ""), "/v1/x");
    }
}
