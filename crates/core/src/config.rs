//! What an operator may decide about the pool.

use std::time::Duration;

/// The pool's settings; the defaults are the design's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The longest that a call waits for a key that is about to wake.
    pub max_wait: Duration,
    /// Attempts of one exchange, the first one included; at most [`Config::MAX_ATTEMPTS`].
    pub attempts: u8,
    /// How many keys the pool holds.
    pub max_keys: u32,
    /// How many conversations are remembered.
    pub conversations: u32,
    /// Of how many parts this pool is one: the others help out, so that each keeps less in reserve.
    pub parts: u8,
}

impl Config {
    /// The most attempts an exchange can have: the first and three more.
    pub const MAX_ATTEMPTS: u8 = 4;
}

impl Default for Config {
    fn default() -> Self {
        Config {
            max_wait: Duration::from_secs(2),
            attempts: Self::MAX_ATTEMPTS,
            // A million keys take some 300 MB with one model in use, and 150 MB more with each other.
            max_keys: 1 << 20,
            // Sixteen bytes each.
            conversations: 1 << 16,
            parts: 1,
        }
    }
}
