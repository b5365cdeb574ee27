//! The pool split: sixteen pools, each with the keys of its part of the hash.

use crate::{
    google::Answer,
    policy::{Policy, Potluck, Standing, Step, potluck},
    world::{Ask, Ms, World},
};

/// Sixteen owners, each of some keys.
#[derive(Debug)]
pub struct Sharded {
    shards: Vec<Potluck>,
    choice: Choice,
    /// Where each call is under way.
    at: Vec<usize>,
    probes: Vec<(usize, u64)>,
}

/// Which shard serves a call.
///
/// The one place for it: a shard that cannot serve may name another in [`Choice::spill`], once the
/// core lets calls spill over.
#[derive(Debug)]
struct Choice {
    shards: usize,
}

impl Choice {
    /// Where a key lives, and its bearer's calls go.
    fn home(&self, key: u32) -> usize {
        usize::from(potluck::id(key).0[0]) % self.shards
    }

    /// Where a call goes next that its shard gave up; nowhere, yet.
    fn spill(&self, _ask: &Ask, _from: usize) -> Option<usize> {
        None
    }
}

impl Sharded {
    /// With the keys that are there at the start.
    pub fn new(world: &World) -> Sharded {
        let choice = Choice { shards: SHARDS };
        let shard = |shard| Potluck::with(world, shard as u64, |key| choice.home(key) == shard);
        let shards = (0..SHARDS).map(shard).collect();
        Sharded { shards, choice, at: Vec::new(), probes: Vec::new() }
    }

    fn at(&mut self, call: usize) -> &mut Potluck {
        &mut self.shards[self.at[call]]
    }
}

impl Policy for Sharded {
    fn begin(&mut self, call: usize, ask: &Ask, now: Ms) -> Step {
        if self.at.len() <= call {
            self.at.resize(call + 1, 0);
        }
        self.at[call] = self.choice.home(ask.key);
        let step = self.at(call).begin(call, ask, now);
        match self.choice.spill(ask, self.at[call]).filter(|_| step == Step::Failed) {
            None => step,
            Some(other) => {
                self.at(call).ended(call, 0, now);
                self.at[call] = other;
                self.at(call).begin(call, ask, now)
            }
        }
    }

    fn again(&mut self, call: usize, now: Ms) -> Step {
        self.at(call).again(call, now)
    }

    fn answered(&mut self, call: usize, answer: &Answer, now: Ms) -> Step {
        self.at(call).answered(call, answer, now)
    }

    fn ended(&mut self, call: usize, tokens: u64, now: Ms) {
        self.at(call).ended(call, tokens, now);
    }

    fn due(&self) -> Option<Ms> {
        self.shards.iter().filter_map(Policy::due).min()
    }

    fn wake(&mut self, now: Ms) {
        for shard in &mut self.shards {
            if shard.due().is_some_and(|due| due <= now) {
                shard.wake(now);
            }
        }
    }

    fn probe(&mut self, now: Ms) -> Option<(u64, u32)> {
        let mut shards = self.shards.iter_mut().enumerate();
        let (shard, (probe, key)) = shards.find_map(|(at, s)| Some((at, s.probe(now)?)))?;
        self.probes.push((shard, probe));
        Some((self.probes.len() as u64 - 1, key))
    }

    fn probed(&mut self, probe: u64, answer: &Answer, now: Ms) {
        let (shard, probe) = self.probes[probe as usize];
        self.shards[shard].probed(probe, answer, now);
    }

    fn reserve(&mut self, quota: usize, key: u32, now: Ms) -> u64 {
        self.shards.iter_mut().map(|shard| shard.reserve(quota, key, now)).sum()
    }

    fn standing(&self, key: u32, now: Ms) -> Standing {
        self.shards[self.choice.home(key)].standing(key, now)
    }
}

/// How many pools.
const SHARDS: usize = 16;
