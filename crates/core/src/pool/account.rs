//! Counting what is sent against what may be spent.
//!
//! Every attempt is counted when it is made, taken back when Google refused it, and put right when
//! its tokens are known. A key whose quota is spent by the count rests as if Google had said so.

use crate::{
    call::Exchange,
    event::mark,
    habit::Habit,
    id::Slot,
    key::Kin,
    lane::Terms,
    ledger::{Beside, Moment},
    meter::{Booked, Meter, is_settled},
    pool::{LONGEST_DAY_MS, Pool},
    quota::Axis,
    rest::{Cause, Reach},
    time::{Mono, Now, next_midnight},
    verdict::Verdict,
    wire::Failure,
};

impl<S: Clone> Pool<S> {
    /// The present moment, for ledgers and meters.
    pub(super) fn moment(&mut self, now: Now) -> Moment {
        let midnight = self.day_end(now);
        let left = midnight.0.saturating_sub(now.wall.0).max(0);
        Moment { today: day_of(midnight.0), hours_left: left as f32 / HOUR_MS, now: now.mono }
    }

    /// The day's number.
    pub(super) fn today(&self, now: Now) -> u32 {
        let cached = self.midnight.0.saturating_sub(now.wall.0);
        match (1..=LONGEST_DAY_MS).contains(&cached) {
            true => day_of(self.midnight.0),
            false => day_of(next_midnight(now.wall).0),
        }
    }

    /// A key's account of a lane's quota, turned to the present day, and the day.
    pub(super) fn meter(&mut self, slot: Slot, lane: u16, now: Now) -> Option<&mut Meter> {
        let today = self.today(now);
        let quota = self.lanes.at(lane).quota;
        self.lanes.at_mut(quota).ledger.turn(today);
        let head = self.head(slot);
        let key = self.keys.get_mut(head)?;
        let at = match key.meters.iter().position(|meter| meter.lane == quota) {
            Some(at) => at,
            None => key.open(Meter::new(quota, today)),
        };
        let meter = key.meters.get_mut(at)?;
        meter.turn(today);
        Some(meter)
    }

    /// Counts an attempt against its key's quota.
    pub(super) fn spend(&mut self, x: &mut Exchange, slot: Slot, now: Now) {
        let Some(lane) = x.lane.filter(|lane| self.lanes.is_metered(*lane)) else { return };
        let Some(meter) = self.meter(slot, lane, now) else { return };
        meter.spend(x.prompt_tokens, now.mono);
        // Now: by the time the answer is there, another may have told that the day is spent.
        x.beyond |= meter.is_beyond_own_day();
        (x.spent, x.spent_tokens) = (Some(now.mono), x.prompt_tokens);
        self.ledger_mut(lane).sends(now.mono);
        self.weigh(slot, lane, now);
        self.touch(slot, now);
    }

    /// Takes an attempt back that spent nothing.
    pub(super) fn unspend(&mut self, x: &mut Exchange, slot: Slot, now: Now) {
        let (Some(lane), Some(at)) = (x.lane, x.spent.take()) else { return };
        let tokens = x.spent_tokens;
        if let Some(meter) = self.meter(slot, lane, now) {
            meter.unspend(tokens, at);
        }
        self.weigh(slot, lane, now);
        self.touch(slot, now);
    }

    /// Puts a call's tokens right, now that they are known.
    pub(super) fn settle_tokens(&mut self, x: &Exchange, slot: Slot, tokens: u64, now: Now) {
        let (Some(lane), Some(_)) = (x.lane, x.spent) else { return };
        let actual = u32::try_from(tokens).unwrap_or(u32::MAX);
        if let Some(meter) = self.meter(slot, lane, now).filter(|_| actual > 0) {
            meter.settle(x.spent_tokens, actual, now.mono);
            self.rest_if_spent(slot, lane, now);
        }
    }

    /// What an attempt's end says about its key's quota.
    pub(super) fn account(
        &mut self,
        x: &mut Exchange,
        slot: Slot,
        verdict: Verdict,
        failure: Option<&Failure>,
        now: Now,
    ) {
        let refused = spends_nothing(verdict);
        match (verdict, x.spent) {
            (Verdict::Served, None) => {
                // The lane is known to be a model's only now.
                if let Some(lane) = x.lane.filter(|_| self.keys.get(slot).is_some()) {
                    let at = self.lanes.at_mut(lane);
                    (at.pinned, at.served) = (true, true);
                }
                self.spend(x, slot, now);
            }
            (Verdict::Served, Some(_)) if x.beyond => self.outgrew(x, slot, now),
            _ if refused => self.unspend(x, slot, now),
            _ => {}
        }
        if std::mem::take(&mut x.beyond) && verdict.blames_quota() {
            self.stood(slot);
        }
        if let Some(failure) = failure.filter(|_| refused) {
            let late = x.lane.is_some_and(|lane| self.is_yesterdays(slot, lane, now));
            self.learn(x, slot, failure, late && verdict == Verdict::Day, now);
        }
    }

