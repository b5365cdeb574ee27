//! What the oracle expects of the rest of a day.
//!
//! Looked at once a minute and quota, since it is a sum over everybody: within a minute it hardly
//! changes.

use crate::{
    google::Google,
    world::{Ask, DAY, Ms, QUOTAS, START, World},
};

/// Calls that must be left for the entitled.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reserve {
    /// Until midnight; where no day binds, within a minute.
    pub(super) lasting: f64,
    /// Within a minute.
    pub(super) minute: f64,
}

pub(super) struct Expected<'w> {
    world: &'w World,
    /// Own projects of each contributor, each once.
    projects: Vec<Vec<usize>>,
    /// Entitled and borrowed calls of the day.
    spent: Vec<[f64; QUOTAS]>,
    borrowed: Vec<[f64; QUOTAS]>,
    /// By quota: as of which minute, and what.
    reserves: [(Ms, Reserve); QUOTAS],
    /// The same by contributor: what is left to those who borrowed less.
    held: Vec<[(Ms, f64); QUOTAS]>,
    /// Everybody's own day that is in service, as of the reserve's minute.
    own: Vec<[f64; QUOTAS]>,
}

impl<'w> Expected<'w> {
    pub(super) fn new(world: &'w World) -> Expected<'w> {
        let count = world.contributors.len();
        let projects = world.contributors.iter().map(|contributor| {
            let theirs = contributor.keys.iter().map(|key| world.keys[*key as usize].project);
            let mut theirs: Vec<usize> = theirs.collect();
            theirs.sort_unstable();
            theirs.dedup();
            theirs
        });
        Expected {
            world,
            projects: projects.collect(),
            spent: vec![[0.0; QUOTAS]; count],
            borrowed: vec![[0.0; QUOTAS]; count],
            reserves: [(-1, Reserve::default()); QUOTAS],
            held: vec![[(-1, 0.0); QUOTAS]; count],
            own: vec![[0.0; QUOTAS]; count],
        }
    }

    pub(super) fn midnight(&mut self) {
        self.spent.fill([0.0; QUOTAS]);
        self.borrowed.fill([0.0; QUOTAS]);
    }

    pub(super) fn entitled(&mut self, ask: &Ask) {
        self.spent[ask.contributor as usize][ask.quota()] += 1.0;
    }

    pub(super) fn borrowed(&mut self, ask: &Ask) {
        self.borrowed[ask.contributor as usize][ask.quota()] += 1.0;
    }

    /// What is to be left for the entitled.
    pub(super) fn reserve(&mut self, quota: usize, now: Ms, google: &Google<'_>) -> Reserve {
        let minute = now / MINUTE;
        if self.reserves[quota].0 != minute {
            self.count_own(quota, google);
            self.reserves[quota] = (minute, self.foresee(quota, now));
        }
        self.reserves[quota].1
    }

    fn count_own(&mut self, quota: usize, google: &Google<'_>) {
        for (who, own) in self.own.iter_mut().enumerate() {
            let serving = self.projects[who].iter().filter(|project| google.serves(**project));
            let day = |project: &usize| match self.world.per_day(*project, quota) {
                Some(day) => day as f64,
                None => self.world.projects[*project].limits[quota].rpm.unwrap_or(0) as f64,
            };
            own[quota] = serving.map(day).sum();
        }
    }

    fn foresee(&self, quota: usize, now: Ms) -> Reserve {
        let binds = self.world.per_day(0, quota).is_some();
        let (at, mut sums) = ((now - START) % DAY, [0.0; 4]);
        for (who, contributor) in self.world.contributors.iter().enumerate() {
            let wants = &contributor.wants[quota];
            let minute = wants.mean(at, (at + MINUTE).min(DAY));
            let cap = self.cap(who, quota);
            let mean = if binds { wants.mean(at, DAY) } else { minute };
            let variance = if binds { wants.variance(at, DAY) } else { minute };
            sums[0] += mean.min(cap);
            sums[1] += variance.min((cap - mean).max(0.0).powi(2));
            sums[2] += cap;
            sums[3] += minute.min(cap);
        }
        let [mean, variance, cap, minute] = sums;
        Reserve { lasting: (mean + 3.0 * variance.sqrt()).min(cap), minute }
    }

    /// What a contributor's own keys alone would still serve.
    fn cap(&self, who: usize, quota: usize) -> f64 {
        let spends = self.world.per_day(0, quota).is_some();
        let spent = if spends { self.spent[who][quota] } else { 0.0 };
        (self.own[who][quota] - spent).max(0.0)
    }

    /// What is left to those who borrowed less for what they bring, as of this minute's reserve.
    pub(super) fn held_for_others(&mut self, ask: &Ask) -> f64 {
        let (who, quota, minute) = (ask.contributor as usize, ask.quota(), ask.at / MINUTE);
        if self.held[who][quota].0 != minute {
            self.held[who][quota] = (minute, self.hold(who, quota, ask.at));
        }
        self.held[who][quota].1
    }

    fn hold(&self, who: usize, quota: usize, now: Ms) -> f64 {
        let (share, at) = (self.share(who, quota), (now - START) % DAY);
        let others = (0..self.world.contributors.len()).filter(|other| *other != who);
        let held = others.map(|other| {
            let own = self.own[other][quota];
            let behind = (share - self.share(other, quota)).max(0.0) * own;
            if own <= 0.0 || behind <= 0.0 {
                return 0.0;
            }
            let mean = self.world.contributors[other].wants[quota].mean(at, DAY);
            (mean - self.cap(other, quota)).max(0.0).min(behind)
        });
        held.sum()
    }

    /// Borrowed for what one brings.
    fn share(&self, who: usize, quota: usize) -> f64 {
        match self.own[who][quota] {
            own if own > 0.0 => self.borrowed[who][quota] / own,
            _ => f64::MAX,
        }
    }
}

const MINUTE: Ms = 60_000;
