//! How keys come back whose day was spent.
//!
//! They all wake at midnight in California, by our clock, which is not Google's: whoever tries them
//! all at that moment has them all refused. So one is tried first, and when it serves the others
//! follow; when Google says that the day is not over, all wait a little.

use std::time::Duration;

use crate::{
    id::Slot,
    pool::Pool,
    rest::{Cause, Reach, Rest},
    time::{Mono, Now},
};

impl<S: Clone> Pool<S> {
    /// Whether what Google says is spent is yesterday's quota: a day has just begun, and the key had
    /// spent the one before to its end.
    pub(super) fn is_yesterdays(&mut self, slot: Slot, lane: u16, now: Now) -> bool {
        let moment = self.moment(now);
        let quota = self.lanes.at(lane).quota;
        let young = moment.hours_left > 24.0 - YOUNG_HOURS;
        young
            && self.spent_before(slot, quota, now)
            && self.lanes.at(quota).thaw.seen != moment.today
    }

    /// Until when a key rests that Google says has spent its day.
    pub(super) fn day_rests_until(&mut self, slot: Slot, lane: u16, now: Now) -> Mono {
        if !self.is_yesterdays(slot, lane, now) {
            return now.mono_at(self.day_end(now));
        }
        let again = now.mono + NOT_YET;
        let quota = self.lanes.at(lane).quota;
        self.lanes.at_mut(quota).thaw.not_before = again;
        again
    }

    /// A key served: if its day had been spent, the new day has begun at Google's too.
    pub(super) fn thawed(&mut self, slot: Slot, lane: u16, now: Now) {
        let quota = self.lanes.at(lane).quota;
        if !self.spent_before(slot, quota, now) {
            return;
        }
        let today = self.today(now);
        self.lanes.at_mut(quota).thaw.seen = today;
        if let Some(meter) = self.meter(slot, lane, now) {
            meter.thaws();
        }
        if let Some(key) = self.keys.get_mut(slot) {
            key.lift(|rest| is_of_day(rest, quota) && rest.until <= now.mono);
        }
    }

    /// Whether a key waits for others of its kind to find out that the day is over.
    pub(super) fn is_frozen(&self, slot: Slot, lane: u16, now: Now) -> bool {
        let quota = self.lanes.at(lane).quota;
        self.lanes.at(quota).thaw.not_before > now.mono && self.spent_before(slot, quota, now)
    }

    /// How many resting keys one call may wake.
    pub(super) fn wakes(&mut self, lane: u16, now: Now) -> u32 {
        let moment = self.moment(now);
        let thaw = self.lanes.at(self.lanes.at(lane).quota).thaw;
        match moment.hours_left > 24.0 - YOUNG_HOURS && thaw.seen != moment.today {
            _ if thaw.not_before > now.mono => 0,
            true => 1,
            false => WAKES_PER_CALL,
        }
    }

    /// Whether a key's day before this one was spent to its end, by its account or its old rest.
    fn spent_before(&self, slot: Slot, quota: u16, now: Now) -> bool {
        let today = self.today(now);
        let by_count = self.keys.meter(slot, quota).is_some_and(|meter| meter.was_spent(today));
        let over = |rest: &Rest| is_of_day(rest, quota) && rest.until <= now.mono;
        by_count || self.keys.get(slot).is_some_and(|key| key.rests.iter().any(over))
    }
}

fn is_of_day(rest: &Rest, quota: u16) -> bool {
    rest.reach == Reach::Lane(quota) && rest.cause == Cause::Day
}

/// So long after midnight a refusal for the day may be yesterday's: Google's counters and clocks
/// were never seen more than minutes apart from ours.
const YOUNG_HOURS: f32 = 0.25;
/// Then the key is tried again after this long.
const NOT_YET: Duration = Duration::from_secs(30);
/// Resting keys woken by one call: a few are enough for it.
const WAKES_PER_CALL: u32 = 32;
