//! A key in the two forms in which Google takes it.
//!
//! Rule: made once, when the key joins, so that the hot path copies nothing; marked sensitive, so
//! that nothing which prints headers shows it.

use std::fmt;

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use potluck_gemini::{ApiKey, Dialect};

/// Where a key stands on native routes (`gemini-api.md` §2b: the header, and nothing else).
const KEY_HEADER: HeaderName = HeaderName::from_static("x-goog-api-key");

/// A key, ready to be sent to Google.
#[derive(Clone)]
pub struct Lent {
    native: HeaderValue,
    bearer: HeaderValue,
}

impl Lent {
    /// Prepares a key.
    pub fn of(key: &ApiKey) -> Lent {
        let bearer = zeroize::Zeroizing::new(format!("Bearer {}", key.expose()));
        Lent { native: sensitive(key.expose()), bearer: sensitive(&bearer) }
    }

    /// The key itself, to look for it in what Google answers.
    pub fn key(&self) -> Option<ApiKey> {
        ApiKey::parse(self.native.to_str().ok()?).ok()
    }

    /// Puts the key where this dialect's routes want it, and nowhere else.
    pub fn place(&self, dialect: Dialect, headers: &mut HeaderMap) {
        match dialect {
            Dialect::Compat => headers.insert(AUTHORIZATION, self.bearer.clone()),
            Dialect::Native | Dialect::Interactions => {
                headers.insert(KEY_HEADER, self.native.clone())
            }
        };
    }
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lent(…)")
    }
}

fn sensitive(text: &str) -> HeaderValue {
    // A key's grammar is a part of what a header may hold, so the fallback never happens; were the
    // grammar to change, Google would refuse the empty value instead of us falling over.
    let mut value = HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const KEY: &str = "AIzaSyTestTestTestTestTestTestTestTest12";

    #[test]
    fn each_dialect_sees_the_key_in_one_place() {
        let lent = Lent::of(&ApiKey::parse(KEY).unwrap());
        for (dialect, place, value) in [
            (Dialect::Native, "x-goog-api-key", KEY.to_owned()),
            (Dialect::Interactions, "x-goog-api-key", KEY.to_owned()),
            (Dialect::Compat, "authorization", format!("Bearer {KEY}")),
        ] {
            let mut headers = HeaderMap::new();
            lent.place(dialect, &mut headers);
            assert_eq!(headers.len(), 1);
            assert_eq!(headers[place], value);
        }
    }

    #[test]
    fn nothing_that_prints_shows_the_key() {
        let lent = Lent::of(&ApiKey::parse(KEY).unwrap());
        let mut headers = HeaderMap::new();
        lent.place(Dialect::Compat, &mut headers);
        assert!(!format!("{lent:?} {headers:?}").contains("AIza"));
    }
}
