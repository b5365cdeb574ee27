//! What keys gave and took.
//!
//! Told with room for everything; kept, a million times, with room for what one key can do.

use crate::time::Wall;

/// What a key gave and took, counted since it joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The bearer's calls served with the own key.
    pub own_calls: u64,
    /// Tokens of those.
    pub own_tokens: u64,
    /// Others' calls served with this key.
    pub lent_calls: u64,
    /// Tokens of those.
    pub lent_tokens: u64,
    /// The bearer's calls served with others' keys.
    pub borrowed_calls: u64,
    /// Tokens of those.
    pub borrowed_tokens: u64,
    /// Calls lent on the day that ends at `day_end`.
    pub lent_today: u32,
    /// When that day ends.
    pub day_end: Wall,
}

/// A key's [`Usage`], in less memory: calls beyond four thousand million are not counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    own_calls: u32,
    lent_calls: u32,
    borrowed_calls: u32,
    pub(crate) lent_today: u32,
    own_tokens: u64,
    lent_tokens: u64,
    borrowed_tokens: u64,
    pub(crate) day_end: Wall,
}

impl Counts {
    /// Calls lent since it joined.
    pub(crate) fn lent_calls(&self) -> u64 {
        self.lent_calls.into()
    }

    /// A call was served, by the bearer's own key or for another.
    pub(crate) fn served(&mut self, own: bool) {
        let calls = if own { &mut self.own_calls } else { &mut self.lent_calls };
        *calls = calls.saturating_add(1);
    }

    /// And took so many tokens.
    pub(crate) fn took(&mut self, own: bool, tokens: u64) {
        let sum = if own { &mut self.own_tokens } else { &mut self.lent_tokens };
        *sum = sum.saturating_add(tokens);
    }

    /// Another's key served the bearer: so many calls, and tokens.
    pub(crate) fn borrowed(&mut self, calls: u32, tokens: u64) {
        self.borrowed_calls = self.borrowed_calls.saturating_add(calls);
        self.borrowed_tokens = self.borrowed_tokens.saturating_add(tokens);
    }
}

impl From<Usage> for Counts {
    fn from(usage: Usage) -> Counts {
        let fewer = |calls: u64| u32::try_from(calls).unwrap_or(u32::MAX);
        Counts {
            own_calls: fewer(usage.own_calls),
            lent_calls: fewer(usage.lent_calls),
            borrowed_calls: fewer(usage.borrowed_calls),
            lent_today: usage.lent_today,
            own_tokens: usage.own_tokens,
            lent_tokens: usage.lent_tokens,
            borrowed_tokens: usage.borrowed_tokens,
            day_end: usage.day_end,
        }
    }
}

impl From<Counts> for Usage {
    fn from(counts: Counts) -> Usage {
        Usage {
            own_calls: counts.own_calls.into(),
            own_tokens: counts.own_tokens,
            lent_calls: counts.lent_calls.into(),
            lent_tokens: counts.lent_tokens,
            borrowed_calls: counts.borrowed_calls.into(),
            borrowed_tokens: counts.borrowed_tokens,
            lent_today: counts.lent_today,
            day_end: counts.day_end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_restored_is_told_again() {
        let told = Usage {
            own_calls: 1,
            own_tokens: 2,
            lent_calls: 3,
            lent_tokens: 4,
            borrowed_calls: 5,
            borrowed_tokens: 6,
            lent_today: 7,
            day_end: Wall(8),
        };
        assert_eq!(Usage::from(Counts::from(told)), told);
    }
}
