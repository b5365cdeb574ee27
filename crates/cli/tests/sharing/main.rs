//! What the pool does with keys that have joined: who serves a call, and what a failure leads to.
//!
//! - `spread`: even shares, conversations;
//! - `failover`: what an answer of Google's means for the key and the call;
//! - `resting`: cooldowns, and a pool that is exhausted; `learned`: what of quotas outlives a restart;
//! - `parts`: a pool that is split;
//! - `own`: what is never pooled; `money`: what is pooled by permission only.

#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod failover;
mod learned;
mod money;
mod own;
mod parts;
mod resting;
mod spread;

use common::serving::key;
use gemini_sim::Sim;

/// How often each of the keys 1 to `keys` was shown to the simulator.
fn shares(sim: &Sim, keys: usize) -> Vec<u64> {
    let counters = sim.counters();
    (1..=keys).map(|number| counters.by_key.get(&key(number)).copied().unwrap_or(0)).collect()
}
