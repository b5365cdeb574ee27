//! Which headers travel, in both directions.
//!
//! To Google goes an allow-list, so that nothing about the caller leaves by accident: no address,
//! no cookie, no origin, no forwarding header, no credential. From Google comes everything but what
//! belongs to one connection, what speaks for another host, and what might name a key.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::params;

/// Ways to ask for another method than the request line's.
const METHOD_OVERRIDES: &[&str] = &["x-http-method-override", "x-http-method", "x-method-override"];

/// Values for the CORS headers of answers.
///
/// Any origin may call: the credential is a key that the page itself holds, and never a cookie.
pub mod cors {
    /// `access-control-allow-origin`
    pub const ALLOW_ORIGIN: &str = "*";
    /// `access-control-allow-methods`
    pub const ALLOW_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
    /// `access-control-allow-headers`. The star stands for all but `authorization`; what clients
    /// are known to send is named for browsers that do not know the star.
    pub const ALLOW_HEADERS: &str = "authorization, content-type, x-goog-api-key, x-api-key, \
        x-goog-api-client, x-goog-upload-protocol, x-goog-upload-command, x-goog-upload-offset, \
        x-goog-upload-file-name, x-goog-upload-header-content-length, \
        x-goog-upload-header-content-type, x-server-timeout, x-potluck-route, \
        x-potluck-invite, range, *";
    /// `access-control-expose-headers`
    pub const EXPOSE_HEADERS: &str = "x-potluck-served-by, x-potluck-key, x-potluck-attempts, \
        x-request-id, retry-after, x-should-retry, x-goog-upload-url, x-goog-upload-control-url, \
        x-goog-upload-status, x-goog-upload-chunk-granularity, x-goog-upload-size-received, \
        x-guploader-uploadid, x-gemini-service-tier, content-disposition, content-range, \
        accept-ranges, location, etag";
    /// `access-control-max-age`: two hours, beyond which no browser remembers.
    pub const MAX_AGE: &str = "7200";
}

/// The caller's headers that go to Google, except those that `Connection` names.
pub fn to_google(headers: &HeaderMap) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
    let named = Connection::of(headers);
    headers.iter().filter(move |(name, _)| to_google_goes(name) && !named.holds(name))
}

/// What goes to Google. The credential is added by whoever chooses it, the length and the accepted
/// encodings by whoever sends the body and reads the answer.
fn to_google_goes(name: &HeaderName) -> bool {
    match name.as_str() {
        "accept" | "content-type" | "content-language" | "content-encoding" | "user-agent"
        | "x-goog-api-client" | "x-goog-fieldmask" => true,
        // Uploads.
        "content-range"
        | "x-goog-upload-protocol"
        | "x-goog-upload-command"
        | "x-goog-upload-offset"
        | "x-goog-upload-file-name"
        | "x-goog-upload-header-content-length"
        | "x-goog-upload-header-content-type"
        | "x-upload-content-length"
        | "x-upload-content-type" => true,
        // Downloads.
        "range"
        | "if-range"
        | "if-match"
        | "if-none-match"
        | "if-modified-since"
        | "if-unmodified-since" => true,
        _ => false,
    }
}

/// Takes out of Google's headers what must not go to the caller, in one look where that is nothing.
pub fn keep_for_caller(headers: &mut HeaderMap) {
    for name in dropped(headers) {
        headers.remove(name);
    }
}

/// The names of Google's headers that do not go to the caller. One bad value drops them all.
fn dropped(headers: &HeaderMap) -> Vec<HeaderName> {
    let named = Connection::of(headers);
    let goes = |name: &HeaderName, value: &HeaderValue| {
        let text = name.as_str();
        is_kept(text) && !named.holds(name) && !(holds_urls(text) && names_credential(value))
    };
    headers
        .iter()
        .filter(|(name, value)| !goes(name, value))
        .map(|(name, _)| name.clone())
        .collect()
}

/// Whether a header of Google's may go to the caller, as far as its name tells.
pub fn from_google_keeps(name: &HeaderName) -> bool {
    is_kept(name.as_str())
}

fn is_kept(name: &str) -> bool {
    let dropped = match name {
        // Between us and Google.
        "connection"
        | "keep-alive"
        | "proxy-authenticate"
        | "proxy-authorization"
        | "proxy-connection"
        | "te"
        | "trailer"
        | "transfer-encoding"
        | "upgrade" => true,
        // For Google's host, not for ours.
        "alt-svc"
        | "clear-site-data"
        | "nel"
        | "report-to"
        | "reporting-endpoints"
        | "set-cookie"
        | "set-cookie2"
        | "strict-transport-security" => true,
        // Written here.
        name => name.starts_with("access-control-") || name.starts_with("x-potluck-"),
    };
    !dropped
}

/// Whether the headers alone make a call own: a field mask cuts the answer to a shape that cannot
/// be judged, and an encoded body cannot be read.
pub fn make_own(headers: &HeaderMap) -> bool {
    let encoded = |value: &HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"identity");
    headers.iter().any(|(name, value)| match name.as_str() {
        "x-goog-fieldmask" => true,
        "content-encoding" => encoded(value),
        _ => false,
    })
}

/// Whether a header asks for another method than the request line: to be refused.
pub fn override_method(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| METHOD_OVERRIDES.contains(&name.as_str()))
}

/// What `Connection` names as its own; most messages have none.
struct Connection<'h>(Option<header::GetAll<'h, HeaderValue>>);

impl Connection<'_> {
    fn of(headers: &HeaderMap) -> Connection<'_> {
        let is_there = headers.contains_key(header::CONNECTION);
        Connection(is_there.then(|| headers.get_all(header::CONNECTION)))
    }

    fn holds(&self, name: &HeaderName) -> bool {
        self.0.as_ref().is_some_and(|values| lists(values, name))
    }
}

