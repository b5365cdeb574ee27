//! A world: projects, keys, contributors, and every call that will be made in it.
//!
//! Why: policies can be compared only over the very same calls, and an oracle must see what they
//! saw. So a world is drawn once, by a seed, and never changes; whoever runs through it keeps what
//! changes (see `google`, `run`, `oracle`). Its first day is for learning and is not measured.

mod appetite;
mod build;
mod scenario;
mod shadow;

use gemini_sim::quota::Limits;

pub use appetite::{Appetite, Shape};
pub use build::{Size, build};
pub use scenario::Scenario;

/// Milliseconds: since 1970 for moments, plain for spans and times of the day.
pub type Ms = i64;

/// A day: none of a world's days ends or begins daylight saving.
pub const DAY: Ms = 24 * 3_600_000;
/// The midnight in California with which every world begins: 1 June 2026.
pub const START: Ms = 1_780_297_200_000;
/// The smallest and the largest prompt, in tokens.
pub const PROMPTS: (f64, f64) = (200.0, 40_000.0);
/// The prompts' mean, sizes being spread as they are.
pub const MEAN_PROMPT: f64 = 7_512.0;
/// Quotas that a project has: two that all have, and one that some lack.
pub const QUOTAS: usize = 3;

/// A model, as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    /// The name in calls.
    pub name: &'static str,
    /// Whose count it is charged to; another's, for an alias.
    pub quota: usize,
}

/// The models. The last one is an alias of the first.
pub const MODELS: [Model; 4] = [
    Model { name: "flash", quota: FLASH },
    Model { name: "lite", quota: LITE },
    Model { name: "pro", quota: PRO },
    Model { name: "flash-latest", quota: FLASH },
];
/// The quota names, by place.
pub const QUOTA_NAMES: [&str; QUOTAS] = ["flash", "lite", "pro"];
/// A good model with a small day.
pub const FLASH: usize = 0;
/// A small model with a large day.
pub const LITE: usize = 1;
/// A model that some projects have no quota for.
pub const PRO: usize = 2;
/// The model that is an alias of [`FLASH`].
pub const ALIAS: usize = 3;

/// Whose quotas keys spend.
#[derive(Clone, Debug)]
pub struct Project {
    /// By quota.
    pub limits: [Limits; QUOTAS],
    /// Whose quota names end in `-FreeTier`.
    pub free: bool,
}

impl Project {
    /// Calls that it can serve in a minute, prompts being as large as they mostly are.
    pub fn per_minute(&self, quota: usize) -> f64 {
        let limits = self.limits[quota];
        let tokens = limits.tpm.map_or(f64::MAX, |tpm| tpm as f64 / MEAN_PROMPT);
        limits.rpm.map_or(f64::MAX, |rpm| rpm as f64).min(tokens)
    }
}

/// A key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Whose quota it spends.
    pub project: usize,
    /// Who shows it.
    pub owner: usize,
    /// When its owner first shows it; before the start for those that are in the pool already.
    pub joins: Ms,
    /// Whether it names every model as lent.
    pub names_models: bool,
    /// Whether Google knows it at the start.
    pub born_alive: bool,
}

/// Someone with keys and an appetite.
#[derive(Clone, Debug)]
pub struct Contributor {
    /// Shown in turn.
    pub keys: Vec<u32>,
    /// By quota.
    pub wants: [Appetite; QUOTAS],
    /// Calls in measured days that the own keys alone would have served, by quota.
    pub alone: [u64; QUOTAS],
}

/// A call that will be made.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// When.
    pub at: Ms,
    /// Who.
    pub contributor: u32,
    /// The key shown.
    pub key: u32,
    /// Place in [`MODELS`].
    pub model: u8,
    /// Whether the own keys alone would have served it.
    pub entitled: bool,
    /// Which isolate of the edge it arrives at.
    pub isolate: u8,
    /// The prompt, as Google counts it.
    pub tokens: u32,
    /// The prompt, as it was estimated.
    pub estimate: u32,
    /// The answer.
    pub output: u32,
}

impl Ask {
    /// The quota that it is charged to.
    pub fn quota(&self) -> usize {
        MODELS[usize::from(self.model)].quota
    }
}

/// What happens to keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Its owner begins to show it.
    Joins(u32),
    /// Google no longer knows it.
    Dies(u32),
    /// Google knows it again.
    Revives(u32),
}

/// When Google, or the way to it, is no help to anyone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Since when.
    pub from: Ms,
    /// Until when.
    pub to: Ms,
    /// What everybody is told.
    pub kind: TroubleKind,
}

/// What everybody is told in a time of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TroubleKind {
    /// That the service is unavailable.
    Outage,
    /// That the place we call from is not supported.
    Place,
    /// That the key is not valid, though it is.
    KeysLookDead,
}

/// Everything that is there and that will happen.
#[derive(Clone, Debug)]
pub struct World {
    /// What it is about.
    pub scenario: Scenario,
    /// Where its chance comes from.
    pub seed: u64,
    /// Demand as a share of the aggregate quota.
    pub load: f64,
    /// The learning day included.
    pub days: u32,
    /// All projects.
    pub projects: Vec<Project>,
    /// All keys, an attacker's among them.
    pub keys: Vec<Key>,
    /// Keys that the study was asked for: those before an attacker's.
    pub good_keys: usize,
    /// All contributors.
    pub contributors: Vec<Contributor>,
    /// In order of time.
    pub asks: Vec<Ask>,
    /// In order of time.
    pub changes: Vec<(Ms, Change)>,
    /// Times of trouble.
    pub troubles: Vec<Trouble>,
    /// When it is looked at which keys are held for good.
    pub inspections: Vec<Ms>,
}

impl World {
    /// From when on it is measured: the first day is for learning.
    pub fn measured_from(&self) -> Ms {
        START + DAY
    }

    /// When it ends.
    pub fn end(&self) -> Ms {
        START + Ms::from(self.days) * DAY
    }

    /// What everybody is told at that time, if it is a time of trouble.
    pub fn trouble(&self, at: Ms) -> Option<TroubleKind> {
        let is_on = |one: &&Trouble| (one.from..one.to).contains(&at);
        self.troubles.iter().find(is_on).map(|one| one.kind)
    }

    /// Whether Google knows a key at that time.
    pub fn is_alive_at(&self, key: u32, at: Ms) -> bool {
        let alive = |change: &Change| match *change {
            Change::Dies(one) if one == key => Some(false),
            Change::Revives(one) if one == key => Some(true),
            _ => None,
        };
        let before = self.changes.iter().filter(|(then, _)| *then <= at);
        let last = before.filter_map(|(then, change)| Some((*then, alive(change)?))).max();
        last.map_or(self.keys[key as usize].born_alive, |(_, alive)| alive)
    }

    /// Whether a key may serve others' calls to a quota: what some projects have a limit of zero
    /// for is billed, and lent by name only.
    pub fn is_lent(&self, key: u32, quota: usize) -> bool {
        quota != PRO || self.keys[key as usize].names_models
    }

    /// A project's day of a quota; nothing where only the minute binds.
    pub fn per_day(&self, project: usize, quota: usize) -> Option<u64> {
        let limits = self.projects[project].limits[quota];
        if limits.zero() { Some(0) } else { limits.rpd }
    }
}
