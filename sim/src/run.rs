//! Runs a policy through a world, event by event, and measures it.
//!
//! Calls overlap: an answer's head takes from a fifth of a second to five, its body some more, and
//! what Google counts it counts when the attempt reaches it. Rule: the order of events is by time
//! and then by when they were planned, so that a run is the same every time.

mod measure;

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::{
    google::{Answer, Google},
    policy::{Policy, Step, Used},
    rng::Rng,
    world::{Ask, Change, DAY, Ms, START, World},
};

use measure::Measure;
pub use measure::Tally;

/// Runs a policy through a world.
pub fn run(world: &World, policy: &mut dyn Policy) -> Tally {
    let mut run = Run {
        world,
        policy,
        google: Google::new(world),
        measure: Measure::new(world),
        rng: Rng::of(world.seed, 6),
        calls: Vec::new(),
        free: Vec::new(),
        probes: Vec::new(),
        plans: BinaryHeap::new(),
        planned: 0,
    };
    run.plan_world();
    run.play();
    run.measure.tally
}

struct Run<'w> {
    world: &'w World,
    policy: &'w mut dyn Policy,
    google: Google<'w>,
    measure: Measure<'w>,
    rng: Rng,
    /// Calls under way, by the name that the policy knows them by.
    calls: Vec<Live>,
    free: Vec<usize>,
    /// Probes under way: the policy's name, the key, the answer.
    probes: Vec<(u64, Answer)>,
    plans: BinaryHeap<Reverse<Plan>>,
    planned: u64,
}

/// A call under way.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) ask: Ask,
    /// Keys tried, in order.
    pub(crate) tried: Vec<u32>,
    answer: Option<Answer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Plan {
    at: Ms,
    order: u64,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Midnight,
    Change(usize),
    Inspect,
    Answered(usize),
    Again(usize),
    Ended(usize, Used),
    Probed(usize),
}

impl Run<'_> {
    fn plan_world(&mut self) {
        for day in 1..=self.world.days {
            self.plan(START + Ms::from(day) * DAY, What::Midnight);
        }
        for (place, (at, _)) in self.world.changes.iter().enumerate() {
            self.plan(*at, What::Change(place));
        }
        for at in &self.world.inspections {
            self.plan(*at, What::Inspect);
        }
    }

    fn plan(&mut self, at: Ms, what: What) {
        self.planned += 1;
        self.plans.push(Reverse(Plan { at, order: self.planned, what }));
    }

    /// Plans first, then what the policy is due for, then new calls.
    fn play(&mut self) {
        let mut asks = self.world.asks.iter().peekable();
        loop {
            let ask = asks.peek().map_or(Ms::MAX, |ask| ask.at);
            if ask == Ms::MAX && self.free.len() == self.calls.len() {
                return;
            }
            let plan = self.plans.peek().map_or(Ms::MAX, |Reverse(plan)| plan.at);
            let due = self.policy.due().unwrap_or(Ms::MAX);
            if plan <= due && plan <= ask {
                if let Some(Reverse(plan)) = self.plans.pop() {
                    self.happen(plan);
                    self.take_probes(plan.at);
                }
            } else if due <= ask {
                self.policy.wake(due);
                self.take_probes(due);
            } else if let Some(ask) = asks.next() {
                self.arrive(*ask);
            }
        }
    }

    fn happen(&mut self, Plan { at, what, .. }: Plan) {
        match what {
            What::Midnight => self.google.midnight(),
            What::Change(place) => self.change(self.world.changes[place].1),
            What::Inspect => self.measure.inspect(&self.google, self.policy, at),
            What::Answered(call) => self.answered(call, at),
            What::Again(call) => {
                let step = self.policy.again(call, at);
                self.follow(call, step, at);
            }
            What::Ended(call, used) => self.end(call, used, at),
            What::Probed(place) => {
                let (probe, answer) = self.probes[place].clone();
                self.policy.probed(probe, &answer, at);
            }
        }
    }

    fn change(&mut self, change: Change) {
        self.google.change(change);
        match change {
            Change::Joins(key) => self.policy.joined(key),
            Change::Revives(key) => self.measure.revived(key),
            Change::Dies(_) => {}
        }
    }

    fn arrive(&mut self, ask: Ask) {
        let live = Live { ask, tried: Vec::new(), answer: None };
        let call = match self.free.pop() {
            Some(call) => {
                self.calls[call] = live;
                call
            }
            None => {
                self.calls.push(live);
                self.calls.len() - 1
            }
        };
        self.measure.asked(&ask);
        let step = self.policy.begin(call, &ask, ask.at);
        self.follow(call, step, ask.at);
        self.take_probes(ask.at);
    }

    fn follow(&mut self, call: usize, step: Step, now: Ms) {
        match step {
            Step::Try(key) => self.attempt(call, key, now),
            Step::Wait(until) => self.plan(until.max(now + 1), What::Again(call)),
            Step::Served => {
                self.measure.served(&self.calls[call]);
                let Ask { tokens, output, .. } = self.calls[call].ask;
                let body = 100 + Ms::from(output) * 4;
                let used = Used { prompt: tokens.into(), output: output.into() };
                self.plan(now + body, What::Ended(call, used));
            }
            Step::Failed => {
                self.measure.failed(&self.calls[call], &mut self.google, self.policy, now);
                self.end(call, Used::default(), now);
            }
        }
    }

    fn attempt(&mut self, call: usize, key: u32, now: Ms) {
        let live = &mut self.calls[call];
        let (model, tokens) = (usize::from(live.ask.model), u64::from(live.ask.tokens));
        let answer = self.google.ask(key, model, tokens, now);
        live.tried.push(key);
        self.measure.attempt(live, key, &answer, self.google.is_alive(key), now);
        let head = match answer {
            Answer::Served => self.rng.log_between(200.0, 5_000.0),
            _ => self.rng.between(100.0, 400.0),
        };
        live.answer = Some(answer);
        self.plan(now + head as Ms, What::Answered(call));
    }

    fn answered(&mut self, call: usize, now: Ms) {
        let Some(answer) = self.calls[call].answer.take() else { return };
        let step = self.policy.answered(call, &answer, now);
        self.follow(call, step, now);
    }

    fn end(&mut self, call: usize, used: Used, now: Ms) {
        self.policy.ended(call, used, now);
        self.free.push(call);
    }

    fn take_probes(&mut self, now: Ms) {
        while let Some((probe, key)) = self.policy.probe(now) {
            let answer = self.google.probe(key, now);
            self.measure.probed(key, &answer);
            self.probes.push((probe, answer));
            let head = self.rng.between(100.0, 400.0) as Ms;
            self.plan(now + head, What::Probed(self.probes.len() - 1));
        }
    }
}
