//! Google as it truly is: every project's counts, which keys it knows, and what it answers.
//!
//! Rule: the counts are `gemini_sim::quota`'s and nobody else's, so that the simulator believes of
//! quotas just what the stand-in server does.

mod failure;

use gemini_sim::quota::{Bucket, Refusal, Window};

use crate::world::{Change, MEAN_PROMPT, MODELS, Ms, PROMPTS, QUOTAS, TroubleKind, World};

/// What Google answers.
#[derive(Clone, Debug)]
pub enum Answer {
    /// 200.
    Served,
    /// 429.
    Quota {
        /// What stands in the way.
        refusal: Refusal,
        /// Of this quota.
        quota: usize,
        /// Whether the project pays nothing.
        free: bool,
    },
    /// The key is not valid.
    Dead,
    /// The place we call from is not supported.
    Place,
    /// 503.
    Unavailable,
}

/// Google's state.
#[derive(Debug)]
pub struct Google<'w> {
    world: &'w World,
    buckets: Vec<Bucket>,
    alive: Vec<bool>,
    joined: Vec<bool>,
    /// Keys alive and shown already, by project.
    usable: Vec<u32>,
    /// What is left of the day, by quota and project; a very large number where no day binds.
    left: [Vec<u64>; QUOTAS],
}

impl<'w> Google<'w> {
    /// As it is at the start of a world.
    pub fn new(world: &'w World) -> Google<'w> {
        let limits = world.projects.iter().flat_map(|project| project.limits);
        let mut google = Google {
            world,
            buckets: limits.map(|limits| Bucket::new(limits, Window::Sliding)).collect(),
            alive: world.keys.iter().map(|key| key.born_alive).collect(),
            joined: world.keys.iter().map(|key| key.joins == Ms::MIN).collect(),
            usable: Vec::new(),
            left: [const { Vec::new() }; QUOTAS],
        };
        google.count_usable();
        google.midnight();
        google
    }

    /// A day's quotas are given anew.
    pub fn midnight(&mut self) {
        let projects = 0..self.world.projects.len();
        for (quota, left) in self.left.iter_mut().enumerate() {
            let day = |project| self.world.per_day(project, quota).unwrap_or(NO_DAY);
            *left = projects.clone().map(day).collect();
        }
    }

    /// A key joins, dies or comes back.
    pub fn change(&mut self, change: Change) {
        match change {
            Change::Joins(key) => self.joined[key as usize] = true,
            Change::Dies(key) => self.alive[key as usize] = false,
            Change::Revives(key) => self.alive[key as usize] = true,
        }
        self.count_usable();
    }

    /// A call with a key.
    pub fn ask(&mut self, key: u32, model: usize, tokens: u64, now: Ms) -> Answer {
        if let Some(answer) = self.without_quota(key, now) {
            return answer;
        }
        let project = self.world.keys[key as usize].project;
        let quota = MODELS[model].quota;
        match self.spend(project, quota, tokens, now) {
            Ok(()) => Answer::Served,
            Err(refusal) => {
                Answer::Quota { refusal, quota, free: self.world.projects[project].free }
            }
        }
    }

    /// `GET models` with a key: it costs no quota.
    pub fn probe(&self, key: u32, now: Ms) -> Answer {
        self.without_quota(key, now).unwrap_or(Answer::Served)
    }

    fn without_quota(&self, key: u32, now: Ms) -> Option<Answer> {
        match self.world.trouble(now) {
            Some(TroubleKind::Outage) => Some(Answer::Unavailable),
            Some(TroubleKind::Place) => Some(Answer::Place),
            Some(TroubleKind::KeysLookDead) => Some(Answer::Dead),
            None => (!self.alive[key as usize]).then_some(Answer::Dead),
        }
    }

    /// Spends a project's quota.
    ///
    /// # Errors
    /// The limits in the way.
    pub fn spend(
        &mut self,
        project: usize,
        quota: usize,
        tokens: u64,
        now: Ms,
    ) -> Result<(), Refusal> {
        self.buckets[project * QUOTAS + quota].spend(tokens, now)?;
        let left = &mut self.left[quota][project];
        *left = left.saturating_sub(u64::from(*left < NO_DAY));
        Ok(())
    }

    /// Whether Google knows the key.
    pub fn is_alive(&self, key: u32) -> bool {
        self.alive[key as usize]
    }

    /// Whether the key can serve anything: Google knows it, and so may the pool.
    pub fn is_usable(&self, key: u32) -> bool {
        self.alive[key as usize] && self.joined[key as usize]
    }

    /// Whether a project has a key that can serve anything.
    pub fn serves(&self, project: usize) -> bool {
        self.usable[project] > 0
    }

    /// What is left of a project's day.
    pub fn left(&self, project: usize, quota: usize) -> u64 {
        if self.serves(project) { self.left[quota][project] } else { 0 }
    }

    /// What is left of everybody's day; where no day binds, of the minute.
    pub fn left_of_all(&mut self, quota: usize, now: Ms) -> u64 {
        let projects = 0..self.world.projects.len();
        projects.map(|project| self.lasting(project, quota, now)).sum()
    }

    /// What is left of a project's day; where no day binds, of the minute.
    pub fn lasting(&mut self, project: usize, quota: usize, now: Ms) -> u64 {
        match self.left(project, quota) {
            NO_DAY => self.minute_room(project, quota, now),
            left => left,
        }
    }

    /// Calls that a project can serve within this minute, prompts being as large as they mostly are.
    pub fn minute_room(&mut self, project: usize, quota: usize, now: Ms) -> u64 {
        self.room_beside(project, quota, 0, now)
    }

    /// The same, the first being as large as any.
    pub fn sure_room(&mut self, project: usize, quota: usize, now: Ms) -> u64 {
        self.room_beside(project, quota, (PROMPTS.1 - MEAN_PROMPT) as u64, now)
    }

    fn room_beside(&mut self, project: usize, quota: usize, tokens: u64, now: Ms) -> u64 {
        let left = self.left(project, quota);
        if left == 0 {
            return 0;
        }
        let bucket = &mut self.buckets[project * QUOTAS + quota];
        let limits = bucket.limits();
        let requests = limits.rpm.map_or(NO_DAY, |rpm| rpm.saturating_sub(bucket.requests(now).0));
        let spent = bucket.tokens(now).0 + tokens;
        let tokens = limits.tpm.map_or(NO_DAY, |tpm| tpm.saturating_sub(spent));
        left.min(requests).min(tokens / MEAN_PROMPT as u64)
    }

    /// Whether a project would serve such a call now.
    pub fn has_room(&mut self, project: usize, quota: usize, tokens: u64, now: Ms) -> bool {
        if self.left(project, quota) == 0 {
            return false;
        }
        let bucket = &mut self.buckets[project * QUOTAS + quota];
        let limits = bucket.limits();
        limits.rpm.is_none_or(|rpm| bucket.requests(now).0 < rpm)
            && limits.tpm.is_none_or(|tpm| bucket.tokens(now).0 + tokens <= tpm)
    }

    fn count_usable(&mut self) {
        self.usable = vec![0; self.world.projects.len()];
        for (number, key) in self.world.keys.iter().enumerate() {
            self.usable[key.project] += u32::from(self.is_usable(number as u32));
        }
    }
}

/// What is left of a day that does not bind.
const NO_DAY: u64 = 1 << 40;
