//! The pool against a plain model, in any order of events: what must hold after every step.
#![allow(clippy::unwrap_used, missing_docs)]

mod table;

use std::collections::{BTreeMap, BTreeSet};

use potluck_core::{
    After, Call, End, Ending, Event, Exchange, LimitsPatch, Me, Mono, Outcome, Step, Way, Whose,
};
use potluck_gemini::failure::Failure;
use proptest::prelude::*;
use table::*;

const KEYS: u32 = 8;
/// Calls of each bearer in the end: as many as there can be keys in the ring, and below the least
/// that a day's quota is.
const ROUNDS: u32 = 2 * (KEYS + 2) - 1;
const MODELS: [&str; 2] = ["gemini-3.5-flash", "gemini-2.5-flash-lite"];

#[derive(Clone, Copy, Debug)]
enum Answer {
    Served,
    CallerFault,
    Unclear,
    Signature,
    Minute(u64),
    Day,
    Unnamed,
    Dead,
    Leaked,
    Trouble,
    Reset,
    Leave,
}

#[derive(Clone, Copy, Debug)]
enum Move {
    Begin { bearer: u32, model: usize, own: bool, talk: Option<u64> },
    Proceed { exchange: usize, answer: Answer },
    Pass { seconds: u64 },
    Pause { key: u32, paused: bool },
    LendPerDay { key: u32, limit: Option<u32> },
    Withdraw { key: u32 },
    Probe { alive: bool },
}

fn moves() -> impl Strategy<Value = Move> {
    let key = 0..KEYS + 2;
    let talk = prop::option::of(0u64..4);
    let begin = (key.clone(), 0..MODELS.len(), prop::bool::weighted(0.1), talk)
        .prop_map(|(bearer, model, own, talk)| Move::Begin { bearer, model, own, talk });
    let proceed =
        (0usize..6, answers()).prop_map(|(exchange, answer)| Move::Proceed { exchange, answer });
    prop_oneof![
        6 => begin,
        12 => proceed,
        2 => (1u64..200).prop_map(|seconds| Move::Pass { seconds }),
        1 => (3600u64..200_000).prop_map(|seconds| Move::Pass { seconds }),
        1 => (key.clone(), any::<bool>()).prop_map(|(key, paused)| Move::Pause { key, paused }),
        1 => (key.clone(), prop::option::of(0u32..4))
            .prop_map(|(key, limit)| Move::LendPerDay { key, limit }),
        1 => key.prop_map(|key| Move::Withdraw { key }),
        2 => any::<bool>().prop_map(|alive| Move::Probe { alive }),
    ]
}

fn answers() -> impl Strategy<Value = Answer> {
    prop_oneof![
        8 => Just(Answer::Served),
        3 => Just(Answer::CallerFault),
        1 => Just(Answer::Unclear),
        1 => Just(Answer::Signature),
        3 => (0u64..120).prop_map(Answer::Minute),
        1 => Just(Answer::Day),
        2 => Just(Answer::Unnamed),
        2 => Just(Answer::Dead),
        1 => Just(Answer::Leaked),
        2 => Just(Answer::Trouble),
        1 => Just(Answer::Reset),
        1 => Just(Answer::Leave),
    ]
}

fn failure(answer: Answer) -> Option<Failure> {
    Some(match answer {
        Answer::CallerFault => error(400, "API key not valid, said the caller."),
        Answer::Unclear => error(403, "The caller does not have permission"),
        Answer::Signature => error(400, "Corrupted thought signature."),
        Answer::Minute(seconds) => minute(seconds),
        Answer::Day => day(),
        Answer::Unnamed => error(429, "Resource has been exhausted (e.g. check quota)."),
        Answer::Dead => dead(),
        Answer::Leaked => {
            error(403, "Your API key was reported as leaked. Please use another API key.")
        }
        Answer::Trouble => error(503, "The service is currently unavailable."),
        Answer::Served | Answer::Reset | Answer::Leave => return None,
    })
}

/// An exchange under way and what the model knows of it.
struct Open {
    x: Exchange,
    bearer: u32,
    model: usize,
    own: bool,
    tried: Vec<u32>,
    running: Option<u32>,
}

struct Model {
    table: Table,
    open: Vec<Open>,
    /// Until when a key must not be used for a model, by its own answers.
    resting: BTreeMap<(u32, usize), Mono>,
    withdrawn: BTreeSet<u32>,
    /// Attempts under way by key, withdrawn ones included.
    running: BTreeMap<u32, u32>,
    slots: BTreeMap<u32, potluck_core::Slot>,
    probes: Vec<(potluck_core::Slot, u32)>,
}

