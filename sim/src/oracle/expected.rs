//! What the oracle expects of the rest of a day.
//!
//! Looked at once a minute and quota, since it is a sum over everybody: within a minute it hardly
//! changes.

use crate::{
    google::Google,
    oracle::{LOOKS, recent::Recent},
    world::{Appetite, Ask, DAY, Ms, QUOTAS, START, World},
};

/// How many calls are to be expected, and how far that varies.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Guess {
    mean: f64,
    variance: f64,
    /// More they cannot be.
    cap: f64,
}

impl Guess {
    /// So many at most, but for once in a thousand.
    pub(super) fn at_most(self) -> f64 {
        (self.mean + 3.0 * self.variance.sqrt()).min(self.cap)
    }

    /// Adds what one contributor is expected to ask, at most what the own keys have left.
    fn add(&mut self, mean: f64, variance: f64, cap: f64) {
        self.mean += mean.min(cap);
        self.variance += variance.min((cap - mean).max(0.0).powi(2));
        self.cap += cap;
    }
}

/// What the entitled are expected to ask.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reserve {
    /// Until midnight.
    pub(super) day: Guess,
    /// Within a minute, whatever they asked in the last one.
    pub(super) minute: Guess,
}

pub(super) struct Expected<'w> {
    world: &'w World,
    /// Own projects of each contributor, each once.
    projects: Vec<Vec<usize>>,
    /// What is to be expected from a minute of the day until midnight, by quota, minute and
    /// contributor.
    means: [Vec<f64>; QUOTAS],
    /// By quota: as of which minute, and what.
    reserves: [(Ms, Reserve); QUOTAS],
    /// The same for the next moments, as of which second.
    soon: [(Ms, [Guess; LOOKS.len()]); QUOTAS],
    /// By quota, everybody's own part.
    parts: [Vec<Part>; QUOTAS],
}

/// One contributor's part of a quota.
#[derive(Clone, Debug, Default)]
struct Part {
    /// The own day, or minute where no day binds, as far as it is in service.
    own: f64,
    /// The own minute.
    minute: f64,
    /// When today's first call came, as a time of the day.
    began: Option<Ms>,
    /// Calls of the day that the own keys alone would have served,
    entitled: f64,
    /// those of the last minute,
    recent: Recent,
    /// and others that were served.
    borrowed: f64,
    /// Expected beyond what the own keys have left, as of the reserve's minute.
    excess: f64,
    /// As of which minute, and what is left to those who borrowed less.
    held: (Ms, f64),
}

impl Part {
    /// Calls to be expected until midnight, and how far that varies.
    fn expects(&self, wants: &Appetite, mean: f64, time: Ms) -> (f64, f64) {
        match self.began.filter(|_| wants.takes().is_some()) {
            None => (mean, wants.variance(mean)),
            Some(began) => {
                let rest = wants.rest(began, time, mean);
                (rest, rest)
            }
        }
    }

    /// Calls to be expected in the next minute, if so many are by the time of day: a burst is in
    /// the way of others only once it has begun.
    fn next_minute(&self, wants: &Appetite, mean: f64, time: Ms) -> f64 {
        let rest = |at: Ms| self.began.map(|began| wants.rest(began, at, 0.0));
        match (wants.takes(), rest(time), rest(time + MINUTE)) {
            (Some(_), Some(now), Some(then)) => now - then,
            _ => mean,
        }
    }

    /// Calls that the own keys serve in so long.
    fn minutes(&self, span: Ms) -> f64 {
        self.minute * span as f64 / MINUTE as f64
    }

    /// Borrowed for what one brings.
    fn share(&self) -> f64 {
        if self.own > 0.0 { self.borrowed / self.own } else { f64::MAX }
    }
}

impl<'w> Expected<'w> {
    pub(super) fn new(world: &'w World) -> Expected<'w> {
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
            means: std::array::from_fn(|quota| means(world, quota)),
            reserves: [(-1, Reserve::default()); QUOTAS],
            soon: [(-1, [Guess::default(); LOOKS.len()]); QUOTAS],
            parts: std::array::from_fn(|_| vec![Part::default(); world.contributors.len()]),
        }
    }

    pub(super) fn midnight(&mut self) {
        for part in self.parts.iter_mut().flatten() {
            (part.began, part.entitled, part.borrowed) = (None, 0.0, 0.0);
        }
    }

    pub(super) fn asked(&mut self, ask: &Ask) {
        let part = &mut self.parts[ask.quota()][ask.contributor as usize];
        part.began.get_or_insert((ask.at - START) % DAY);
    }