    /// Rests the keys of a project whose quota is spent by the count, and books what is left.
    pub(super) fn weigh(&mut self, slot: Slot, lane: u16, now: Now) {
        self.book(slot, lane, now);
        self.rest_if_spent(slot, lane, now);
    }

    /// Rests the keys of a project whose quota is spent by the count; tokens alone are not booked.
    pub(super) fn rest_if_spent(&mut self, slot: Slot, lane: u16, now: Now) {
        let midnight = now.mono_at(self.day_end(now));
        let quota = self.lanes.at(lane).quota;
        let head = self.head(slot);
        let Some(key) = self.keys.get_mut(head) else { return };
        let Some(meter) = key.meters.iter_mut().find(|meter| meter.lane == quota) else { return };
        match meter.spent_until(midnight, now.mono) {
            Some((cause, until)) => self.rest_counted(slot, quota, cause, until, now),
            None => self.unrest(slot, quota, now),
        }
    }

    /// Puts a project to rest by the count.
    fn rest_counted(&mut self, slot: Slot, quota: u16, cause: Cause, until: Mono, now: Now) {
        let reach = Reach::Lane(quota);
        self.of_project(slot, |pool, slot| {
            let Some(key) = pool.keys.get_mut(slot) else { return };
            if key.put_counted(reach, cause, until, now.mono) {
                pool.saw_rest(slot, reach, cause, now);
            }
            pool.rested(slot, reach, now);
        });
    }

    /// Lets a project serve again that rested by a count which was taken back.
    pub(super) fn unrest(&mut self, slot: Slot, quota: u16, now: Now) {
        let reach = Reach::Lane(quota);
        self.of_project(slot, |pool, slot| {
            if pool.keys.get_mut(slot).is_some_and(|key| key.uncount(reach, now.mono)) {
                pool.rested(slot, reach, now);
                pool.mark(slot, mark::COOLDOWNS);
            }
        });
    }

    /// Puts all keys of a project to rest for a quota.
    pub(super) fn rest_project(
        &mut self,
        slot: Slot,
        quota: u16,
        cause: Cause,
        until: Mono,
        now: Now,
    ) {
        self.of_project(slot, |pool, slot| {
            pool.rest(slot, Reach::Lane(quota), cause, until, now);
        });
    }

    /// Brings a lane's ledger in line with what a key's project has left.
    pub(super) fn book(&mut self, slot: Slot, lane: u16, now: Now) {
        let quota = self.lanes.at(lane).quota;
        let head = self.head(slot);
        let has = |meter: &Meter| meter.lane == quota;
        if !self.keys.get(head).is_some_and(|key| key.meters.iter().any(has)) {
            return;
        }
        let lends = self.lends_at_all(head, quota, now);
        let day_is_spent = self.day_is_spent(head, quota, now);
        let today = self.today(now);
        let beside = self.beside(quota);
        let Some(key) = self.keys.get_mut(head) else { return };
        let Some(meter) = key.meters.iter_mut().find(|meter| has(meter)) else { return };
        let ledger = &mut self.lanes.at_mut(quota).ledger;
        ledger.turn(today);
        meter.turn(today);
        meter.complete(&ledger.tiers, ledger.is_bounded(beside));
        let new = booked(meter, ledger.day_limit(), lends, day_is_spent);
        ledger.rebook(std::mem::replace(&mut meter.booked, new), new, meter.taken);
    }

    /// Takes a key's accounts out of every ledger.
    pub(super) fn unbook(&mut self, slot: Slot) {
        let Some(key) = self.keys.get_mut(slot) else { return };
        for meter in &mut key.meters {
            let ledger = &mut self.lanes.at_mut(meter.lane).ledger;
            // What was spent on a former day is in the ledger no more.
            if meter.recency().0 < ledger.day() {
                meter.turn(ledger.day());
            }
            let old = std::mem::take(&mut meter.booked);
            ledger.rebook(old, Booked::default(), meter.taken);
        }
    }

