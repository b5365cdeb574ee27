//! What others do: policies of a few lines each.

use std::collections::BTreeSet;

use crate::{
    google::Answer,
    policy::{Kind, Policy, Standing, Step, Used},
    rng::Rng,
    world::{Ask, Ms, World},
};

/// One of the other policies.
#[derive(Debug)]
pub struct Simple {
    kind: Kind,
    keys: Vec<Held>,
    /// Calls under way.
    open: Vec<Open>,
    /// Whose turn it is.
    turn: usize,
    /// Places by last use, for the policy that goes by it.
    by_use: BTreeSet<(Ms, usize)>,
    rng: Rng,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    key: u32,
    standing: Standing,
    /// Out until then.
    rests: Ms,
    used: Ms,
    failures: u8,
}

#[derive(Clone, Debug, Default)]
struct Open {
    /// Places of the keys tried.
    tried: Vec<usize>,
}

impl Simple {
    /// With the keys that are there at the start.
    pub fn new(kind: Kind, world: &World) -> Simple {
        let mut simple = Simple {
            kind,
            keys: Vec::new(),
            open: Vec::new(),
            turn: 0,
            by_use: BTreeSet::new(),
            rng: Rng::of(world.seed, 5),
        };
        let there = world.keys.iter().enumerate().filter(|(_, key)| key.joins == Ms::MIN);
        there.for_each(|(number, _)| simple.joined(number as u32));
        simple
    }

    fn attempts(&self) -> usize {
        if self.kind == Kind::Lru { 5 } else { 4 }
    }

    fn next(&mut self, call: usize, now: Ms) -> Step {
        if self.open[call].tried.len() >= self.attempts() {
            return Step::Failed;
        }
        let Some(place) = self.pick(call, now) else { return Step::Failed };
        self.open[call].tried.push(place);
        self.use_place(place, now);
        Step::Try(self.keys[place].key)
    }

    fn pick(&mut self, call: usize, now: Ms) -> Option<usize> {
        match self.kind {
            Kind::Random => {
                let start = self.rng.below(self.keys.len() as u64) as usize;
                self.first_from(start, call, now)
            }
            Kind::Lru => {
                let mut places = self.by_use.iter().map(|(_, place)| *place);
                places.find(|place| self.serves(*place, call, now))
            }
            _ => {
                let place = self.first_from(self.turn, call, now)?;
                self.turn = place + 1;
                Some(place)
            }
        }
    }

    fn use_place(&mut self, place: usize, now: Ms) {
        if self.kind == Kind::Lru {
            self.by_use.remove(&(self.keys[place].used, place));
            self.by_use.insert((now, place));
        }
        self.keys[place].used = now;
    }

    fn first_from(&self, start: usize, call: usize, now: Ms) -> Option<usize> {
        let count = self.keys.len();
        let mut places = (0..count).map(|ahead| (start + ahead) % count);
        places.find(|place| self.serves(*place, call, now))
    }

    fn serves(&self, place: usize, call: usize, now: Ms) -> bool {
        let held = self.keys[place];
        held.standing == Standing::In
            && held.rests <= now
            && !self.open[call].tried.contains(&place)
    }

    fn learn(&mut self, place: usize, answer: &Answer, now: Ms) {
        let held = &mut self.keys[place];
        match (self.kind, answer) {
            (_, Answer::Served) => held.failures = 0,
            (Kind::DisableAfterThree, _) => {
                held.failures += 1;
                if held.failures >= 3 {
                    (held.failures, held.rests) = (0, now - now.rem_euclid(HOUR) + HOUR);
                }
            }
            (_, Answer::Dead) => held.standing = Standing::Out,
            (Kind::RoundRobin60s, Answer::Quota { .. }) => held.rests = now + MINUTE,
            _ => {}
        }
    }
}

impl Held {
    fn new(key: u32) -> Held {
        Held { key, standing: Standing::In, rests: Ms::MIN, used: Ms::MIN, failures: 0 }
    }
}

impl Policy for Simple {
    fn begin(&mut self, call: usize, _: &Ask, now: Ms) -> Step {
        if self.open.len() <= call {
            self.open.resize(call + 1, Open::default());
        }
        self.open[call].tried.clear();
        self.next(call, now)
    }

    fn again(&mut self, call: usize, now: Ms) -> Step {
        self.next(call, now)
    }

    fn answered(&mut self, call: usize, answer: &Answer, now: Ms) -> Step {
        if let Some(place) = self.open[call].tried.last().copied() {
            self.learn(place, answer, now);
        }
        match answer {
            Answer::Served => Step::Served,
            _ => self.next(call, now),
        }
    }

    fn ended(&mut self, _: usize, _: Used, _: Ms) {}

    fn joined(&mut self, key: u32) {
        self.by_use.insert((Ms::MIN, self.keys.len()));
        self.keys.push(Held::new(key));
    }

    fn standing(&self, key: u32, _: Ms) -> Standing {
        let held = self.keys.iter().find(|held| held.key == key);
        held.map_or(Standing::Unknown, |held| held.standing)
    }
}

const MINUTE: Ms = 60_000;
const HOUR: Ms = 3_600_000;