impl Model {
    fn new() -> Model {
        Model {
            table: Table::of(KEYS),
            open: Vec::new(),
            resting: BTreeMap::new(),
            withdrawn: BTreeSet::new(),
            running: BTreeMap::new(),
            slots: BTreeMap::new(),
            probes: Vec::new(),
        }
    }

    fn step(&mut self, step: Move) {
        match step {
            Move::Begin { bearer, model, own, talk } => self.begin(bearer, model, own, talk),
            Move::Proceed { exchange, answer } => {
                if !self.open.is_empty() {
                    let open = self.open.remove(exchange % self.open.len());
                    self.proceed(open, answer);
                }
            }
            Move::Pass { seconds } => {
                let at = self.table.now.mono + std::time::Duration::from_secs(seconds);
                self.table.run_until(at);
            }
            Move::Pause { key, paused } => self
                .table
                .change(key, LimitsPatch { paused: Some(paused), ..LimitsPatch::default() }),
            Move::LendPerDay { key, limit } => self
                .table
                .change(key, LimitsPatch { lend_per_day: Some(limit), ..LimitsPatch::default() }),
            Move::Withdraw { key } => {
                if self.table.pool.withdraw(id(key), grave(key), self.table.now).is_some() {
                    self.withdrawn.insert(key);
                }
            }
            Move::Probe { alive } => self.probe(alive),
        }
        for event in self.table.events() {
            if let Event::Probe { slot, secret, .. } = event {
                assert!(!self.withdrawn.contains(&secret));
                self.probes.push((slot, secret));
            }
        }
        self.check();
    }

    fn begin(&mut self, bearer: u32, model: usize, own: bool, talk: Option<u64>) {
        let call = Call {
            tombstone: Some(grave(bearer)),
            way: if own { Way::OwnOnly } else { Way::Pool },
            conversation: talk,
            has_model_turn: talk.is_some(),
            ..Call::plain(id(bearer), MODELS[model])
        };
        let x = self.table.pool.begin(call, self.table.now);
        self.open.push(Open { x, bearer, model, own, tried: Vec::new(), running: None });
    }

    fn proceed(&mut self, mut open: Open, answer: Answer) {
        let now = self.table.now;
        if open.running.is_none() {
            match self.table.pool.next(&mut open.x, now) {
                Step::Try(attempt) => {
                    let key = number(&attempt);
                    self.tries(&mut open, key, attempt.whose);
                    self.open.push(open);
                }
                Step::Wait { until } => {
                    assert!(until > now.mono, "waiting for the past");
                    self.open.push(open);
                }
                Step::Refuse(_) => self.table.end(open.x, 0),
            }
            return;
        }
        let key = open.running.take().unwrap();
        self.stops(key);
        if matches!(answer, Answer::Leave) {
            self.table.pool.finish(open.x, End::LEFT, now);
            return;
        }
        let before = self.everyone();
        let failure = failure(answer);
        let outcome = match (&failure, answer) {
            (Some(failure), _) => Outcome::Failed(failure),
            (None, Answer::Reset) => Outcome::NoAnswer,
            (None, _) => Outcome::Served,
        };
        let after = self.table.pool.report(&mut open.x, outcome, now);
        self.learn(&open, key, answer, &before);
        match after {
            After::Again => self.open.push(open),
            After::Admit | After::Commit { admit: true } => {
                self.table.pool.admitted(&mut open.x, open.bearer, now);
                match after {
                    After::Admit => self.open.push(open),
                    _ => self.table.end(open.x, 10),
                }
            }
            _ => self.table.pool.finish(
                open.x,
                End { tokens: 10, prompt_tokens: 0, ending: Ending::Whole },
                now,
            ),
        }
    }

    /// A key is about to be used: may it?
    fn tries(&mut self, open: &mut Open, key: u32, whose: Whose<u32>) {
        let now = self.table.now;
        open.running = Some(key);
        let Whose::Key { slot, id: shown, secret, own } = whose else {
            assert!(open.tried.is_empty(), "the bearer's key is asked first");
            open.tried.push(open.bearer);
            return;
        };
        assert_eq!((shown, own), (id(secret), secret == open.bearer));
        assert!(!self.withdrawn.contains(&key), "a withdrawn key is used");
        assert!(!open.tried.contains(&key), "a key is tried twice");
        open.tried.push(key);
        self.slots.insert(key, slot);
        *self.running.entry(key).or_default() += 1;
        let me = self.table.pool.me(id(key), now).unwrap();
        if !open.own {
            assert_ne!(me.state, "disabled");
            let rests = self.resting.get(&(key, open.model)).copied().unwrap_or(Mono(0));
            assert!(rests <= now.mono, "a resting key is used {:?} early", rests.since(now.mono));
        }
        if !own {
            assert_ne!(me.state, "paused", "a paused key is lent");
            if let Some(limit) = me.limits.lend_per_day {
                assert!(me.usage.lent_today <= limit, "more is lent than allowed");
            }
        }
        assert!(open.tried.len() <= 4, "too many attempts");
    }

