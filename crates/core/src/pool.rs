//! The pool itself. Its parts, by what they are about:
//!
//! - `exchange`: begin, next, finish; `pick`: which key; `report`: what an answer means for the
//!   exchange; `effect`: what it means for the key;
//! - `probe`: asking whether a key lives; `timer`: what time brings;
//! - `books`: what was used, by key, model and day;
//! - `contributor`: limits and withdrawal; `operator`: what operators do with keys; `events`: what is to be stored; `learned`: of quotas;
//!   `view`: what is told; `watch`: what is seen as it happens.

mod account;
mod beyond;
mod books;
mod contributor;
mod effect;
mod events;
mod evidence;
mod exchange;
mod kin;
mod learned;
mod operator;
mod pick;
mod probe;
mod report;
mod restore;
mod share;
mod thaw;
mod timer;
mod told;
mod view;
mod watch;

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap, VecDeque},
};

use crate::{
    assoc::Assoc,
    budget::Budget,
    config::Config,
    guard::Guard,
    id::{KeyId, Slot, Tombstone, stir},
    key::{Class, Key},
    keys::Keys,
    lane::{Interned, Lanes, Terms},
    record::Census,
    refused::Refused,
    ring::Ring,
    tally::Tally,
    time::{Mono, Now, Wall, next_midnight},
    wire::{Family, Metered},
};

use books::Books;
pub use books::{Amount, Used};
use contributor::Tombstones;
pub use contributor::{Changed, Withdrawal};
use events::Events;
pub(crate) use evidence::Shortfalls;
use evidence::Suspicion;
pub use operator::{Listing, Sought};
pub use probe::judge_probe;
use timer::Job;
pub use timer::Why;
use watch::Watch;
pub use watch::{Seen, Sight};

/// All keys, what is known of them, and which of them serves a call now.
///
/// The driver owns the pool (behind a lock, or in one task) and calls, always with the present
/// time:
///
/// 1. At the start [`restore_quota`](Self::restore_quota) for every quota that was learned of,
///    [`restore`](Self::restore) for every stored key and
///    [`restore_tombstone`](Self::restore_tombstone) for every withdrawn one.
/// 2. Per call, *commands* in this order: [`begin`](Self::begin); then
///    [`next`](Self::next), send, [`report`](Self::report), until an answer goes to the caller;
///    [`admitted`](Self::admitted) in between when the key was stored;
///    [`interrupted`](Self::interrupted) if the answer fails after its head; and
///    [`finish`](Self::finish) in every case, also when the caller left. `next` never waits: what
///    it says is done without the lock. `report` and the `next` that follows `Again` belong under
///    one lock.
/// 3. Of contributors, commands too: [`change`](Self::change), [`withdraw`](Self::withdraw); of
///    operators [`put_out`](Self::put_out), [`put_back`](Self::put_back),
///    [`erase`](Self::erase), [`restore`](Self::restore) of a key that they add, and
///    [`watch`](Self::watch).
/// 4. After any of these [`poll_event`](Self::poll_event) until it is empty; a probe it asks for
///    is answered by [`probed`](Self::probed).
/// 5. At the time [`poll_timeout`](Self::poll_timeout) names,
///    [`handle_timeout`](Self::handle_timeout), then events again.
///
/// Getters ([`knows`](Self::knows), [`me`](Self::me), [`summary`](Self::summary),
/// [`metrics`](Self::metrics), [`list`](Self::list), [`key_count`](Self::key_count), [`leases`](Self::leases)) change
/// nothing and may be called at any time.
#[derive(Debug)]
pub struct Pool<S> {
    config: Config,
    rng: u64,
    keys: Keys<S>,
    lanes: Lanes,
    /// Keys lent for every plain call: what the ring of a new lane starts with.
    lent: Ring,
    /// Keys lent with exceptions: each is looked at when a lane is new.
    picky: BTreeSet<u32>,
    census: Census,
    /// Ends of rests that reach beyond a lane, and of lending days; may be out of date.
    wakes: BinaryHeap<Reverse<(Mono, Slot)>>,
    agenda: BinaryHeap<Reverse<(Mono, Job)>>,
    /// Which key had the last turn of a conversation.
    talks: Assoc<Slot>,
    /// Projects that Google named, and a key of each.
    projects: Assoc<Slot>,
    suspicions: Vec<Suspicion>,
    /// Keys that evidence alone says share a project, and how often that stood the test.
    guesses: VecDeque<(Slot, u8)>,
    /// Keys whose project's accounts another key keeps.
    siblings: u32,
    refused: Refused,
    budget: Budget,
    guard: Guard,
    tally: Tally,
    watch: Watch,
    books: Books,
    /// Models of which a key was told that its limit is zero, and until when that is believed.
    billed: Vec<(Box<str>, Mono)>,
    tombstones: Tombstones,
    events: Events,
    midnight: Wall,
}

