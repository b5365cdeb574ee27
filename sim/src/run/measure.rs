//! What is counted of a run; the learning day is not.

use std::collections::{BTreeSet, VecDeque};

use crate::{
    google::{Answer, Google},
    policy::{Policy, Standing},
    run::Live,
    world::{Ask, DAY, MODELS, Ms, QUOTAS, START, World},
};

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls made.
    pub calls: u64,
    /// Calls for which Google was asked at all.
    pub tried: u64,
    /// Calls served.
    pub served: u64,
    /// Attempts made for them all.
    pub attempts: u64,
    /// Attempts that met a spent quota after the key's first day on the model.
    pub refusals: u64,
    /// Calls that failed though there was quota that nobody had reserved, or whose caller had had
    /// less that day than the own keys alone would have served by then; where only the minute binds,
    /// less within the last one.
    pub failures_while_quota: u64,
    /// Calls served, by contributor and quota.
    pub served_by: Vec<[u64; QUOTAS]>,
    /// Good keys that were held for dead when it was looked.
    pub good_lost: u64,
    /// Keys still held for good a minute after Google said that they are dead.
    pub dead_kept: u64,
}

/// What a call that fails may have tried, and still have had to find another key.
const ATTEMPTS: usize = potluck_core::Config::MAX_ATTEMPTS as usize;

pub(super) struct Measure<'w> {
    world: &'w World,
    pub(super) tally: Tally,
    /// When a key was first asked for a model, by key and model.
    first: Vec<Ms>,
    /// Since when the policy could know that a key is dead.
    told_dead: Vec<Ms>,
    /// Keys that the policy could know to be good: they were shown, and not dead when Google was
    /// asked last.
    known: Vec<bool>,
    /// By contributor and quota.
    today: Vec<[Today; QUOTAS]>,
}

/// One contributor's day on one quota.
#[derive(Clone, Default)]
struct Today {
    day: Ms,
    /// Calls so far that the own keys alone would have served.
    entitled: u64,
    /// Calls that were served, or may be yet.
    granted: u64,
    /// The calls of the last minute.
    minute: VecDeque<Asked>,
}

#[derive(Clone, Copy)]
struct Asked {
    at: Ms,
    entitled: bool,
    granted: bool,
}

impl Today {
    fn asked(&mut self, ask: &Ask) {
        self.entitled += u64::from(ask.entitled);
        self.granted += 1;
        self.minute.push_back(Asked { at: ask.at, entitled: ask.entitled, granted: true });
        while self.minute.front().is_some_and(|one| one.at <= ask.at - MINUTE) {
            self.minute.pop_front();
        }
    }

    fn failed(&mut self, ask: &Ask) {
        self.granted = self.granted.saturating_sub(1);
        let is = |one: &&mut Asked| one.granted && one.at == ask.at && one.entitled == ask.entitled;
        if let Some(one) = self.minute.iter_mut().find(is) {
            one.granted = false;
        }
    }

    /// Whether a contributor had less than the own keys alone would have served.
    fn is_owed(&self, by_day: bool) -> bool {
        let count = |is: fn(&Asked) -> bool| self.minute.iter().filter(|one| is(one)).count();
        match by_day {
            true => self.entitled > self.granted,
            false => count(|one| one.entitled) > count(|one| one.granted),
        }
    }
}

const MINUTE: Ms = 60_000;

