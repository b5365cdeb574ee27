//! How the pool is.

use std::collections::BTreeMap;

use potluck_core::Metrics;
use schemars::JsonSchema;
use serde::Serialize;

/// How the pool is: keys by state, and what was counted since the start.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Status {
    keys: Keys,
    /// Keys whose contributors have withdrawn them.
    withdrawn: u64,
    exchanges: Exchanges,
    /// Attempts by verdict.
    attempts: Counts,
    /// Exchanges that no key was found for, by cause.
    refusals: Counts,
    /// Cooldowns by cause.
    cooldowns: Counts,
}

/// Keys by state.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Keys {
    /// In service; some models may rest.
    serving: u32,
    /// Resting for every model.
    resting: u32,
    /// Held back while many keys fail at once.
    held: u32,
    /// Paused by their contributors.
    paused: u32,
    /// Out until proven again.
    disabled: u32,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Exchanges {
    /// Since the start.
    begun: u64,
    /// Now.
    under_way: u64,
}

type Counts = BTreeMap<&'static str, u64>;

impl Status {
    /// Of the pool that tells this of itself.
    pub fn of(pool: &Metrics) -> Status {
        let named = |counts: &[(&'static str, u64)]| counts.iter().copied().collect();
        let keys = &pool.keys;
        Status {
            keys: Keys {
                serving: keys.serving,
                resting: keys.resting,
                held: keys.held,
                paused: keys.paused,
                disabled: keys.disabled,
            },
            withdrawn: pool.tombstones,
            exchanges: Exchanges { begun: pool.exchanges, under_way: pool.under_way },
            attempts: named(&pool.verdicts),
            refusals: named(&pool.refusals),
            cooldowns: named(&pool.cooldowns),
        }
    }
}
