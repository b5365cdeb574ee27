//! Lanes: one per model, family of methods and set of metered features.
//!
//! Google counts quotas by model and kind of method, so a key rests by lane. Callers choose model
//! names, so lanes are bounded: a lane that neither served nor rested a key, and that no exchange
//! uses, makes room for another. When none can, the call goes by its family's *overflow lane*,
//! shared by all models that found no lane of their own: cooldowns there are coarser than needed,
//! which wastes some quota but breaks no promise. Models of garbage names are answered 404 and so
//! never hold a lane; filling the table takes as many real models as Google does not have.

use std::{cmp::Reverse, collections::BinaryHeap, collections::HashMap};

use crate::{
    id::{Hashed, Slot, seeded},
    ledger::Ledger,
    limits::{Limits, MAX_MODEL_NAME},
    pool::Shortfalls,
    rest::METERED,
    ring::Ring,
    time::Mono,
    wire::{Family, Metered},
};

/// One lane.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) model: Box<str>,
    pub(crate) family: Family,
    pub(crate) metered: Metered,
    pub(crate) terms: Terms,
    /// Keys that can be lent here now.
    pub(crate) ring: Ring,
    /// When resting keys wake; entries may be out of date.
    pub(crate) wakes: BinaryHeap<Reverse<(Mono, Slot)>>,
    /// Exchanges under way.
    pub(crate) users: u32,
    /// It served, or rested a key: its number is in use.
    pub(crate) pinned: bool,
    pub(crate) served: bool,
    /// The lane whose quota it shares; mostly itself.
    pub(crate) quota: u16,
    /// Other lanes that share its quota.
    pub(crate) aliases: Vec<u16>,
    /// What all keys may spend on its quota.
    pub(crate) ledger: Box<Ledger>,
    pub(crate) thaw: Thaw,
    pub(crate) shortfalls: Shortfalls,
    hash: u64,
}

/// Where a lane is: what a key's rest must cover to keep it from serving there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) lane: u16,
    pub(crate) quota: u16,
    pub(crate) family: Family,
}

/// How far the keys whose day was spent are back, on the day that began last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Thaw {
    /// The day on which one of them served again.
    pub(crate) seen: u32,
    /// Google's day is not over yet, whatever the clock says: none is woken before.
    pub(crate) not_before: Mono,
}

impl Lane {
    fn new(model: &str, family: Family, metered: Metered, terms: Terms, hash: u64) -> Lane {
        Lane {
            model: model.into(),
            family,
            metered,
            terms,
            ring: Ring::default(),
            wakes: BinaryHeap::new(),
            users: 0,
            pinned: false,
            served: false,
            quota: 0,
            aliases: Vec::new(),
            ledger: Box::default(),
            thaw: Thaw::default(),
            shortfalls: Shortfalls::default(),
            hash,
        }
    }
}

/// Who lends here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Terms {
    /// Everybody, unless their limits name other models.
    Plain,
    /// Only those who named the model: somebody pays for it.
    Named,
}

impl Terms {
    pub(crate) fn allow(self, limits: &Limits, model: &str) -> bool {
        match self {
            Terms::Plain => limits.lends_plain(model),
            Terms::Named => limits.names(model),
        }
    }
}

/// All lanes.
#[derive(Debug)]
pub(crate) struct Lanes {
    lanes: Vec<Lane>,
    by_hash: HashMap<u64, u16, Hashed>,
    seed: u64,
    /// Where the search for a lane to give up goes on.
    hand: usize,
}

/// What came of asking for a lane.
pub(crate) enum Interned {
    Known(u16),
    /// The lane is new: its ring is yet to be filled.
    New(u16),
}

