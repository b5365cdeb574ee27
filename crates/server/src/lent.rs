//! A key in the two forms in which Google takes it.
//!
//! Rule: made once, when the key joins, so that the hot path copies nothing; marked sensitive, so
//! that nothing which prints headers shows it.

use std::fmt;
use std::sync::Arc;

use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use potluck_gemini::{ApiKey, Dialect};

/// Where a key stands on native routes (`gemini-api.md` §2b: the header, and nothing else).
const KEY_HEADER: HeaderName = HeaderName::from_static("x-goog-api-key");

/// A key, ready to be sent to Google. Cheap to clone.
#[derive(Clone)]
pub struct Lent(Arc<Forms>);

struct Forms {
    native: HeaderValue,
    bearer: HeaderValue,
}

impl Lent {
    /// Prepares a key.
    pub fn of(key: &ApiKey) -> Lent {
        let bearer = zeroize::Zeroizing::new(format!("Bearer {}", key.expose()));
        Lent(Arc::new(Forms { native: sensitive(key.expose()), bearer: sensitive(&bearer) }))
    }

    /// The key itself, to look for it in what Google answers.
    pub fn key(&self) -> Option<ApiKey> {
        ApiKey::parse(self.0.native.to_str().ok()?).ok()
    }

    /// The one header that holds the key where this dialect's routes want it.
    pub fn placed(&self, dialect: Dialect) -> (HeaderName, &HeaderValue) {
        match dialect {
            Dialect::Compat => (AUTHORIZATION, &self.0.bearer),
            Dialect::Native | Dialect::Interactions => (KEY_HEADER, &self.0.native),
        }
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
            let (name, placed) = lent.placed(dialect);
            assert_eq!((name.as_str(), placed.to_str().unwrap()), (place, value.as_str()));
        }
    }

    #[test]
    fn nothing_that_prints_shows_the_key() {
        let lent = Lent::of(&ApiKey::parse(KEY).unwrap());
        let placed = lent.placed(Dialect::Compat);
        assert!(!format!("{lent:?} {placed:?}").contains("AIza"));
    }
}
