//! What a refusal teaches that names limits.
//!
//! Google names the one limit that was met, and by it the model whose quota was spent. Both are
//! taken as they are told; what is concluded from them for others is said in [`crate::quota`] and
//! in [`super::evidence`].

use crate::{
    call::Exchange,
    event::mark,
    id::Slot,
    meter::Meter,
    pool::{Pool, evidence::Shortfall},
    quota::Axis,
    time::Now,
    wire::Failure,
};

impl<S: Clone> Pool<S> {
    /// Learns limits from a refusal that names them; `late` where it speaks of yesterday.
    pub(super) fn learn(
        &mut self,
        x: &Exchange,
        slot: Slot,
        failure: &Failure,
        late: bool,
        now: Now,
    ) {
        let named = failure.quotas.iter().any(|quota| Axis::of(quota).is_some());
        let Some(lane) = x.lane.filter(|_| named && failure.status == 429) else { return };
        if self.keys.get(slot).is_none() || self.lanes.at(lane).model.is_empty() {
            return;
        }
        self.lanes.at_mut(lane).pinned = true;
        if !self.lanes.is_metered(lane) {
            return;
        }
        self.share_quota(lane, failure, now);
        let short = self.take_limits(slot, lane, failure, late, now);
        self.teach_tiers(slot, lane, now);
        if let Some(short) = short {
            self.fell_short(lane, short, now);
        }
    }

    /// Takes the limits in that a key was told, and says if it was refused below one.
    fn take_limits(
        &mut self,
        slot: Slot,
        lane: u16,
        failure: &Failure,
        late: bool,
        now: Now,
    ) -> Option<Shortfall> {
        let today = self.today(now);
        let mut short = None;
        for quota in &failure.quotas {
            let limit = quota.limit.filter(|limit| *limit > 0).and_then(|n| u32::try_from(n).ok());
            let (Some(axis), Some(limit)) = (Axis::of(quota), limit) else { continue };
            let meter = self.meter(slot, lane, now)?;
            if late {
                meter.told_late(axis, limit, today);
                continue;
            }
            let Some(counted) = meter.told(axis, limit, today, now.mono) else { continue };
            if counted > limit && axis == Axis::DayRequests {
                // More was served than one project may have: these keys are of several.
                self.part(self.head(slot), now);
            } else if counted < limit {
                short = Some(Shortfall { slot: self.head(slot), axis, counted, limit });
            }
        }
        short
    }

    /// What one project was told, all others of its tier are.
    fn teach_tiers(&mut self, slot: Slot, lane: u16, now: Now) {
        let Some(told) = self.meter(slot, lane, now).map(|meter| meter.allowance) else { return };
        self.mark(self.head(slot), mark::LEARNED);
        self.touch(slot, now);
        let ledger = self.ledger_mut(lane);
        let knew = ledger.day_limit().is_some();
        ledger.tiers.learn(&told);
        ledger.changed = true;
        if ledger.day_limit().is_some() && !knew {
            self.begin_ledger(lane, now);
        }
        self.book(slot, lane, now);
    }

    /// A first day's limit is known of a quota: everybody's calls of today are held against it.
    /// It takes a look at every key, once in the life of a quota.
    fn begin_ledger(&mut self, lane: u16, now: Now) {
        let quota = self.lanes.at(lane).quota;
        let Some(limit) = self.lanes.at(quota).ledger.day_limit() else { return };
        let mut taken = 0;
        for slot in self.keys.slots() {
            let Some(key) = self.keys.get_mut(slot) else { continue };
            let Some(meter) = key.meters.iter_mut().find(|m| m.lane == quota) else { continue };
            meter.taken = meter.taken.min(limit);
            taken += u64::from(meter.taken);
            self.weigh(slot, quota, now);
        }
        let moment = self.moment(now);
        self.lanes.at_mut(quota).ledger.begins(taken, moment);
    }

    /// A quota by another model's name is the other's: both names share it from now on.
    fn share_quota(&mut self, lane: u16, failure: &Failure, now: Now) {
        let told = failure.quotas.iter().find_map(|quota| quota.model.as_deref());
        let at = self.lanes.at(lane);
        let Some(name) = told.filter(|name| **name != *at.model) else { return };
        let known = |lane: u16| *self.lanes.at(lane).model == *name;
        if at.quota != lane && known(at.quota) {
            return;
        }
        let (family, metered) = (at.family, at.metered);
        let name = name.to_owned();
        let with = self.lane(&name, family, metered, now);
        if *self.lanes.at(with).model == *name {
            let had_its_own = self.lanes.at(lane).quota == lane;
            self.lanes.share(lane, with);
            if had_its_own && self.lanes.at(lane).quota != lane {
                self.move_accounts(lane, now);
            }
            self.fill(lane, now);
            let today = self.today(now);
            self.lanes.at_mut(with).ledger.is_used(today);
            // Kept with the rest that the same refusal means, or a restart knew one by two names.
            self.mark_quota(with);
        }
    }

    /// What was counted by a name that is known to be another's now, counts by the other. It takes a
    /// look at every key, once in the life of a name.
    fn move_accounts(&mut self, alias: u16, now: Now) {
        let (today, quota) = (self.today(now), self.lanes.at(alias).quota);
        self.lanes.at_mut(quota).ledger.turn(today);
        let has = |meter: &Meter| meter.lane == alias;
        for slot in self.keys.slots() {
            if self.keys.get(slot).is_some_and(|key| key.meters.iter().any(has)) {
                self.unbook(slot);
                self.move_account(slot, alias, quota);
                self.book_all(slot, now);
                self.rest_if_spent(slot, quota, now);
            }
        }
    }

    fn move_account(&mut self, slot: Slot, alias: u16, quota: u16) {
        let Some(key) = self.keys.get_mut(slot) else { return };
        let Some(mut moved) = key.close(alias) else { return };
        let taken = moved.taken.min(moved.own_day().unwrap_or(u32::MAX));
        let ledger = &mut self.lanes.at_mut(quota).ledger;
        ledger.recall_account(taken, moved.borrowed, None);
        moved.lane = quota;
        key.take_in(moved);
    }

    /// A prompt alone was larger than a minute of the key's: such prompts are not for it.
    pub(super) fn outgrown_by_prompt(&mut self, slot: Slot, lane: u16, now: Now) {
        self.lanes.at_mut(lane).pinned = true;
        if let Some(meter) = self.meter(slot, lane, now) {
            meter.outgrown_by_prompt(now.mono);
        }
        self.mark(self.head(slot), mark::LEARNED);
    }
}
