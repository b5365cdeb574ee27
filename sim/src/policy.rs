//! What can be compared: ways to choose keys, behind one trait.
//!
//! Rule: a policy learns of Google only what an answer says, and of time only what it is told.

mod leased;
mod potluck;
mod sharded;
mod simple;

use clap::ValueEnum;
use serde::Serialize;

use crate::{
    google::Answer,
    world::{Ask, Ms, Scenario, World},
};

pub use potluck::Potluck;

/// What to do for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask Google with this key.
    Try(u32),
    /// Come again then.
    Wait(Ms),
    /// The caller has an answer.
    Served,
    /// The caller gets an error.
    Failed,
}

/// Tokens that a call used, by Google's account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Used {
    /// The prompt's.
    pub prompt: u64,
    /// The answer's.
    pub output: u64,
}

/// What a policy holds of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It serves, or will again after a rest.
    In,
    /// It is held for dead.
    Out,
    /// It is not in the pool.
    Unknown,
}

/// A way to choose keys.
pub trait Policy {
    /// A call came; `call` names it from now on.
    fn begin(&mut self, call: usize, ask: &Ask, now: Ms) -> Step;
    /// The wait is over.
    fn again(&mut self, call: usize, now: Ms) -> Step;
    /// Google answered the attempt.
    fn answered(&mut self, call: usize, answer: &Answer, now: Ms) -> Step;
    /// The call is over; so many tokens were used for it.
    fn ended(&mut self, call: usize, used: Used, now: Ms);
    /// A contributor joined in mid-run: for policies that do not learn of it from their calls.
    fn joined(&mut self, _key: u32) {}
    /// When it wants to be woken.
    fn due(&self) -> Option<Ms> {
        None
    }
    /// It is time.
    fn wake(&mut self, _now: Ms) {}
    /// A key that it wants asked, and a name for the question.
    fn probe(&mut self, _now: Ms) -> Option<(u64, u32)> {
        None
    }
    /// How that went.
    fn probed(&mut self, _probe: u64, _answer: &Answer, _now: Ms) {}
    /// Calls to a quota that it holds back from whoever shows this key and borrows.
    fn kept(&mut self, _quota: usize, _key: u32, _now: Ms) -> Kept {
        Kept::default()
    }
    /// What it holds of a key.
    fn standing(&self, key: u32, now: Ms) -> Standing;
}

/// Calls that are held back for those whose keys they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Of what is left until midnight.
    pub day: u64,
    /// Of what is left of the minute.
    pub minute: u64,
}

impl std::ops::Add for Kept {
    type Output = Kept;

    fn add(self, more: Kept) -> Kept {
        Kept { day: self.day + more.day, minute: self.minute + more.minute }
    }
}

/// The policies by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The real core.
    Potluck,
    /// Any key, up to four.
    Random,
    /// In turn; a refused key rests for a minute.
    #[value(name = "round-robin-60s")]
    #[serde(rename = "round-robin-60s")]
    RoundRobin60s,
    /// The key that was not used for longest, up to five, without any rest: the original's.
    Lru,
    /// In turn; a key that failed three times is out until the hour's recheck.
    DisableAfterThree,
}

impl Kind {
    /// In the order of the study.
    pub const ALL: [Kind; 5] =
        [Kind::Potluck, Kind::Random, Kind::RoundRobin60s, Kind::Lru, Kind::DisableAfterThree];

    /// Its name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Potluck => "potluck",
            Kind::Random => "random",
            Kind::RoundRobin60s => "round-robin-60s",
            Kind::Lru => "lru",
            Kind::DisableAfterThree => "disable-after-three",
        }
    }

    /// The policy, with the keys that are there at the start of a world.
    pub fn policy(self, world: &World) -> Box<dyn Policy> {
        match (self, world.scenario) {
            (Kind::Potluck, Scenario::Leases) => Box::new(leased::Leased::new(world)),
            (Kind::Potluck, Scenario::Shards16) => Box::new(sharded::Sharded::new(world)),
            (Kind::Potluck, _) => Box::new(Potluck::new(world)),
            (kind, _) => Box::new(simple::Simple::new(kind, world)),
        }
    }
}