    /// Brings every ledger in line that has an account of a key.
    pub(super) fn book_all(&mut self, slot: Slot, now: Now) {
        let head = self.head(slot);
        let count = self.keys.get(head).map_or(0, |key| key.meters.len());
        for at in 0..count {
            let lane = self.keys.get(head).and_then(|key| key.meters.get(at)).map(|m| m.lane);
            lane.into_iter().for_each(|lane| self.book(head, lane, now));
        }
    }

    pub(super) fn ledger_mut(&mut self, lane: u16) -> &mut crate::ledger::Ledger {
        let quota = self.lanes.at(lane).quota;
        &mut self.lanes.at_mut(quota).ledger
    }

    /// Whether some key of a project is lent on a quota, spent quotas apart.
    fn lends_at_all(&self, head: Slot, quota: u16, now: Now) -> bool {
        let lends = |slot: Slot| {
            let lane = self.lanes.at(quota);
            let at = self.lanes.place(quota);
            self.keys.get(slot).is_some_and(|key| {
                let rests = key.rest(at, now.mono).is_some_and(|rest| !rest.cause.is_quota());
                key.is_lent(now.wall) && !rests && lane.terms.allow(&key.apart.limits, &lane.model)
            })
        };
        match self.keys.get(head).and_then(|key| key.apart.kin.as_deref()) {
            Some(Kin::Heads(others)) => lends(head) || others.iter().any(|slot| lends(*slot)),
            _ => lends(head),
        }
    }

    /// Whether a project's day is spent, by Google's word or by the count.
    fn day_is_spent(&self, head: Slot, quota: u16, now: Now) -> bool {
        let at = self.lanes.place(quota);
        let rest = self.keys.get(head).and_then(|key| key.rest(at, now.mono));
        rest.is_some_and(|rest| rest.cause == Cause::Day)
    }

    /// What a lane's ledger does not know itself.
    pub(super) fn beside(&self, lane: u16) -> Beside {
        Beside { newcomers: self.newcomers(lane), parts: self.config.parts }
    }

    /// Keys that are lent for plain calls and of which a lane's ledger knows nothing.
    fn newcomers(&self, lane: u16) -> u32 {
        let quota = self.lanes.at(self.lanes.at(lane).quota);
        match quota.terms {
            Terms::Plain => {
                let lent = self.lent.len().saturating_sub(self.siblings);
                lent.saturating_sub(quota.ledger.projects())
            }
            Terms::Named => 0,
        }
    }
}

fn booked(meter: &Meter, likely: Option<u32>, lends: bool, day_is_spent: bool) -> Booked {
    if !lends {
        return Booked::default();
    }
    let told = meter.own_day();
    let capacity = told.or(likely.map(|limit| outlasting(limit, meter.requests()))).unwrap_or(0);
    let spent = if day_is_spent { capacity } else { meter.requests().min(capacity) };
    let a_minute = meter.allowance.limit(Axis::MinuteRequests);
    let Habit { usual, spread, clump } = match capacity {
        0 => Habit::default(),
        _ => meter.habit.within(capacity),
    };
    Booked {
        capacity,
        spent,
        a_minute: a_minute.filter(|_| !day_is_spent).unwrap_or(0),
        boundless: a_minute.is_none() && !day_is_spent,
        counts: true,
        told: told.is_some(),
        usual,
        spread,
        clump,
        settled: is_settled(meter.taken, usual),
    }
}

/// What a project that was told no limit is taken to have: as much as is usual, and twice as much
/// whenever that is proven to be too little.
fn outlasting(usual: u32, spent: u32) -> u32 {
    let mut limit = usual.max(1);
    while limit <= spent {
        limit = limit.saturating_mul(2);
    }
    limit
}

/// Whether an attempt that ended so is given back: Google counts what it serves, and what is at
/// fault itself.
fn spends_nothing(verdict: Verdict) -> bool {
    let nobody = matches!(verdict, Verdict::TooLarge(_) | Verdict::Trouble | Verdict::OurPlace);
    nobody || verdict.blames_key()
}

fn day_of(midnight_ms: i64) -> u32 {
    u32::try_from(midnight_ms / DAY_MS).unwrap_or(0)
}

const DAY_MS: i64 = 24 * 3600 * 1000;
const HOUR_MS: f32 = 3_600_000.0;
