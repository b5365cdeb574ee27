//! What access tokens had of a day's left-over.
//!
//! They bring nothing, so that none has a claim on more than another: the left-over that is theirs is
//! shared out by the count of calls alone.

use std::collections::HashMap;

use super::above;
use crate::id::{Hashed, KeyId};

/// Calls borrowed today, by token.
#[derive(Debug, Default)]
pub(super) struct OfTokens {
    borrowed: HashMap<KeyId, u32, Hashed>,
    all: u64,
}

impl OfTokens {
    pub(super) fn of(&self, token: KeyId) -> u32 {
        self.borrowed.get(&token).copied().unwrap_or(0)
    }

    pub(super) fn lent(&mut self, token: KeyId) {
        if self.borrowed.len() < MOST || self.borrowed.contains_key(&token) {
            *self.borrowed.entry(token).or_default() += 1;
            self.all += 1;
        }
    }

    pub(super) fn unlent(&mut self, token: KeyId) {
        if let Some(borrowed) = self.borrowed.get_mut(&token).filter(|borrowed| **borrowed > 0) {
            *borrowed -= 1;
            self.all -= 1;
        }
    }

    /// How far above the mean a token is that had so much: 0 to 1.
    pub(super) fn above(&self, borrowed: u32) -> f64 {
        above(f64::from(borrowed), self.all as f64 / self.borrowed.len().max(1) as f64)
    }
}

/// Tokens told apart: as many as there can be.
const MOST: usize = crate::tokens::MAX_TOKENS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_had_less_finds_less_kept() {
        let (much, little) = (KeyId([1; 16]), KeyId([2; 16]));
        let mut tokens = OfTokens::default();
        assert_eq!(tokens.above(0), 0.0);
        (0..9).for_each(|_| tokens.lent(much));
        tokens.lent(little);
        let kept = [much, little].map(|token| tokens.above(tokens.of(token)));
        assert!(kept[0] > 0.5 && kept[1] == 0.0, "{kept:?}");
        tokens.unlent(little);
        tokens.unlent(little);
        assert_eq!(tokens.of(little), 0);
    }
}