impl<S: Clone> Pool<S> {
    /// An empty pool; the seed makes its hashes and jitters unforeseeable.
    pub fn new(config: Config, seed: u64) -> Self {
        let mut rng = seed;
        let seeds = [stir(&mut rng), stir(&mut rng)];
        Pool {
            talks: Assoc::new(config.conversations),
            projects: Assoc::new(MAX_PROJECTS),
            suspicions: Vec::new(),
            guesses: VecDeque::new(),
            siblings: 0,
            config,
            rng,
            keys: Keys::new(),
            lanes: Lanes::new(seeds[0]),
            lent: Ring::default(),
            picky: BTreeSet::new(),
            census: Census::default(),
            wakes: BinaryHeap::new(),
            agenda: BinaryHeap::new(),
            refused: Refused::new(seeds[1]),
            budget: Budget::default(),
            guard: Guard::default(),
            tally: Tally::default(),
            watch: Watch::default(),
            books: Books::default(),
            billed: Vec::new(),
            tombstones: Tombstones::default(),
            events: Events::default(),
            midnight: Wall(i64::MIN),
        }
    }

    /// Whether the key is in the pool, in whatever state.
    pub fn knows(&self, id: KeyId) -> bool {
        self.keys.find(id).is_some()
    }

    /// A key's state, if it is in the pool.
    pub fn state(&self, id: KeyId) -> Option<crate::key::State> {
        self.keys.get(self.keys.find(id)?).map(|key| key.apart.state)
    }

    /// What a key's contributor allows.
    pub fn limits(&self, id: KeyId) -> Option<&crate::limits::Limits> {
        self.keys.get(self.keys.find(id)?).map(|key| &key.apart.limits)
    }

    /// Whether the key was withdrawn by its contributor.
    pub fn is_withdrawn(&self, tombstone: Tombstone) -> bool {
        self.tombstones.contains(tombstone)
    }

    /// Keys that can serve now or after a cooldown.
    pub fn key_count(&self) -> usize {
        let census = &self.census;
        census.serving as usize + census.resting as usize + census.held as usize
    }

    /// Attempts under way with a key, of a withdrawn one as well.
    pub fn leases(&self, slot: Slot) -> u32 {
        self.keys.leases(slot)
    }

    /// Whether one more key may join.
    pub fn has_room(&self) -> bool {
        self.keys.len() < self.config.max_keys.min(crate::ring::CAPACITY)
    }

    /// The lane of a call.
    fn lane(&mut self, model: &str, family: Family, metered: Metered, now: Now) -> u16 {
        // Lists and state are not counted by model.
        let model = if matches!(family, Family::Models | Family::Other) { "" } else { model };
        let billed = &self.billed;
        let terms = || terms(billed, model, family, metered);
        match self.lanes.intern(model, family, metered, terms) {
            Interned::Known(lane) => lane,
            Interned::New(lane) => {
                self.fill(lane, now);
                // Lanes start at different keys, or rarely asked models would all go to the first.
                let start = stir(&mut self.rng);
                self.lanes.at_mut(lane).ring.turn_to(start);
                lane
            }
        }
    }

    /// Fills a lane's ring anew; whose turn it is stays.
    fn fill(&mut self, lane: u16, now: Now) {
        let plain = self.lanes.at(lane).terms == Terms::Plain;
        let mut ring = if plain { self.lent.clone() } else { Ring::default() };
        ring.go_on(&self.lanes.at(lane).ring);
        self.lanes.at_mut(lane).ring = ring;
        // Lanes filled anew may rest keys already.
        let quota = self.lanes.at(lane).quota;
        let wakes = [lane, quota].into_iter().flat_map(|lane| &self.lanes.at(lane).wakes);
        let resting: Vec<u32> = wakes.map(|Reverse((_, slot))| slot.at).collect();
        for at in self.picky.iter().copied().chain(resting) {
            let Some((_, key)) = self.keys.at(at) else { continue };
            let lends = lends(key, &self.lanes, lane, now);
            self.lanes.at_mut(lane).ring.set(at, lends);
        }
    }

