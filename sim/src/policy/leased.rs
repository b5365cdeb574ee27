//! The pool as the edge has it: isolates take exchanges that were begun ahead of their calls.
//!
//! Written after `crates/worker/src/{exchanges,leases,lease}.rs`; what differs is that isolates
//! tell what they did at once, and not with the next message.

use std::collections::BTreeMap;

use potluck_core::{Exchange, Step as Said, Talk};

use crate::{
    google::Answer,
    policy::{Kept, Policy, Potluck, Standing, Step, Used, potluck},
    world::{Ask, Ms, World},
};

/// One owner of the pool, and eight isolates.
#[derive(Debug)]
pub struct Leased {
    owner: Potluck,
    /// Leases by isolate, bearer and model.
    shelves: BTreeMap<(u8, u32, u8), Shelf>,
    swept: Ms,
}

#[derive(Debug, Default)]
struct Shelf {
    /// Exchanges begun ahead, each with its key, the first to be used last.
    ready: Vec<(Exchange, u32)>,
    /// Since when.
    asked: Ms,
    /// Calls since.
    calls: usize,
}

impl Leased {
    /// With the keys that are there at the start.
    pub fn new(world: &World) -> Leased {
        Leased { owner: Potluck::new(world), shelves: BTreeMap::new(), swept: Ms::MIN }
    }

    /// Takes a lease that is there for such a call.
    fn take(&mut self, ask: &Ask, now: Ms) -> Option<(Exchange, u32)> {
        let shelf = self.shelves.get_mut(&kind(ask))?;
        if shelf.asked + LEASE - MARGIN <= now {
            return None;
        }
        shelf.calls += 1;
        shelf.ready.pop()
    }

    /// How many to begin ahead with a call, none being ready.
    fn want(&mut self, ask: &Ask, now: Ms) -> usize {
        let shelf = self.shelves.entry(kind(ask)).or_default();
        let over = std::mem::take(&mut shelf.ready);
        let since = now - shelf.asked;
        let wanted = match shelf.calls {
            _ if since >= 2 * LEASE => 0,
            calls if since < LEASE => 2 * calls,
            calls => calls,
        };
        (shelf.asked, shelf.calls) = (now, 1);
        self.give_back(over, now);
        wanted.min(MOST)
    }

    fn begin_ahead(&mut self, ask: &Ask, now: Ms) -> Option<(Exchange, u32)> {
        let (pool, now) = (&mut self.owner.pool, potluck::now(now));
        let mut exchange = pool.begin(potluck::call_of(ask), now);
        let step = pool.next(&mut exchange, now);
        match (&step, potluck::read(step.clone(), ask.key)) {
            (Said::Try(_), Step::Try(key)) => Some((exchange, key)),
            _ => {
                pool.give_back(exchange, now);
                None
            }
        }
    }

    fn give_back(&mut self, over: Vec<(Exchange, u32)>, now: Ms) {
        for (exchange, _) in over {
            self.owner.pool.give_back(exchange, potluck::now(now));
        }
    }

    /// Gives back what nobody took up in its time.
    fn sweep(&mut self, now: Ms) {
        if now < self.swept.saturating_add(LEASE) {
            return;
        }
        self.swept = now;
        let is_over = |shelf: &&mut Shelf| shelf.asked + LEASE + GRACE <= now;
        let over = self.shelves.values_mut().filter(is_over);
        let over: Vec<_> = over.flat_map(|shelf| std::mem::take(&mut shelf.ready)).collect();
        self.give_back(over, now);
    }
}

impl Policy for Leased {
    fn begin(&mut self, call: usize, ask: &Ask, now: Ms) -> Step {
        self.sweep(now);
        if ask.estimate > LEASED_PROMPT {
            return self.owner.begin(call, ask, now);
        }
        if let Some((mut exchange, key)) = self.take(ask, now) {
            let talk = Talk { prompt_tokens: ask.estimate, ..Talk::default() };
            self.owner.pool.take_up(&mut exchange, talk, potluck::now(now));
            self.owner.hold(call, exchange, ask.key);
            return Step::Try(key);
        }
        let wanted = self.want(ask, now);
        let step = self.owner.begin(call, ask, now);
        let leases =
            matches!(step, Step::Try(_)) && self.owner.standing(ask.key, now) == Standing::In;
        let mut ready = Vec::new();
        for _ in 0..if leases { wanted } else { 0 } {
            let Some(lease) = self.begin_ahead(ask, now) else { break };
            ready.push(lease);
        }
        ready.reverse();
        if let Some(shelf) = self.shelves.get_mut(&kind(ask)) {
            shelf.ready = ready;
        }
        step
    }

    fn again(&mut self, call: usize, now: Ms) -> Step {
        self.owner.again(call, now)
    }

    fn answered(&mut self, call: usize, answer: &Answer, now: Ms) -> Step {
        self.owner.answered(call, answer, now)
    }

    fn ended(&mut self, call: usize, used: Used, now: Ms) {
        self.owner.ended(call, used, now);
    }

    fn due(&self) -> Option<Ms> {
        self.owner.due()
    }

    fn wake(&mut self, now: Ms) {
        self.sweep(now);
        self.owner.wake(now);
    }

    fn probe(&mut self, now: Ms) -> Option<(u64, u32)> {
        self.owner.probe(now)
    }

    fn probed(&mut self, probe: u64, answer: &Answer, now: Ms) {
        self.owner.probed(probe, answer, now);
    }

    fn kept(&mut self, quota: usize, key: u32, now: Ms) -> Kept {
        self.owner.kept(quota, key, now)
    }

    fn standing(&self, key: u32, now: Ms) -> Standing {
        self.owner.standing(key, now)
    }
}

fn kind(ask: &Ask) -> (u8, u32, u8) {
    (ask.isolate, ask.key, ask.model)
}

/// How long a lease is good,
const LEASE: Ms = 5_000;
/// less this, as isolates see it,
const MARGIN: Ms = 500;
/// and this much longer the owner waits for word of it.
const GRACE: Ms = 10_000;
/// Begun ahead at one time.
const MOST: usize = 8;
/// Larger prompts go to the owner.
const LEASED_PROMPT: u32 = 4_096;
