//! What the pool tells of itself: to the store, to a contributor, to the public.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use crate::{
    id::KeyId,
    key::State,
    limits::Limits,
    rest::CooldownRecord,
    tally::Hour,
    time::Wall,
    usage::Usage,
    wire::{Family, Metered},
};

/// A key as the store keeps it; its secret goes beside it, sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its id.
    pub id: KeyId,
    /// When it joined.
    pub added: Wall,
    /// What its contributor allows.
    pub limits: Limits,
    /// In service or not.
    pub state: State,
    /// Cooldowns longer than a minute.
    pub cooldowns: Vec<CooldownRecord>,
    /// What it gave and took.
    pub usage: Usage,
    /// What was learned of its quotas, as [`Event::Learned`](crate::Event::Learned) told it; empty
    /// where nothing is kept.
    pub learned: Box<str>,
}

/// What a contributor reads about the own key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Me {
    /// The key's id.
    pub id: KeyId,
    /// One word: `active`, `resting`, `held`, `paused` or `disabled`.
    pub state: &'static str,
    /// Why, in a sentence; empty when there is nothing to explain.
    pub why: &'static str,
    /// Since when, where that is known.
    pub since: Option<Wall>,
    /// When it joined.
    pub added: Wall,
    /// What rests, soonest end first.
    pub cooldowns: Vec<MeCooldown>,
    /// What it gave and took.
    pub usage: Usage,
    /// What its contributor allows.
    pub limits: Limits,
}

/// One cooldown in a contributor's view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeCooldown {
    /// The model, if it is about one.
    pub model: Option<Box<str>>,
    /// The kind of method, if it is about one.
    pub family: Option<Family>,
    /// Metered features, if it is about some.
    pub metered: Metered,
    /// Why, in a sentence.
    pub why: &'static str,
    /// Until when.
    pub until: Wall,
}

/// What the keys together have left on one quota, as far as limits are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outlook {
    /// Until midnight.
    pub day: Option<Room>,
    /// Within this minute.
    pub minute: Option<Room>,
}

/// How many calls there is room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Calls that may be made yet, by what is known.
    pub left: u64,
    /// Those of them that are kept for others: for what contributors' own keys would have served,
    /// and for who has borrowed less.
    pub kept: u64,
}

impl Room {
    /// Whether there is something left that is kept for nobody.
    pub(crate) fn has_more(self) -> bool {
        self.left > self.kept
    }
}

/// The public summary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Keys by state.
    pub keys: Census,
    /// Models that were served since the start, by name.
    pub models: Vec<Box<str>>,
    /// How many keys can serve each of them to others now.
    pub ready: BTreeMap<Box<str>, u32>,
    /// Attempts of the last hour, by verdict.
    pub last_hour: Vec<(&'static str, u64)>,
    /// The last day's exchanges by hours, oldest first.
    pub hours: Vec<Hour>,
}

/// Keys by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// In service; some models may rest.
    pub serving: u32,
    /// Resting for every model.
    pub resting: u32,
    /// Held back while everyone fails at once.
    pub held: u32,
    /// Paused by their contributors.
    pub paused: u32,
    /// Out until proven again.
    pub disabled: u32,
}

/// Counters for an operator's metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Keys by state.
    pub keys: Census,
    /// Exchanges begun.
    pub exchanges: u64,
    /// Exchanges under way.
    pub under_way: u64,
    /// Exchanges that ended, by what became of them.
    pub ended: Vec<(&'static str, u64)>,
    /// Exchanges that were told to wait for a key.
    pub waited: u64,
    /// Tokens that served exchanges took: all, and the prompts' among them.
    pub tokens: [u64; 2],
    /// Attempts by verdict, since the start.
    pub verdicts: Vec<(&'static str, u64)>,
    /// Exchanges refused here, by why.
    pub refusals: Vec<(&'static str, u64)>,
    /// Cooldowns begun, by cause.
    pub cooldowns: Vec<(&'static str, u64)>,
    /// Per lane: model, family, keys that can be lent there now.
    pub lanes: Vec<LaneGauge>,
    /// Conversations that went on with the key of their last turn.
    pub kept_conversations: u64,
    /// Keys that rest at least on one lane are not counted apart: see `lanes`.
    pub tombstones: u64,
}

/// One lane's gauge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneGauge {
    /// The model; empty where the method has none, `*` where lanes ran out.
    pub model: Box<str>,
    /// The kind of method.
    pub family: Family,
    /// Metered features.
    pub metered: Metered,
    /// Keys that can be lent here now.
    pub ready: u32,
}

// A pool in parts tells of itself as one: what its parts tell is added up here and nowhere else.

impl AddAssign for Census {
    fn add_assign(&mut self, other: Census) {
        self.serving += other.serving;
        self.resting += other.resting;
        self.held += other.held;
        self.paused += other.paused;
        self.disabled += other.disabled;
    }
}

impl AddAssign for Summary {
    fn add_assign(&mut self, other: Summary) {
        self.keys += other.keys;
        self.models.extend(other.models);
        self.models.sort_unstable();
        self.models.dedup();
        other
            .ready
            .into_iter()
            .for_each(|(model, keys)| *self.ready.entry(model).or_default() += keys);
        add(&mut self.last_hour, other.last_hour);
        other.hours.into_iter().for_each(|hour| add_hour(&mut self.hours, hour));
    }
}

fn add_hour(hours: &mut Vec<Hour>, other: Hour) {
    match hours.iter_mut().find(|hour| hour.at == other.at) {
        Some(hour) => {
            hour.served += other.served;
            hour.failed += other.failed;
            hour.waited += other.waited;
        }
        None => hours.push(other),
    }
}

impl AddAssign for Metrics {
    fn add_assign(&mut self, other: Metrics) {
        self.keys += other.keys;
        self.exchanges += other.exchanges;
        self.under_way += other.under_way;
        add(&mut self.ended, other.ended);
        self.waited += other.waited;
        self.tokens = std::array::from_fn(|at| self.tokens[at] + other.tokens[at]);
        add(&mut self.verdicts, other.verdicts);
        add(&mut self.refusals, other.refusals);
        add(&mut self.cooldowns, other.cooldowns);
        other.lanes.into_iter().for_each(|lane| add_lane(&mut self.lanes, lane));
        self.kept_conversations += other.kept_conversations;
        self.tombstones += other.tombstones;
    }
}

fn add(sums: &mut Vec<(&'static str, u64)>, more: Vec<(&'static str, u64)>) {
    for (name, count) in more {
        match sums.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += count,
            None => sums.push((name, count)),
        }
    }
}

fn add_lane(lanes: &mut Vec<LaneGauge>, more: LaneGauge) {
    let is = |lane: &&mut LaneGauge| {
        lane.model == more.model && lane.family == more.family && lane.metered == more.metered
    };
    match lanes.iter_mut().find(is) {
        Some(lane) => lane.ready += more.ready,
        None => lanes.push(more),
    }
}
