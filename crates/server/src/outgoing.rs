//! A caller's request as Google is to see it.
//!
//! Rule: what of it travels is said by allow-lists, anew for each attempt; exactly one credential is
//! in it, in the place that the route wants.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Uri};
use potluck_edition::patience;
use potluck_gemini::credential::EphemeralToken;
use potluck_gemini::{Dialect, headers};

use crate::handle::Asked;
use crate::lent::Lent;
use crate::sending::{Pieces, Sending};
use crate::settings::Limits;
use crate::transport::{Asking, Fields};

/// What is asked of Google, credential aside.
pub struct Outgoing<'r> {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub target: PathAndQuery,
    /// The caller's headers, all of them; only the allow-list travels.
    pub headers: Cow<'r, HeaderMap>,
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

/// A caller's headers as they travel, and who pays.
pub struct Travelling<'a> {
    headers: &'a HeaderMap,
    dialect: Dialect,
    credential: &'a Credential<'a>,
}

impl Outgoing<'_> {
    /// What a call asks of Google, with this body.
    pub fn of<'r>(asked: &Asked<'r>, body: Body, limits: &Limits) -> Outgoing<'r> {
        let Asked { head, route, query, .. } = asked;
        Outgoing {
            method: head.method.clone(),
            target: target(&head.uri, &route.path, &query.text),
            headers: Cow::Borrowed(&head.headers),
            dialect: route.dialect,
            body,
            patience: patience::asked(&head.headers, limits.head),
        }
    }

    /// The same, free of the request it was made of.
    pub fn into_owned(self) -> Outgoing<'static> {
        Outgoing { headers: Cow::Owned(self.headers.into_owned()), ..self }
    }

    /// What travels of its headers, with this credential.
    pub fn travelling<'a>(&'a self, credential: &'a Credential<'a>) -> Travelling<'a> {
        Travelling { headers: &self.headers, dialect: self.dialect, credential }
    }

    /// The request with these headers.
    pub fn asking<'a>(&'a self, fields: &'a Travelling<'a>) -> Asking<'a> {
        Asking { method: &self.method, target: &self.target, fields }
    }

    /// Its body; `None` when that has gone already.
    pub fn body(&mut self) -> Option<Sending> {
        match &mut self.body {
            Body::Kept(pieces) => Some(pieces.sending()),
            Body::Once(body) => body.take(),
        }
    }

    /// Its body once more, if it is still here.
    pub fn body_again(&self) -> Option<Sending> {
        if let Body::Kept(pieces) = &self.body { Some(pieces.sending()) } else { None }
    }

    /// Whether it may be sent once more after it was sent: a body that is still here.
    pub fn can_be_made_again(&self) -> bool {
        matches!(self.body, Body::Kept(_))
    }
}

impl Fields for Travelling<'_> {
    fn each(&self, show: &mut dyn FnMut(&HeaderName, &HeaderValue)) {
        headers::to_google(self.headers).for_each(|(name, value)| show(name, value));
        match self.credential {
            Credential::Key(lent) => {
                let (name, value) = lent.placed(self.dialect);
                show(&name, value);
            }
            Credential::Ephemeral(token) => {
                if let Some(value) = token.authorization() {
                    show(&AUTHORIZATION, &value);
                }
            }
            Credential::Nothing => {}
        }
    }
}

impl Travelling<'_> {
    /// The same in a map.
    pub fn map(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        self.each(&mut |name, value| {
            map.append(name, value.clone());
        });
        map
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
            headers: Cow::Owned(headers),
            dialect: Dialect::Native,
            body: Body::Once(Some(Sending::Nothing)),
            patience: None,
        };

        let seen = outgoing.travelling(&Credential::Key(&key)).map();

        let mut names: Vec<_> = seen.keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-type", "x-goog-api-key"]);
        assert_ne!(seen["x-goog-api-key"], "somebody");
        assert!(outgoing.body().is_some());
        assert!(outgoing.body().is_none(), "it has gone");
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
