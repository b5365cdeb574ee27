//! The pool split: sixteen pools, each with the keys of its part of the hash.

use potluck_core::{Call, Guest, KeyId, Seek, Spill};

use crate::{
    google::Answer,
    policy::{Kept, Policy, Potluck, Standing, Step, Used, potluck},
    world::{Ask, MODELS, Ms, World},
};

/// Sixteen owners, each of some keys.
#[derive(Debug)]
pub struct Sharded {
    shards: Vec<Potluck>,
    spill: Spill,
    /// Where each call is under way.
    at: Vec<usize>,
    probes: Vec<(usize, u64)>,
}

impl Sharded {
    /// With the keys that are there at the start.
    pub fn new(world: &World) -> Sharded {
        let shard =
            |shard| Potluck::part(world, shard as u64, SHARDS as u8, |key| home(key) == shard);
        let shards = (0..SHARDS).map(shard).collect();
        Sharded { shards, spill: Spill::default(), at: Vec::new(), probes: Vec::new() }
    }

    fn at(&mut self, call: usize) -> &mut Potluck {
        &mut self.shards[self.at[call]]
    }

    /// Asks other shards for a call that its own has nothing for, as an isolate does.
    fn ask_around(&mut self, call: usize, ask: &Ask, guest: Guest, now: Ms) -> Step {
        let (parts, home) = (SHARDS as u8, self.at[call] as u8);
        let model = MODELS[usize::from(ask.model)].name;
        let Call { family, metered, .. } = Call::plain(KeyId([0; 16]), model);
        let seek = Seek { parts, home, model, family, metered, guest };
        let (mut asked, mono) = (Vec::new(), potluck::now(now).mono);
        while let Some(part) = self.spill.next(seek, &asked, mono) {
            self.at(call).ended(call, Used::default(), now);
            self.at[call] = usize::from(part);
            asked.push(part);
            match self.at(call).begin_guest(call, ask, guest, now) {
                Ok(step) => {
                    self.spill.served(part, seek);
                    return step;
                }
                Err(refusal) => self.spill.refused(part, seek, refusal, mono),
            }
        }
        Step::Failed
    }
}

impl Policy for Sharded {
    fn begin(&mut self, call: usize, ask: &Ask, now: Ms) -> Step {
        if self.at.len() <= call {
            self.at.resize(call + 1, 0);
        }
        self.at[call] = home(ask.key);
        let step = self.at(call).begin(call, ask, now);
        match self.at(call).guest(call).filter(|_| step == Step::Failed) {
            None => step,
            Some(guest) => self.ask_around(call, ask, guest, now),
        }
    }

    fn again(&mut self, call: usize, now: Ms) -> Step {
        self.at(call).again(call, now)
    }

    fn answered(&mut self, call: usize, answer: &Answer, now: Ms) -> Step {
        self.at(call).answered(call, answer, now)
    }

    fn ended(&mut self, call: usize, used: Used, now: Ms) {
        self.at(call).ended(call, used, now);
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

    fn kept(&mut self, quota: usize, key: u32, now: Ms) -> Kept {
        let kept = self.shards.iter_mut().map(|shard| shard.kept(quota, key, now));
        kept.fold(Kept::default(), |sum, one| sum + one)
    }

    fn standing(&self, key: u32, now: Ms) -> Standing {
        self.shards[home(key)].standing(key, now)
    }
}

/// Where a key lives, and its bearer's calls begin.
fn home(key: u32) -> usize {
    usize::from(potluck::id(key).0[0]) % SHARDS
}

/// How many pools.
const SHARDS: usize = 16;
