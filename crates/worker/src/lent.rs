//! A key as the object's pool holds it: sealed.
//!
//! Why: the object only hands keys on, and to unseal a hundred thousand of them would take it
//! seconds whenever it wakes. The isolate that calls Google unseals the one it calls with. Rule:
//! nothing that prints shows it, sealed as it is.

use std::fmt;
use std::rc::Rc;

use potluck_vault::Sealed;

/// A key, ready to be lent. Cheap to clone.
#[derive(Clone)]
pub struct Lent(Rc<Sealed>);

impl Lent {
    /// Prepares a key.
    pub fn of(sealed: Sealed) -> Lent {
        Lent(Rc::new(sealed))
    }

    /// The key, for whoever holds the master key.
    pub fn sealed(&self) -> &Sealed {
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
    use super::*;

    #[test]
    fn nothing_that_prints_shows_the_key() {
        assert_eq!(format!("{:?}", Lent::of(Sealed::from_bytes([1, 2, 3]))), "Lent(…)");
    }
}
