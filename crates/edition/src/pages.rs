//! What is answered by us, without Google: the one table of our own paths, and what browsers are
//! told about all paths.
//!
//! Rule: pages for operators never carry CORS headers.

use http::HeaderMap;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, AUTHORIZATION, HeaderName, HeaderValue,
};
use potluck_gemini::Dialect;
use potluck_gemini::headers::cors;
use potluck_pages::asset::{self, Asset};
use potluck_pages::still::Still;

/// Names a request, to find it again in a log.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// JSON, as Google labels it.
pub const JSON: &str = "application/json; charset=UTF-8";
/// Words for people.
pub const TEXT: &str = "text/plain; charset=utf-8";
/// The badge.
pub const SVG: &str = "image/svg+xml";

/// Our own paths.
const PAGES: &[(&str, Page)] = &[
    ("/", Page::Table),
    ("/me", Page::Still(Still::Place)),
    ("/admin", Page::Still(Still::Kitchen)),
    ("/keycount", Page::KeyCount),
    ("/badge.svg", Page::Badge),
    ("/pool", Page::Pool),
    ("/pool/me", Page::Me),
    ("/pool/me/usage", Page::MyUsage),
    ("/healthz", Page::Alive),
    ("/readyz", Page::Ready),
    ("/metrics", Page::Metrics),
];

/// Below this, operators only.
const ADMIN: &str = "/pool/admin";

/// One of our own paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// The table, for people.
    Table,
    /// Another page for people.
    Still(Still),
    /// A style or script of such a page.
    Asset(&'static Asset),
    /// How many keys can serve.
    KeyCount,
    /// The same as a picture.
    Badge,
    /// The public summary.
    Pool,
    /// A contributor's own view.
    Me,
    /// What a contributor lent and borrowed, day by day.
    MyUsage,
    /// Whether the process runs.
    Alive,
    /// Whether it should be sent traffic.
    Ready,
    /// Numbers for operators.
    Metrics,
    /// Anything below `/pool/admin`.
    Admin,
}

/// The page at a path.
pub fn find(path: &str) -> Option<Page> {
    if is_admin(path) {
        return Some(Page::Admin);
    }
    let page = PAGES.iter().find(|(known, _)| *known == path).map(|(_, page)| *page);
    page.or_else(|| asset::find(path).map(Page::Asset))
}

/// Whether a page of another site must never read what is at this path.
pub fn is_private(path: &str) -> bool {
    is_admin(path) || matches!(path, "/metrics" | "/admin")
}

fn is_admin(path: &str) -> bool {
    path.strip_prefix(ADMIN).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The dialect of whoever asks for a path that leads nowhere.
pub fn spoken_at(path: &str) -> Dialect {
    let compat = path.split('/').any(|segment| segment == "openai");
    if compat { Dialect::Compat } else { Dialect::Native }
}

/// Clients that put a base URL with a slash before a path with one ask for `//ws/…`.
pub fn one_slash(path: &str) -> &str {
    let doubled = path.bytes().take_while(|byte| *byte == b'/').count().saturating_sub(1);
    &path[doubled..]
}

/// The token that an operator shows, if that is what stands there.
pub fn operator(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}

/// What a browser is told that asks before it sends (`OPTIONS`): nothing about private paths.
pub fn preflight(path: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if !is_private(path) {
        let value = HeaderValue::from_static;
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, value(cors::ALLOW_METHODS));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, value(cors::ALLOW_HEADERS));
        headers.insert(ACCESS_CONTROL_MAX_AGE, value(cors::MAX_AGE));
    }
    headers
}

/// Lets a page of another site read an answer.
pub fn add_cors(headers: &mut HeaderMap) {
    let value = HeaderValue::from_static;
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, value(cors::ALLOW_ORIGIN));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, value(cors::EXPOSE_HEADERS));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_paths_are_exact() {
        for (path, page) in [
            ("/keycount", Some(Page::KeyCount)),
            ("/pool", Some(Page::Pool)),
            ("/pool/me", Some(Page::Me)),
            ("/pool/me/usage", Some(Page::MyUsage)),
            ("/pool/admin", Some(Page::Admin)),
            ("/pool/admin/keys", Some(Page::Admin)),
            ("/pool/administrator", None),
            ("/pool/", None),
            ("/keycount/x", None),
            ("/", Some(Page::Table)),
            ("/me", Some(Page::Still(Still::Place))),
            ("/admin", Some(Page::Still(Still::Kitchen))),
            ("/admin/", None),
            ("/index.html", None),
            ("/pool/assets/table.txt", None),
        ] {
            assert_eq!(find(path), page, "{path}");
        }
    }

    #[test]
    fn browsers_are_told_nothing_of_what_is_for_operators() {
        assert!(preflight("/pool/admin/keys").is_empty() && preflight("/metrics").is_empty());
        assert_eq!(preflight("/v1beta/models").len(), 3);
    }
}