impl<'w> Measure<'w> {
    pub(super) fn new(world: &'w World) -> Measure<'w> {
        let served_by = vec![[0; QUOTAS]; world.contributors.len()];
        Measure {
            world,
            tally: Tally { served_by, ..Tally::default() },
            first: vec![Ms::MAX; world.keys.len() * MODELS.len()],
            told_dead: vec![Ms::MAX; world.keys.len()],
            known: world.keys.iter().map(|key| key.joins == Ms::MIN).collect(),
            today: vec![Default::default(); world.contributors.len()],
        }
    }

    pub(super) fn asked(&mut self, ask: &Ask) {
        self.known[ask.key as usize] = true;
        self.today(ask, ask.at).asked(ask);
    }

    fn today(&mut self, ask: &Ask, now: Ms) -> &mut Today {
        let (day, today) =
            ((now - START) / DAY, &mut self.today[ask.contributor as usize][ask.quota()]);
        if today.day != day {
            *today = Today { day, ..Today::default() };
        }
        today
    }

    pub(super) fn probed(&mut self, key: u32, answer: &Answer) {
        self.known[key as usize] = !matches!(answer, Answer::Dead);
    }

    pub(super) fn attempt(&mut self, live: &Live, key: u32, answer: &Answer, alive: bool, now: Ms) {
        if matches!(answer, Answer::Dead) && !alive {
            let told = &mut self.told_dead[key as usize];
            *told = now.min(*told);
        }
        self.known[key as usize] = !matches!(answer, Answer::Dead);
        let place = key as usize * MODELS.len() + usize::from(live.ask.model);
        let first = &mut self.first[place];
        *first = now.min(*first);
        let knows = now >= *first + DAY;
        if self.counts(&live.ask) {
            self.tally.attempts += 1;
            self.tally.tried += u64::from(live.tried.len() == 1);
            let refused = matches!(answer, Answer::Quota { .. });
            self.tally.refusals += u64::from(refused && knows);
        }
    }

    pub(super) fn served(&mut self, live: &Live) {
        if self.counts(&live.ask) {
            self.tally.calls += 1;
            self.tally.served += 1;
            let contributor = live.ask.contributor as usize;
            self.tally.served_by[contributor][live.ask.quota()] += 1;
        }
    }

    pub(super) fn failed(
        &mut self,
        live: &Live,
        google: &mut Google<'_>,
        policy: &mut dyn Policy,
        now: Ms,
    ) {
        let by_day = self.world.per_day(0, live.ask.quota()).is_some();
        let today = self.today(&live.ask, now);
        today.failed(&live.ask);
        let owed = today.is_owed(by_day);
        if !self.counts(&live.ask) {
            return;
        }
        self.tally.calls += 1;
        let needless = google.is_alive(live.ask.key)
            && live.tried.len() < ATTEMPTS
            && self.world.trouble(live.ask.at).is_none()
            && (owed || self.is_free(&live.ask, google, policy, now))
            && self.has_room(live, google, now);
        self.tally.failures_while_quota += u64::from(needless);
    }

    /// Whether there is quota that nobody has reserved.
    fn is_free(
        &self,
        ask: &Ask,
        google: &mut Google<'_>,
        policy: &mut dyn Policy,
        now: Ms,
    ) -> bool {
        let quota = ask.quota();
        let kept = policy.kept(quota, ask.key, now);
        let (mut day, mut minute) = (0, 0);
        for project in self.known_projects() {
            day += google.lasting(project, quota, now);
            minute += google.minute_room(project, quota, now);
        }
        day > kept.day && minute > kept.minute
    }

    fn known_projects(&self) -> BTreeSet<usize> {
        let known = self.world.keys.iter().zip(&self.known).filter(|(_, known)| **known);
        known.map(|(key, _)| key.project).collect()
    }

    /// Whether a key that was not tried would have served the call now.
    fn has_room(&self, live: &Live, google: &mut Google<'_>, now: Ms) -> bool {
        let (quota, tokens) = (live.ask.quota(), u64::from(live.ask.tokens));
        (0..self.world.keys.len() as u32).any(|key| {
            let Some(project) = self.lent(key, &live.ask) else { return false };
            self.known[key as usize]
                && google.left(project, quota) > 0
                && google.is_usable(key)
                && !live.tried.contains(&key)
                && google.has_room(project, quota, tokens, now)
        })
    }

    /// The project of a key, if it may serve such a call: what is billed is lent by name only.
    fn lent(&self, key: u32, ask: &Ask) -> Option<usize> {
        let of = self.world.keys[key as usize];
        let may = key == ask.key || self.world.is_lent(key, ask.quota());
        may.then_some(of.project)
    }

    pub(super) fn revived(&mut self, key: u32) {
        self.told_dead[key as usize] = Ms::MAX;
    }

    pub(super) fn inspect(&mut self, google: &Google<'_>, policy: &dyn Policy, now: Ms) {
        for (number, key) in self.world.keys.iter().enumerate() {
            let standing = policy.standing(number as u32, now);
            let alive = google.is_alive(number as u32);
            let lost = alive && key.joins == Ms::MIN && standing != Standing::In;
            self.tally.good_lost += u64::from(lost);
            let known = self.told_dead[number].saturating_add(60_000) <= now;
            self.tally.dead_kept += u64::from(!alive && known && standing == Standing::In);
        }
    }

    fn counts(&self, ask: &Ask) -> bool {
        ask.at >= self.world.measured_from()
    }
}
