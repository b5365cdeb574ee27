//! What the pool tells: to a contributor, the public, an operator and the store.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{
    id::{KeyId, Slot},
    key::{Class, Key, State},
    pool::Pool,
    record::{Census, LaneGauge, Me, MeCooldown, Metrics, Outlook, Summary},
    rest::{CooldownRecord, KEEP_ABOVE, Reach, Rest, Scope},
    time::Now,
    usage::Usage,
    wire::{Family, Metered},
};

impl<S: Clone> Pool<S> {
    /// A contributor's view of the own key.
    pub fn me(&self, id: KeyId, now: Now) -> Option<Me> {
        let slot = self.keys.find(id)?;
        let key = self.keys.get(slot)?;
        let (state, why) = state_words(key, now);
        let since = match key.apart.state {
            State::Disabled { since, .. } => Some(since),
            State::Active => None,
        };
        let mut resting: Vec<&Rest> = self.shown(key, now).collect();
        resting.sort_by_key(|rest| rest.until);
        Some(Me {
            id,
            state,
            why,
            since,
            added: key.added,
            cooldowns: resting.into_iter().map(|rest| self.me_cooldown(rest, now)).collect(),
            usage: self.usage(slot)?,
            limits: key.apart.limits.clone(),
        })
    }

    /// What the keys have left for plain calls of a model, as a contributor sees it who would
    /// borrow; nothing where the model is not known.
    pub fn outlook(
        &mut self,
        model: &str,
        family: Family,
        borrower: Option<KeyId>,
        now: Now,
    ) -> Option<Outlook> {
        let lane = self.lanes.find(model, family, Metered::NONE)?;
        let moment = self.moment(now);
        let beside = self.beside(lane);
        let slot = borrower.and_then(|id| self.keys.find(id));
        let borrower = self.borrower(slot, lane, now);
        let ledger = self.ledger_mut(lane);
        ledger.turn(moment.today);
        let bounded = ledger.is_bounded(beside);
        let day = bounded.then(|| ledger.outlook_of(borrower, beside, moment));
        Some(Outlook { day, minute: ledger.minute(moment.now) })
    }

    /// Keys by state.
    pub fn census(&self) -> Census {
        self.census
    }

    /// The public summary.
    pub fn summary(&self, now: Now) -> Summary {
        let served = self.lanes.all().map(|(_, lane)| lane).filter(|lane| lane.served);
        let mut ready = BTreeMap::<Box<str>, u32>::new();
        for lane in served.filter(|lane| !lane.model.is_empty() && &*lane.model != "*") {
            let keys = ready.entry(lane.model.clone()).or_default();
            *keys = (*keys).max(lane.ring.len());
        }
        Summary {
            keys: self.census,
            models: ready.keys().cloned().collect(),
            ready,
            last_hour: self.tally.last_hour(now.mono),
            hours: self.tally.last_day(now.wall),
        }
    }

    /// Counters for an operator's metrics.
    pub fn metrics(&self) -> Metrics {
        let pinned = self.lanes.all().map(|(_, lane)| lane).filter(|lane| lane.pinned);
        let gauge = |lane: &crate::lane::Lane| LaneGauge {
            model: lane.model.clone(),
            family: lane.family,
            metered: lane.metered,
            ready: lane.ring.len(),
        };
        Metrics {
            keys: self.census,
            exchanges: self.tally.exchanges,
            under_way: self.tally.under_way,
            ended: self.tally.outcomes(),
            waited: self.tally.waited,
            tokens: self.tally.tokens,
            verdicts: self.tally.verdicts(),
            refusals: self.tally.refusals(),
            cooldowns: self.tally.cooldowns(),
            lanes: pinned.map(gauge).collect(),
            kept_conversations: self.tally.kept_conversations,
            tombstones: self.tombstones.len() as u64,
        }
    }

    /// A key's cooldowns that are worth storing.
    pub(super) fn cooldowns(&self, slot: Slot, now: Now) -> Vec<CooldownRecord> {
        let Some(key) = self.keys.get(slot) else { return Vec::new() };
        let long = self.shown(key, now).filter(|rest| rest.until.since(now.mono) > KEEP_ABOVE);
        long.map(|rest| CooldownRecord {
            scope: self.scope(rest.reach),
            cause: rest.cause,
            until: now.wall_at(rest.until),
        })
        .collect()
    }

    /// A key's counts, the day's loans among them.
    pub(super) fn usage(&self, slot: Slot) -> Option<Usage> {
        self.keys.get(slot).map(|key| key.usage.into())
    }

    /// A key's rests as they are told: what rests under two names of one model is told under the
    /// one that was asked for.
    fn shown<'a>(&'a self, key: &'a Key<S>, now: Now) -> impl Iterator<Item = &'a Rest> {
        let quota_of = |rest: &Rest| match rest.reach {
            Reach::Lane(lane) => Some(self.lanes.at(lane).quota),
            _ => None,
        };
        let twice = move |rest: &&Rest| {
            key.rests.iter().any(|other| {
                let apart = other.until.since(rest.until).max(rest.until.since(other.until));
                let same = apart < ONE_MOMENT && other.reach != rest.reach;
                same && quota_of(other).is_some_and(|quota| rest.reach == Reach::Lane(quota))
            })
        };
        resting(key, now).filter(move |rest| !twice(rest))
    }

    pub(super) fn scope(&self, reach: Reach) -> Scope {
        match reach {
            Reach::Everything => Scope::Everything,
            Reach::Family(family) => Scope::Family(family),
            Reach::Lane(lane) => {
                let lane = self.lanes.at(lane);
                let model = lane.model.clone();
                Scope::Lane { model, family: lane.family, metered: lane.metered }
            }
        }
    }

    fn me_cooldown(&self, rest: &Rest, now: Now) -> MeCooldown {
        let (model, family, metered) = match self.scope(rest.reach) {
            Scope::Everything => (None, None, Metered::NONE),
            Scope::Family(family) => (None, Some(family), Metered::NONE),
            Scope::Lane { model, family, metered } => {
                (Some(model).filter(|model| !model.is_empty()), Some(family), metered)
            }
        };
        let until = now.wall_at(rest.until);
        MeCooldown { model, family, metered, why: rest.cause.words(), until }
    }
}

fn resting<S>(key: &Key<S>, now: Now) -> impl Iterator<Item = &Rest> {
    key.rests.iter().filter(move |rest| rest.until > now.mono)
}

pub(super) fn state_words<S>(key: &Key<S>, now: Now) -> (&'static str, &'static str) {
    let whole = resting(key, now).find(|rest| rest.reach == Reach::Everything);
    match (key.class_at(now.mono), key.apart.state) {
        (_, State::Disabled { reason, .. }) => ("disabled", reason.words()),
        (Class::Paused, _) => ("paused", "you paused it: it serves your own calls only"),
        (Class::Held, _) => {
            ("held", "many keys were refused at once; whether this one is good is being found out")
        }
        (Class::Resting, _) => ("resting", whole.map_or("", |rest| rest.cause.words())),
        _ => ("active", ""),
    }
}

/// Ends that are closer are one: the two clocks drift apart between the times they are read.
const ONE_MOMENT: Duration = Duration::from_secs(1);