impl Lanes {
    pub(crate) fn new(seed: u64) -> Self {
        Lanes { lanes: Vec::new(), by_hash: HashMap::with_hasher(Hashed), seed, hand: 0 }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (u16, &Lane)> {
        self.lanes.iter().enumerate().map(|(at, lane)| (at as u16, lane))
    }

    pub(crate) fn len(&self) -> u16 {
        self.lanes.len() as u16
    }

    pub(crate) fn at(&self, lane: u16) -> &Lane {
        &self.lanes[usize::from(lane)]
    }

    pub(crate) fn at_mut(&mut self, lane: u16) -> &mut Lane {
        &mut self.lanes[usize::from(lane)]
    }

    /// A lane that is there already.
    pub(crate) fn find(&self, model: &str, family: Family, metered: Metered) -> Option<u16> {
        let lane = self.by_hash.get(&self.hash(model, family, metered)).copied()?;
        (*self.at(lane).model == *model).then_some(lane)
    }

    /// The lane of a call, made if it is not there yet; `terms` are those of a new lane.
    pub(crate) fn intern(
        &mut self,
        model: &str,
        family: Family,
        metered: Metered,
        terms: impl Fn() -> Terms,
    ) -> Interned {
        let hash = self.hash(model, family, metered);
        if let Some(lane) = self.by_hash.get(&hash).copied() {
            if *self.at(lane).model == *model {
                return Interned::Known(lane);
            }
            return self.overflow(family, terms());
        }
        if model.len() > MAX_MODEL_NAME || model == OVERFLOW {
            return self.overflow(family, terms());
        }
        match self.room(metered) {
            Some(at) => {
                let lane = Lane::new(model, family, metered, terms(), hash);
                Interned::New(self.put(at, lane))
            }
            None => self.overflow(family, terms()),
        }
    }

    fn overflow(&mut self, family: Family, terms: Terms) -> Interned {
        let everything = METERED.into_iter().fold(Metered::NONE, |sum, one| sum | one);
        let metered = if terms == Terms::Named { everything } else { Metered::NONE };
        let hash = self.hash(OVERFLOW, family, metered);
        if let Some(lane) = self.by_hash.get(&hash) {
            return Interned::Known(*lane);
        }
        let at = self.lanes.len();
        let lane = Lane::new(OVERFLOW, family, metered, terms, hash);
        Interned::New(self.put(at, Lane { pinned: true, ..lane }))
    }

    /// A free place in the table, made by giving up an idle lane if there is no other.
    fn room(&mut self, metered: Metered) -> Option<usize> {
        let is_metered = |lane: &Lane| !lane.metered.is_empty();
        let crowded = !metered.is_empty()
            && self.lanes.iter().filter(|lane| is_metered(lane)).count() >= MAX_METERED;
        if !crowded && self.lanes.len() < MAX_LANES {
            return Some(self.lanes.len());
        }
        for _ in 0..self.lanes.len() {
            let at = self.hand % self.lanes.len();
            self.hand = at + 1;
            let lane = &self.lanes[at];
            let idle = !lane.pinned && lane.users == 0 && lane.wakes.is_empty();
            if idle && (!crowded || is_metered(lane)) {
                self.by_hash.remove(&lane.hash);
                return Some(at);
            }
        }
        None
    }

    /// Where a lane is.
    pub(crate) fn place(&self, lane: u16) -> Place {
        let at = self.at(lane);
        Place { lane, quota: at.quota, family: at.family }
    }

    /// Whether calls of a lane are counted against a quota of their model's.
    pub(crate) fn is_metered(&self, lane: u16) -> bool {
        let at = self.at(lane);
        at.pinned && !at.model.is_empty() && &*at.model != OVERFLOW
    }

    /// Notes that a lane's calls are counted against another's quota: one is the other's alias.
    pub(crate) fn share(&mut self, lane: u16, with: u16) {
        let home = self.at(with).quota;
        if home == self.at(lane).quota || self.at(home).aliases.len() >= MAX_ALIASES {
            return;
        }
        let mut moved = std::mem::take(&mut self.at_mut(lane).aliases);
        moved.push(lane);
        for alias in &moved {
            self.at_mut(*alias).quota = home;
            self.at_mut(*alias).pinned = true;
        }
        let home = self.at_mut(home);
        home.pinned = true;
        home.aliases.extend(moved);
    }

    fn put(&mut self, at: usize, mut lane: Lane) -> u16 {
        lane.quota = at as u16;
        self.by_hash.insert(lane.hash, at as u16);
        match self.lanes.get_mut(at) {
            Some(old) => *old = lane,
            None => self.lanes.push(lane),
        }
        at as u16
    }

    fn hash(&self, model: &str, family: Family, metered: Metered) -> u64 {
        seeded(self.seed ^ kind(family, metered).rotate_left(17), model.as_bytes())
    }
}

/// A number for each kind of call, of 40 bits.
pub(crate) fn kind(family: Family, metered: Metered) -> u64 {
    let bits = METERED.iter().fold(0, |bits, one| bits << 1 | u64::from(metered.contains(*one)));
    (family as u64) << 32 | bits
}

/// Lanes besides the overflow lanes: a few times as many as Google has models.
const MAX_LANES: usize = 512;
/// Metered lanes among them: features combine in 63 ways, and a caller who tries them all must not
/// leave plain calls without lanes.
const MAX_METERED: usize = MAX_LANES / 2;
/// Names of one model: a few of Google's have two.
const MAX_ALIASES: usize = 16;
/// The model of an overflow lane; no model is called so.
pub(crate) const OVERFLOW: &str = "*";

#[cfg(test)]
mod tests {
    use super::*;

    fn intern(lanes: &mut Lanes, model: &str, metered: Metered) -> u16 {
        match lanes.intern(model, Family::Generate, metered, || Terms::Plain) {
            Interned::Known(lane) | Interned::New(lane) => lane,
        }
    }

    #[test]
    fn a_lane_is_known_again_by_all_that_makes_it() {
        let mut lanes = Lanes::new(1);
        let plain = intern(&mut lanes, "m", Metered::NONE);
        assert_eq!(intern(&mut lanes, "m", Metered::NONE), plain);
        assert_ne!(intern(&mut lanes, "n", Metered::NONE), plain);
        assert_ne!(intern(&mut lanes, "m", Metered::SEARCH), plain);
    }

    #[test]
    fn names_that_never_served_make_room_for_others() {
        let mut lanes = Lanes::new(1);
        let real = intern(&mut lanes, "real", Metered::NONE);
        lanes.at_mut(real).pinned = true;
        for number in 0..5_000 {
            intern(&mut lanes, &format!("garbage-{number}"), Metered::NONE);
        }
        assert_eq!(usize::from(lanes.len()), MAX_LANES);
        assert_eq!(intern(&mut lanes, "real", Metered::NONE), real);
    }

    #[test]
    fn when_every_lane_is_in_use_models_share_one() {
        let mut lanes = Lanes::new(1);
        for number in 0..MAX_LANES {
            let lane = intern(&mut lanes, &format!("model-{number}"), Metered::NONE);
            lanes.at_mut(lane).pinned = true;
        }
        let shared = intern(&mut lanes, "one more", Metered::NONE);
        assert_eq!(&*lanes.at(shared).model, OVERFLOW);
        assert_eq!(intern(&mut lanes, "and another", Metered::NONE), shared);
        let overlong = "x".repeat(MAX_MODEL_NAME + 1);
        assert_eq!(intern(&mut lanes, &overlong, Metered::NONE), shared);
    }
}
