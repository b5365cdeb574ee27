//! A request that is understood, and what of it goes to Google.
//!
//! Rule: what travels is said by allow-lists, and exactly one credential is in it, in the place
//! that the route wants.

use std::time::Duration;

use http::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use potluck_core::{KeyId, SourceBlock, Tombstone};
use potluck_edition::calls::Bearer;
use potluck_edition::{pages, patience, problem};
use potluck_gemini::answer::Problem;
use potluck_gemini::credential::{self, EphemeralToken, Shown};
use potluck_gemini::query::{self, Query};
use potluck_gemini::{ApiKey, Dialect, Route, headers, route};

use crate::fixed::Fixed;

/// Where a caller may insist on the own key.
const ROUTE: HeaderName = HeaderName::from_static("x-potluck-route");
/// Where the platform tells a caller's address.
const ADDRESS: &str = "cf-connecting-ip";
/// Where a key stands on native routes (`gemini-api.md` §2b: the header, and nothing else).
const KEY: HeaderName = HeaderName::from_static("x-goog-api-key");

/// A problem, in the dialect of the caller who is to read it.
pub type Told = (Problem, Dialect);

/// A request's first line and head.
pub struct Head<'r> {
    /// The method.
    pub method: Method,
    /// The address that was asked: scheme and authority.
    pub origin: &'r str,
    /// The path.
    pub path: &'r str,
    /// The query.
    pub query: Option<&'r str>,
    /// The fields.
    pub fields: HeaderMap,
}

/// A request that is understood.
pub struct Asked<'r> {
    /// The request itself.
    pub head: &'r Head<'r>,
    /// Which method, and what may be done with it.
    pub route: Route<'r>,
    /// What of the query goes on.
    pub query: Query,
    /// Something besides the body makes the call own.
    pub own: bool,
    /// The answer will come in a shape that cannot be judged.
    pub masked: bool,
}

/// Who pays for a request.
pub enum Credential<'a> {
    /// A key.
    Key(&'a ApiKey),
    /// An ephemeral token, in the place where it came.
    Ephemeral(&'a EphemeralToken),
    /// None: what the URL itself allows.
    Nothing,
}

impl<'r> Head<'r> {
    /// Out of a URL as the platform writes it.
    pub fn of(method: &str, url: &'r str, fields: HeaderMap) -> Head<'r> {
        let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
        let host = url.find("://").map_or(0, |at| at + 3);
        let end = url[host..].find(['/', '?', '#']).map_or(url.len(), |at| host + at);
        let (origin, target) = url.split_at(end);
        let target = target.split('#').next().unwrap_or_default();
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        Head { method, origin, path: if path.is_empty() { "/" } else { path }, query, fields }
    }

    /// The length that the body is said to have.
    pub fn length(&self) -> Option<u64> {
        self.fields.get(http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }
}

/// What a request asks for, and the key that it shows.
pub fn understand<'r>(head: &'r Head<'r>) -> Result<(Asked<'r>, Shown), Told> {
    if headers::override_method(&head.fields) {
        let problem = problem::refused("Another method than the request line's is not heeded.");
        return Err((problem, pages::spoken_at(head.path)));
    }
    let path = pages::one_slash(head.path);
    let bearer = credential::bears(&head.fields);
    let route = route::route(&head.method, path, head.query, bearer)
        .map_err(|none| (problem::no_route(none), pages::spoken_at(path)))?;
    let query = query::query(&route, head.query).map_err(|refused| {
        (problem::refused(&problem::sentence(&refused.to_string())), route.dialect)
    })?;
    let shown = credential::shown(&head.fields, head.query);
    let insists = head.fields.get(ROUTE).is_some_and(|value| value == "own");
    let shaped = headers::make_own(&head.fields);
    let own = query.own || shaped || insists;
    let masked = query.own || shaped;
    Ok((Asked { head, route, query, own, masked }, shown))
}

impl Asked<'_> {
    /// The URL at Google's.
    pub fn url(&self, google: &str) -> String {
        let mark = if self.query.text.is_empty() { "" } else { "?" };
        format!("{google}{}{mark}{}", self.route.path, self.query.text)
    }

    /// The fields that travel. Answers are asked for as they are, since some are read.
    pub fn fields(&self, credential: &Credential<'_>) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in headers::to_google(&self.head.fields) {
            fields.append(name, value.clone());
        }
        fields.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        place(&mut fields, credential, self.route.dialect);
        fields
    }

    /// How long an answer's head may take.
    pub fn patience(&self) -> Option<Duration> {
        patience::asked(&self.head.fields, None)
    }

    /// The address that the caller knows us by.
    pub fn base<'a>(&'a self, fixed: &'a Fixed) -> &'a str {
        fixed.settings.public_url.as_deref().unwrap_or(self.head.origin)
    }

    /// Who asks, by the key that is shown.
    pub fn bearer(&self, key: &ApiKey, fixed: &Fixed) -> Bearer {
        let tombstone = Tombstone(fixed.vault.tombstone(key));
        let id = KeyId(fixed.vault.key_id(key));
        Bearer::of_key(id, Some(tombstone), source(&self.head.fields))
    }
}