fn lists(values: &header::GetAll<'_, HeaderValue>, name: &HeaderName) -> bool {
    values.iter().any(|value| {
        let mut names = value.as_bytes().split(|byte| *byte == b',');
        names.any(|named| named.trim_ascii().eq_ignore_ascii_case(name.as_str().as_bytes()))
    })
}

/// Headers of Google's that hold URLs, in which a key could stand.
fn holds_urls(name: &str) -> bool {
    matches!(name, "location" | "content-location" | "link" | "refresh")
}

fn names_credential(value: &HeaderValue) -> bool {
    let Ok(text) = value.to_str() else { return true };
    let query = text.split_once('?').map(|(_, query)| query);
    ["key", "$key", "access_token", "oauth_token"]
        .iter()
        .any(|name| params::find(query, name).is_some())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn map(list: &[(&str, &str)]) -> HeaderMap {
        list.iter().map(|(n, v)| (n.parse::<HeaderName>().unwrap(), v.parse().unwrap())).collect()
    }

    fn names<'h>(headers: impl Iterator<Item = (&'h HeaderName, &'h HeaderValue)>) -> Vec<&'h str> {
        headers.map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn only_the_allow_list_goes_to_google() {
        for (name, goes) in [
            ("accept", true),
            ("content-type", true),
            ("content-language", true),
            ("content-encoding", true),
            ("user-agent", true),
            ("x-goog-api-client", true),
            ("x-goog-upload-command", true),
            ("x-goog-upload-header-content-length", true),
            ("range", true),
            ("if-none-match", true),
            ("authorization", false),
            ("x-goog-api-key", false),
            ("x-api-key", false),
            ("cookie", false),
            ("x-goog-user-project", false),
            ("x-goog-iam-authorization-token", false),
            ("x-goog-quota-user", false),
            ("x-goog-upload-header-authorization", false),
            ("x-gemini-api-privileged-user-id", false),
            ("x-server-timeout", false),
            ("x-http-method-override", false),
            ("x-potluck-route", false),
            ("origin", false),
            ("referer", false),
            ("forwarded", false),
            ("via", false),
            ("x-forwarded-for", false),
            ("x-real-ip", false),
            ("accept-encoding", false),
            ("content-length", false),
            ("host", false),
            ("expect", false),
            ("connection", false),
            ("transfer-encoding", false),
            ("te", false),
            ("upgrade", false),
        ] {
            let headers = map(&[(name, "x")]);
            assert_eq!(to_google(&headers).count(), usize::from(goes), "{name}");
        }
    }

    #[test]
    fn what_connection_names_stays_on_the_connection() {
        let headers = map(&[
            ("connection", "close, User-Agent"),
            ("connection", "X-Goog-Api-Client"),
            ("user-agent", "x"),
            ("x-goog-api-client", "x"),
            ("accept", "x"),
        ]);

        assert_eq!(names(to_google(&headers)), ["accept"]);
        assert!(dropped(&headers).iter().any(|name| name == "user-agent"));
    }

    #[test]
    fn every_value_of_a_header_goes() {
        let headers = map(&[("x-goog-api-client", "a"), ("x-goog-api-client", "b")]);

        assert_eq!(to_google(&headers).count(), 2);
    }

    #[test]
    fn what_speaks_for_google_alone_is_dropped() {
        for (name, kept) in [
            ("content-type", true),
            ("content-length", true),
            ("content-encoding", true),
            ("server-timing", true),
            ("vary", true),
            ("x-goog-upload-status", true),
            ("x-goog-upload-chunk-granularity", true),
            ("x-gemini-service-tier", true),
            ("www-authenticate", true),
            ("connection", false),
            ("keep-alive", false),
            ("transfer-encoding", false),
            ("trailer", false),
            ("upgrade", false),
            ("alt-svc", false),
            ("set-cookie", false),
            ("strict-transport-security", false),
            ("access-control-allow-origin", false),
            ("x-potluck-served-by", false),
        ] {
            assert_eq!(from_google_keeps(&name.parse().unwrap()), kept, "{name}");
        }
    }

    #[test]
    fn a_url_with_a_key_does_not_reach_the_caller() {
        let cases = [
            ("location", "https://example.test/x?alt=media", true),
            ("location", "https://example.test/x?alt=media&key=AIzaSecret", false),
            ("location", "https://example.test/x?%6bey=AIzaSecret", false),
            ("link", "<https://example.test/?access_token=x>; rel=next", false),
            ("content-type", "text/plain?key=1", true),
        ];
        for (name, value, kept) in cases {
            let headers = map(&[(name, value)]);
            assert_eq!(dropped(&headers).is_empty(), kept, "{name}: {value}");
        }
    }

    #[test]
    fn masks_and_encodings_make_a_call_own() {
        assert!(make_own(&map(&[("x-goog-fieldmask", "candidates")])));
        assert!(make_own(&map(&[("content-encoding", "gzip")])));
        assert!(!make_own(&map(&[("content-encoding", "Identity"), ("accept", "*/*")])));
    }

    #[test]
    fn method_overrides_are_seen() {
        assert!(override_method(&map(&[("X-HTTP-Method-Override", "DELETE")])));
        assert!(!override_method(&map(&[("accept", "*/*")])));
    }

    #[test]
    fn cors_values_are_header_values() {
        use cors::*;
        for text in [ALLOW_ORIGIN, ALLOW_METHODS, ALLOW_HEADERS, EXPOSE_HEADERS, MAX_AGE] {
            assert!(HeaderValue::from_str(text).is_ok() && !text.contains("  "), "{text}");
        }
    }
}
