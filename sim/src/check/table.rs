//! A pool under a script, and what must hold after every step of it.
//!
//! - No key is lent that is paused, withdrawn or disabled, or more often than its contributor
//!   allows, or for a model that is not named (a call for the own key alone is that key's affair);
//! - none is called before the end of a cooldown that its contributor is told of, but by a call for
//!   the own key alone; a quota that the pool counted as spent it may try, one that Google says is
//!   spent it may not;
//! - none twice in one exchange, none after four attempts;
//! - what is counted is what is there: exchanges, leases, keys by state; nothing falls below zero;
//! - an answer that says nothing about a key changes none.

mod keys;
mod moves;

use std::collections::{BTreeMap, BTreeSet};

use potluck_core::{Config, Exchange, Mono, Now, Pool, Slot, Wall};

use crate::{
    check::{Reply, Step},
    world::START,
};

pub(super) type Checked = Result<(), String>;

/// An exchange under way, and what is known of it.
struct Open {
    name: u32,
    x: Exchange,
    bearer: u32,
    model: usize,
    own_only: bool,
    /// Places of the keys tried: one that left and came back has another. None: the shown key.
    tried: Vec<Option<Slot>>,
    /// The attempt under way, and the place of its key if that is the pool's.
    running: Option<u32>,
    slot: Option<Slot>,
}

pub(super) struct Table {
    pool: Pool<u32>,
    now: Now,
    open: Vec<Open>,
    /// Begun ahead, with an attempt that was not made yet.
    ahead: Vec<Open>,
    /// Whether Google has told whose quota the alias is charged to.
    alias_known: bool,
    /// Until when Google wants a key, by its place, not to be used for a quota.
    told: BTreeMap<(Slot, &'static str), Mono>,
    withdrawn: BTreeSet<u32>,
    /// The places that they had: what Google says of their keys is nobody's business any more.
    left: BTreeSet<Slot>,
    /// Attempts under way, by the place that the key had.
    running: BTreeMap<Slot, u32>,
    probes: Vec<Slot>,
    /// Whether steps say by name which exchange they move.
    by_name: bool,
}

impl Table {
    pub(super) fn new(seed: u64, by_name: bool) -> Table {
        let mut table = Table {
            pool: Pool::new(Config::default(), seed),
            now: Now { mono: Mono(1_000_000), wall: Wall(START + 9 * 3_600_000) },
            open: Vec::new(),
            ahead: Vec::new(),
            alias_known: false,
            told: BTreeMap::new(),
            withdrawn: BTreeSet::new(),
            left: BTreeSet::new(),
            running: BTreeMap::new(),
            probes: Vec::new(),
            by_name,
        };
        (0..KEYS).for_each(|key| table.restore(key));
        table
    }

    /// The step with the name of the exchange that it will move.
    pub(super) fn named(&self, mut step: Step) -> Step {
        let (at, list) = match &mut step {
            Step::TakeUp { at, .. } | Step::GiveBack { at } => (at, &self.ahead),
            Step::Proceed { at, .. } => (at, &self.open),
            _ => return step,
        };
        if !self.by_name && !list.is_empty() {
            *at = list[*at as usize % list.len()].name;
        }
        step
    }

    /// Does a step that was named, and checks every promise.
    pub(super) fn step(&mut self, step: Step) -> Checked {
        match step {
            Step::Begin { name, bearer, model, own, talk, tokens } => {
                self.begin(name, keys::call(bearer, model, own, talk, tokens), own);
            }
            Step::Ahead { name, bearer, model } => self.begin_ahead(name, bearer, model)?,
            Step::TakeUp { at, tokens } => self.take_up(at, tokens),
            Step::GiveBack { at } => self.give_back(at),
            Step::Proceed { at, reply } => self.proceed(at, reply)?,
            Step::Pass { ms } => self.pass(ms.into()),
            Step::Pause { .. }
            | Step::Borrow { .. }
            | Step::LendPerDay { .. }
            | Step::LendModels { .. } => self.change(step),
            Step::Withdraw { key } => self.withdraw(key),
            Step::Rejoin { key } => self.rejoin(key),
            Step::Probe { alive } => self.probe(alive),
        }
        self.take_events()?;
        self.counts_agree()
    }

    /// Ends everything: nothing must be left.
    pub(super) fn close(&mut self) -> Checked {
        while let Some(open) = self.ahead.first() {
            self.give_back(open.name);
        }
        while let Some(open) = self.open.first() {
            self.proceed(open.name, Reply::Leave)?;
        }
        self.counts_agree()?;
        let left = self.running.keys().map(|slot| self.pool.leases(*slot)).sum();
        expect(0, left, "leases of a pool at rest")
    }

    fn counts_agree(&self) -> Checked {
        let metrics = self.pool.metrics();
        let open = (self.open.len() + self.ahead.len()) as u64;
        expect(open, metrics.under_way, "exchanges under way")?;
        for (slot, running) in &self.running {
            expect(*running, self.pool.leases(*slot), "leases of a key")?;
        }
        self.states_agree(metrics.keys)
    }
}

fn expect<T: PartialEq + std::fmt::Debug>(expected: T, found: T, what: &str) -> Checked {
    if expected == found {
        return Ok(());
    }
    Err(format!("{what}: {found:?}, not {expected:?}"))
}

fn promise(kept: bool, what: impl FnOnce() -> String) -> Checked {
    if kept { Ok(()) } else { Err(what()) }
}

/// Keys in the pool at first; two more are shown by bearers nobody knows.
const KEYS: u32 = 8;
const BEARERS: u32 = KEYS + 2;
/// Models, and the quota that each is charged to.
const MODELS: [(&str, &str); 3] = [("flash", "flash"), ("lite", "lite"), ("flash-latest", "flash")];