    fn learn(&mut self, open: &Open, key: u32, answer: Answer, before: &[Option<Me>]) {
        let now = self.table.now.mono;
        if key == BEARER {
            return;
        }
        let wait = match answer {
            Answer::Minute(seconds) => seconds,
            Answer::Unnamed => 30,
            Answer::CallerFault | Answer::Trouble | Answer::Reset => {
                // What was counted for the attempt may be given back, and nothing else.
                let changed = |(old, new): (&Option<Me>, Option<Me>)| {
                    let (Some(old), Some(new)) = (old, new) else { return true };
                    let fewer = new.cooldowns.iter().all(|rest| old.cooldowns.contains(rest));
                    !fewer || Me { cooldowns: old.cooldowns.clone(), ..new } != *old
                };
                let pairs = before.iter().zip(self.everyone()).filter(|(old, _)| old.is_some());
                assert_eq!(pairs.filter(|pair| changed(pair.clone())).count(), 0, "{answer:?}");
                return;
            }
            _ => return,
        };
        let until = now + std::time::Duration::from_secs(wait);
        // An unnamed quota grows once per window: within one it is already counted.
        let rest = self.resting.entry((key, open.model)).or_insert(Mono(0));
        if !matches!(answer, Answer::Unnamed) || *rest <= now {
            *rest = until.max(*rest);
        }
    }

    fn probe(&mut self, alive: bool) {
        let Some((slot, _)) = self.probes.pop() else { return };
        let failure = dead();
        let outcome = if alive { Outcome::Served } else { Outcome::Failed(&failure) };
        self.table.pool.probed(slot, outcome, self.table.now);
    }

    fn stops(&mut self, key: u32) {
        if let Some(running) = self.running.get_mut(&key) {
            *running -= 1;
        }
    }

    /// Every key as its contributor sees it, counts apart.
    fn everyone(&self) -> Vec<Option<Me>> {
        let me = |key| {
            let me = self.table.pool.me(id(key), self.table.now)?;
            Some(Me { usage: potluck_core::Usage::default(), ..me })
        };
        (0..KEYS + 2).map(me).collect()
    }

    fn check(&self) {
        for (key, slot) in &self.slots {
            let running = self.running.get(key).copied().unwrap_or(0);
            // A key that came back has another place; its old one is empty.
            if !self.withdrawn.contains(key) {
                assert_eq!(self.table.pool.leases(*slot), running, "leases of {key}");
            }
        }
        let metrics = self.table.pool.metrics();
        assert_eq!(metrics.under_way, self.open.len() as u64);
        let states = self.everyone();
        let count = |word: &[&str]| {
            states.iter().flatten().filter(|me| word.contains(&me.state)).count() as u32
        };
        assert_eq!(metrics.keys.disabled, count(&["disabled"]));
        assert_eq!(metrics.keys.paused, count(&["paused"]));
        assert_eq!(metrics.keys.held, count(&["held"]));
        assert_eq!(metrics.keys.serving + metrics.keys.resting, count(&["active", "resting"]));
    }

    fn close(mut self) {
        for mut open in std::mem::take(&mut self.open) {
            if let Some(key) = open.running.take() {
                self.stops(key);
            }
            self.table.end(open.x, 0);
        }
        self.check();
        assert!(self.slots.values().all(|slot| self.table.pool.leases(*slot) == 0));
        self.thaw();
    }

    /// A day later every key in service gets its turns, for every model.
    fn thaw(mut self) {
        let tomorrow = self.table.now.mono + std::time::Duration::from_secs(26 * 3600);
        self.table.run_until(tomorrow);
        let lent = |me: &Me| {
            me.state == "active" && me.cooldowns.is_empty() && me.limits.lend_per_day.is_none()
        };
        let all: Vec<u32> = (0..KEYS + 2)
            .filter(|key| self.table.pool.me(id(*key), self.table.now).is_some_and(|me| lent(&me)))
            .collect();
        for model in MODELS {
            // Everybody calls, and nobody much: what one alone may claim is another matter.
            let mut served = BTreeSet::new();
            for _ in 0..ROUNDS {
                for bearer in &all {
                    let call = Call::plain(id(*bearer), model);
                    served.extend(self.table.ask(call, |_| None).tried);
                }
                self.table.pass_time(seconds(20));
            }
            assert!(all.iter().all(|key| served.contains(key)), "{all:?} but {served:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_pool_keeps_its_promises(
        moves in prop::collection::vec(moves(), 1..150)
    ) {
        let mut model = Model::new();
        for step in moves {
            model.step(step);
        }
        model.close();
    }
}