    pub(super) fn entitled(&mut self, ask: &Ask) {
        let part = &mut self.parts[ask.quota()][ask.contributor as usize];
        part.entitled += 1.0;
        part.recent.served(0, ask.at);
    }

    pub(super) fn borrowed(&mut self, ask: &Ask) {
        self.parts[ask.quota()][ask.contributor as usize].borrowed += 1.0;
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
        let world = self.world;
        for (part, projects) in self.parts[quota].iter_mut().zip(&self.projects) {
            let serving = projects.iter().filter(|project| google.serves(**project));
            let day = |project: &usize| match world.per_day(*project, quota) {
                Some(day) => day as f64,
                None => world.projects[*project].per_minute(quota),
            };
            let minute = |project: &usize| world.projects[*project].per_minute(quota);
            part.own = serving.clone().map(day).sum();
            part.minute = serving.map(minute).sum();
        }
    }

    fn foresee(&mut self, quota: usize, now: Ms) -> Reserve {
        let binds = self.world.per_day(0, quota).is_some();
        let (count, mut reserve) = (self.parts[quota].len(), Reserve::default());
        let time = (now - START) % DAY;
        let at = (time / MINUTE) as usize * count;
        for (who, part) in self.parts[quota].iter_mut().enumerate() {
            let wants = &self.world.contributors[who].wants[quota];
            let mean = self.means[quota][at + who];
            let minute = mean - self.means[quota][at + count + who];
            let minute = part.next_minute(wants, minute, time);
            let (left, variance) = part.expects(wants, mean, time);
            let cap = if binds { (part.own - part.entitled).max(0.0) } else { part.own };
            // What comes at once the own minute bounds.
            let at_once = wants.takes().map_or(f64::MAX, |span| part.minutes(span + MINUTE));
            reserve.day.add(left, variance, cap.min(at_once));
            reserve.minute.add(minute, minute, cap.min(part.minute));
            part.excess = (left - cap).max(0.0);
        }
        reserve
    }

    /// What the entitled are expected to ask in the next moments, as of this second.
    pub(super) fn soon(&mut self, quota: usize, now: Ms) -> [Guess; LOOKS.len()] {
        let second = now / SECOND;
        if self.soon[quota].0 != second {
            let soon = std::array::from_fn(|look| self.foresee_soon(quota, LOOKS[look], now));
            self.soon[quota] = (second, soon);
        }
        self.soon[quota].1
    }

    /// Within so long, each at most what the own keys have left of the minute and get back.
    fn foresee_soon(&self, quota: usize, ahead: Ms, now: Ms) -> Guess {
        let (count, mut guess) = (self.parts[quota].len(), Guess::default());
        let time = (now - START) % DAY;
        let at = (time / MINUTE) as usize * count;
        for (who, part) in self.parts[quota].iter().enumerate() {
            let minute = self.means[quota][at + who] - self.means[quota][at + count + who];
            let minute = part.next_minute(&self.world.contributors[who].wants[quota], minute, time);
            let mean = minute * ahead as f64 / MINUTE as f64;
            let cap = (part.minute - part.recent.left(ahead, now) as f64).max(0.0);
            guess.add(mean, mean, cap);
        }
        guess
    }

    /// What is left to those who borrowed less for what they bring, as of this minute's reserve.
    pub(super) fn held_for_others(&mut self, ask: &Ask) -> f64 {
        let (who, quota, minute) = (ask.contributor as usize, ask.quota(), ask.at / MINUTE);
        if self.parts[quota][who].held.0 != minute {
            self.parts[quota][who].held = (minute, self.hold(who, quota));
        }
        self.parts[quota][who].held.1
    }

    fn hold(&self, who: usize, quota: usize) -> f64 {
        let share = self.parts[quota][who].share();
        let others = self.parts[quota].iter().filter(|part| part.own > 0.0);
        let behind = |part: &Part| (share * part.own - part.borrowed).max(0.0);
        others.map(|part| part.excess.min(behind(part))).sum()
    }
}

/// Means until midnight, with one more minute at the end.
fn means(world: &World, quota: usize) -> Vec<f64> {
    let minutes = (0..=DAY / MINUTE).map(|minute| minute * MINUTE);
    let of_all = |at| world.contributors.iter().map(move |who| who.wants[quota].mean(at, DAY));
    minutes.flat_map(of_all).collect()
}

const SECOND: Ms = 1_000;
const MINUTE: Ms = 60_000;