/// Puts a credential where that dialect's routes want it.
pub fn place(fields: &mut HeaderMap, credential: &Credential<'_>, dialect: Dialect) {
    if let Some((name, value)) = placed(credential, dialect) {
        fields.insert(name, value);
    }
}

fn placed(credential: &Credential<'_>, dialect: Dialect) -> Option<(HeaderName, HeaderValue)> {
    match (credential, dialect) {
        (Credential::Key(key), Dialect::Compat) => {
            let bearer = zeroize::Zeroizing::new(format!("Bearer {}", key.expose()));
            Some((AUTHORIZATION, HeaderValue::from_str(&bearer).ok()?))
        }
        (Credential::Key(key), _) => Some((KEY, HeaderValue::from_str(key.expose()).ok()?)),
        (Credential::Ephemeral(token), _) => Some((AUTHORIZATION, token.authorization()?)),
        (Credential::Nothing, _) => None,
    }
}

/// The block by which refused keys are limited: a /32 of IPv4, a /64 of IPv6.
pub fn source(fields: &HeaderMap) -> SourceBlock {
    let address = fields.get(ADDRESS).and_then(|value| value.to_str().ok()?.parse().ok());
    SourceBlock(match address {
        Some(std::net::IpAddr::V4(v4)) => v4.to_ipv6_mapped().to_bits(),
        Some(std::net::IpAddr::V6(v6)) => v6.to_bits() >> 64 << 64,
        None => 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_as_it_stands() {
        for (url, origin, path, query) in [
            ("https://a.b/v1beta/models?key=x#y", "https://a.b", "/v1beta/models", Some("key=x")),
            ("http://127.0.0.1:1", "http://127.0.0.1:1", "/", None),
            ("http://a.b?x", "http://a.b", "/", Some("x")),
            ("http://a.b//ws/x", "http://a.b", "//ws/x", None),
        ] {
            let head = Head::of("POST", url, HeaderMap::new());
            assert_eq!((head.origin, head.path, head.query), (origin, path, query), "{url}");
        }
    }

    #[test]
    fn blocks_are_of_addresses_that_one_person_has() {
        let block = |address: &str| {
            let mut fields = HeaderMap::new();
            fields.insert(
                ADDRESS,
                HeaderValue::from_str(address).unwrap_or(HeaderValue::from_static("")),
            );
            source(&fields)
        };
        assert_ne!(block("192.0.2.1"), block("192.0.2.2"));
        assert_eq!(block("2001:db8::1"), block("2001:db8::ffff"));
        assert_ne!(block("2001:db8::1"), block("2001:db8:0:1::1"));
    }
}