    /// Brings every ring and the census in line with a key's state.
    fn sync(&mut self, slot: Slot, now: Now) {
        let Some(key) = self.keys.get(slot) else { return };
        let open = key.is_lent(now.wall) && !key.rests_whole(now.mono);
        let simple = key.apart.limits.lend_models.is_none() && !key.rests_somewhere(now.mono);
        self.lent.set(slot.at, open && simple);
        match open && !simple {
            true => drop(self.picky.insert(slot.at)),
            false => drop(self.picky.remove(&slot.at)),
        }
        for lane in 0..self.lanes.len() {
            let lends = lends(key, &self.lanes, lane, now);
            self.lanes.at_mut(lane).ring.set(slot.at, lends);
        }
        let class = key.class_at(now.mono);
        self.count(slot, class);
        self.book_all(slot, now);
    }

    /// Brings the rings of a lane, and of those that share its quota, in line with a key's rests.
    fn sync_lane(&mut self, slot: Slot, lane: u16, now: Now) {
        self.sync_ring(slot, lane, now);
        for at in 0..self.lanes.at(lane).aliases.len() {
            let alias = self.lanes.at(lane).aliases[at];
            self.sync_ring(slot, alias, now);
        }
        self.book(slot, lane, now);
    }

    fn sync_ring(&mut self, slot: Slot, lane: u16, now: Now) {
        let Some(key) = self.keys.get(slot) else { return };
        let lends = lends(key, &self.lanes, lane, now);
        self.lanes.at_mut(lane).ring.set(slot.at, lends);
    }

    /// Takes a removed key's place out of every ring.
    fn clear_place(&mut self, at: u32) {
        self.lent.set(at, false);
        self.picky.remove(&at);
        for lane in 0..self.lanes.len() {
            self.lanes.at_mut(lane).ring.set(at, false);
        }
    }

    /// Moves a key to its class in the census.
    fn count(&mut self, slot: Slot, class: Class) {
        let Some(key) = self.keys.get_mut(slot) else { return };
        let old = std::mem::replace(&mut key.class, class);
        if let Some(count) = of_class(&mut self.census, old) {
            *count -= 1;
        }
        if let Some(count) = of_class(&mut self.census, class) {
            *count += 1;
        }
    }

    /// The end of Google's present day.
    fn day_end(&mut self, now: Now) -> Wall {
        let cached = self.midnight.0.saturating_sub(now.wall.0);
        if !(1..=LONGEST_DAY_MS).contains(&cached) {
            self.midnight = next_midnight(now.wall);
            self.agenda.push(Reverse((now.mono, Job::Roll(0))));
        }
        self.midnight
    }
}

/// Whether a key may be chosen for another's call in a lane now.
fn lends<S>(key: &Key<S>, lanes: &Lanes, number: u16, now: Now) -> bool {
    let lane = lanes.at(number);
    key.is_lent(now.wall)
        && lane.terms.allow(&key.apart.limits, &lane.model)
        && key.rest(lanes.place(number), now.mono).is_none()
}

/// Who lends what: what somebody pays for is lent by name only.
fn terms(billed: &[(Box<str>, Mono)], model: &str, family: Family, metered: Metered) -> Terms {
    let is_billed = billed.iter().any(|(name, _)| **name == *model);
    match metered.is_empty() && family != Family::Predict && !is_billed {
        true => Terms::Plain,
        false => Terms::Named,
    }
}

fn of_class(census: &mut Census, class: Class) -> Option<&mut u32> {
    match class {
        Class::Nothing => None,
        Class::Serving => Some(&mut census.serving),
        Class::Resting => Some(&mut census.resting),
        Class::Held => Some(&mut census.held),
        Class::Paused => Some(&mut census.paused),
        Class::Disabled => Some(&mut census.disabled),
    }
}

/// Projects remembered by name: Google names one now and then.
const MAX_PROJECTS: u32 = 1 << 14;
/// Days have up to 25 hours; a cached midnight farther away shows that the clock was set back.
const LONGEST_DAY_MS: i64 = 25 * 3600 * 1000;
