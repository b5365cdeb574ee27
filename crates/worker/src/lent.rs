//! A key as the pool holds it.
//!
//! Rule: nothing that prints shows it.

use std::fmt;
use std::rc::Rc;

use potluck_gemini::ApiKey;

/// A key, ready to be lent. Cheap to clone.
#[derive(Clone)]
pub struct Lent(Rc<ApiKey>);

impl Lent {
    /// Prepares a key.
    pub fn of(key: ApiKey) -> Lent {
        Lent(Rc::new(key))
    }

    /// The key itself, for whatever sends it.
    pub fn key(&self) -> &ApiKey {
        &self.0
    }
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lent(…)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn nothing_that_prints_shows_the_key() {
        let key = ApiKey::parse("AIzaSyTestTestTestTestTestTestTestTest12").unwrap();
        assert_eq!(format!("{:?}", Lent::of(key)), "Lent(…)");
    }
}
