//! What somebody sees who looks on: attempts, cooldowns and changes of state as they happen.
//!
//! Rule: costs nothing while nobody looks, and keeps only the last few sights for whoever does.

use std::collections::VecDeque;
use std::time::Duration;

use crate::{
    call::Exchange,
    call::Running,
    id::{KeyId, Slot},
    pool::Pool,
    rest::{Cause, Reach, Scope},
    time::{Mono, Now, Wall},
    verdict::Verdict,
};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Counts up within a pool, from 1.
    pub number: u64,
    /// When.
    pub at: Wall,
    /// To which key.
    pub key: KeyId,
    /// For which model, if for one.
    pub model: Option<Box<str>>,
    /// What.
    pub seen: Seen,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// An attempt was answered.
    Attempt {
        /// What the answer said.
        verdict: &'static str,
        /// Which of its exchange's it was, from 1.
        number: u8,
    },
    /// The key rests.
    Rest {
        /// Why, in a sentence.
        why: &'static str,
        /// Until then.
        until: Wall,
    },
    /// The key is out of service.
    Out {
        /// Why, in a sentence.
        why: &'static str,
    },
    /// The key is in service again.
    Back,
}

/// The last sights.
#[derive(Debug, Default)]
pub(super) struct Watch {
    until: Mono,
    last: u64,
    sights: VecDeque<Sight>,
}

impl<S: Clone> Pool<S> {
    /// Looks on: what happened behind the sight of that number, oldest first. Nothing is kept
    /// before the first look, and nothing any more a while after the last.
    pub fn watch(&mut self, after: u64, now: Now) -> Vec<Sight> {
        if self.watch.until <= now.mono {
            self.watch.sights.clear();
        }
        self.watch.until = now.mono + PATIENCE;
        let sights = self.watch.sights.iter();
        sights.filter(|sight| sight.number > after).cloned().collect()
    }

    /// The number of the last sight.
    pub fn last_sight(&self) -> u64 {
        self.watch.last
    }

    pub(super) fn saw_attempt(&mut self, x: &Exchange, by: Running, verdict: Verdict, now: Now) {
        if !self.is_watched(now) {
            return;
        }
        let key = match by {
            Running::Slot(slot) => self.keys.get(slot).map(|key| key.id),
            Running::Bearer => x.bearer,
        };
        let lane = x.lane.map(|lane| self.lanes.at(lane).model.clone());
        let model = lane.or_else(|| x.model.clone());
        let seen = Seen::Attempt { verdict: verdict.name(), number: x.tries };
        self.see(key, model, seen, now);
    }

    /// A key was put to rest.
    pub(super) fn saw_rest(&mut self, slot: Slot, reach: Reach, cause: Cause, now: Now) {
        self.tally.cooldown(cause);
        if !self.is_watched(now) {
            return;
        }
        let Some(key) = self.keys.get(slot) else { return };
        let until = key.rests.iter().find(|rest| rest.reach == reach).map(|rest| rest.until);
        let (id, until) = (key.id, now.wall_at(until.unwrap_or(now.mono)));
        let model = match self.scope(reach) {
            Scope::Lane { model, .. } => Some(model),
            _ => None,
        };
        self.see(Some(id), model, Seen::Rest { why: cause.words(), until }, now);
    }

    pub(super) fn saw_state(&mut self, slot: Slot, seen: Seen, now: Now) {
        if self.is_watched(now) {
            self.see(self.keys.get(slot).map(|key| key.id), None, seen, now);
        }
    }

    fn is_watched(&self, now: Now) -> bool {
        self.watch.until > now.mono
    }

    fn see(&mut self, key: Option<KeyId>, model: Option<Box<str>>, seen: Seen, now: Now) {
        let Some(key) = key else { return };
        let Watch { last, sights, .. } = &mut self.watch;
        if sights.len() == KEPT {
            sights.pop_front();
        }
        *last += 1;
        let model = model.filter(|model| !model.is_empty());
        sights.push_back(Sight { number: *last, at: now.wall, key, model, seen });
    }
}

/// Sights kept: more than anybody reads between two looks.
const KEPT: usize = 256;
/// How long after a look it goes on being looked at: a page asks every second or two.
const PATIENCE: Duration = Duration::from_secs(15);
