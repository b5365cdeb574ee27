//! What is written on every proxied answer, and how its body is to be read.

use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use potluck_gemini::Dialect;
use potluck_gemini::stream::Framing;

const SERVED_BY: HeaderName = HeaderName::from_static("x-potluck-served-by");
const KEY: HeaderName = HeaderName::from_static("x-potluck-key");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-potluck-attempts");

/// What became of the caller's key, for `x-potluck-key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyMark {
    /// It joined with this call, and is on the disk.
    Stored,
    /// It was in the pool before.
    Known,
    /// It is not in the pool.
    NotStored,
    /// There is none: the caller came with an access token.
    Token,
}

impl KeyMark {
    /// The header's value.
    pub fn value(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            KeyMark::Stored => "stored",
            KeyMark::Known => "known",
            KeyMark::NotStored => "not-stored",
            KeyMark::Token => "none",
        })
    }
}

/// Marks an answer of Google's.
pub fn of_served(headers: &mut HeaderMap, own: bool, mark: KeyMark, attempts: u8) {
    headers.insert(SERVED_BY, HeaderValue::from_static(if own { "own" } else { "pool" }));
    headers.insert(KEY, mark.value());
    headers.insert(ATTEMPTS, number(attempts));
}

/// Marks an answer of our own in Google's place.
pub fn of_refused(headers: &mut HeaderMap, mark: KeyMark, attempts: u8) {
    headers.insert(KEY, mark.value());
    headers.insert(ATTEMPTS, number(attempts));
}

/// Nearly always one, which needs no text of its own.
fn number(attempts: u8) -> HeaderValue {
    if attempts == 1 { HeaderValue::from_static("1") } else { u64::from(attempts).into() }
}

/// How the body is framed, by what Google says of it.
pub fn framing(dialect: Dialect, headers: &HeaderMap) -> Framing {
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let events = kind.len() >= 17 && kind[..17].eq_ignore_ascii_case(b"text/event-stream");
    match dialect {
        Dialect::Native if events => Framing::Native,
        Dialect::Compat if events => Framing::Compat,
        Dialect::Native | Dialect::Compat if kind.starts_with(b"application/json") => Framing::Json,
        _ => Framing::Opaque,
    }
}
