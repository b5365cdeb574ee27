//! An oracle: it knows every quota and everybody's appetite, though not the future, and nobody is
//! worse off for joining its pool.
//!
//! Why: what a pool could serve at best depends on the world; a share of the oracle's says how much
//! of that a policy gets. Rules, all of them:
//!
//! - whom the own keys alone would have served is served, with the own key first;
//! - anybody else only from what remains of the day beyond what the entitled are still expected to
//!   ask, three standard deviations included, each at most what the own keys alone have left; and
//!   only while the minute has room beyond theirs as well;
//! - of that, whoever borrowed more of it for the own capacity leaves what those who borrowed less
//!   are expected to ask.

mod expected;
mod recent;

use crate::{
    google::Google,
    world::{Ask, DAY, Ms, QUOTAS, START, World},
};

use expected::{Expected, Guess};
use recent::Recent;

/// Calls in measured days that the oracle serves.
pub fn served(world: &World) -> Vec<[u64; QUOTAS]> {
    let mut oracle = Oracle {
        world,
        google: Google::new(world),
        expected: Expected::new(world),
        recent: std::array::from_fn(|_| Recent::default()),
        turn: 0,
        served: vec![[0; QUOTAS]; world.contributors.len()],
    };
    let (mut changes, mut midnight) = (world.changes.iter().peekable(), START + DAY);
    for ask in &world.asks {
        while midnight <= ask.at {
            oracle.google.midnight();
            oracle.expected.midnight();
            midnight += DAY;
        }
        while let Some((_, change)) = changes.next_if(|(at, _)| *at <= ask.at) {
            oracle.google.change(*change);
        }
        oracle.serve(ask);
    }
    oracle.served
}

struct Oracle<'w> {
    world: &'w World,
    google: Google<'w>,
    expected: Expected<'w>,
    /// By quota.
    recent: [Recent; QUOTAS],
    turn: usize,
    served: Vec<[u64; QUOTAS]>,
}

impl Oracle<'_> {
    fn serve(&mut self, ask: &Ask) {
        if self.world.trouble(ask.at).is_some() || !self.google.is_alive(ask.key) {
            return;
        }
        self.expected.asked(ask);
        if ask.entitled {
            self.expected.entitled(ask);
        }
        let key = match ask.entitled {
            true => self.own(ask).or_else(|| self.any(ask)),
            false if self.lends(ask) => self.any(ask),
            false => None,
        };
        let Some(key) = key else { return };
        let (project, quota) = (self.world.keys[key as usize].project, ask.quota());
        if self.google.spend(project, quota, ask.tokens.into(), ask.at).is_err() {
            return;
        }
        self.recent[quota].served(project, ask.at);
        if !ask.entitled {
            self.expected.borrowed(ask);
        }
        if ask.at >= self.world.measured_from() {
            self.served[ask.contributor as usize][quota] += 1;
        }
    }

    fn own(&mut self, ask: &Ask) -> Option<u32> {
        let keys = &self.world.contributors[ask.contributor as usize].keys;
        keys.iter().copied().find(|key| self.has_room(*key, ask))
    }

    fn any(&mut self, ask: &Ask) -> Option<u32> {
        let count = self.world.keys.len();
        let places = (0..count).map(|ahead| ((self.turn + ahead) % count) as u32);
        let found = places
            .filter(|key| *key == ask.key || self.world.is_lent(*key, ask.quota()))
            .find(|key| {
            let project = self.world.keys[*key as usize].project;
            self.google.is_usable(*key)
                && self.google.has_room(project, ask.quota(), ask.tokens.into(), ask.at)
        })?;
        self.turn = found as usize + 1;
        Some(found)
    }

    fn has_room(&mut self, key: u32, ask: &Ask) -> bool {
        let project = self.world.keys[key as usize].project;
        self.google.is_usable(key)
            && self.google.has_room(project, ask.quota(), ask.tokens.into(), ask.at)
    }

    /// Whether there is quota for a call that the own keys alone would not have served.
    fn lends(&mut self, ask: &Ask) -> bool {
        let quota = ask.quota();
        let reserve = self.expected.reserve(quota, ask.at, &self.google);
        if self.world.per_day(0, quota).is_some() {
            let free = self.google.left_of_all(quota, ask.at) as f64 - reserve.day.at_most();
            if free <= 0.0 || free <= self.expected.held_for_others(ask) {
                return false;
            }
        }
        self.minute_has_room(quota, reserve.minute, ask.at)
    }

    /// Whether the entitled of the next minute find room at every moment of it, if this call takes
    /// some now.
    fn minute_has_room(&mut self, quota: usize, entitled: Guess, now: Ms) -> bool {
        let (mut room, enough) = (-1.0, entitled.at_most());
        for project in 0..self.world.projects.len() {
            room += self.google.sure_room(project, quota, now) as f64;
            if room > enough {
                return true;
            }
        }
        let soon = self.expected.soon(quota, now);
        LOOKS.iter().zip(soon).all(|(ahead, soon)| {
            room + self.given_back(quota, *ahead, now) as f64 >= soon.at_most()
        })
    }

    /// Calls that leave the minute within so long, and make room: not on keys whose day is over.
    fn given_back(&self, quota: usize, ahead: Ms, now: Ms) -> usize {
        let leaving = self.recent[quota].within(ahead, now);
        match self.world.per_day(0, quota) {
            None => leaving.len(),
            Some(_) => leaving.filter(|(_, on)| self.google.left(*on, quota) > 0).count(),
        }
    }
}

/// How far ahead it is looked whether a minute has room.
const LOOKS: [Ms; 6] = [1_000, 3_000, 8_000, 20_000, 40_000, 60_000];
