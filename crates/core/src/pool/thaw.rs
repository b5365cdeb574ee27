//! How keys come back whose day was spent.
//!
//! They all wake at midnight in California, by our clock, which is not Google's: whoever tries them
//! all at that moment has them all refused. So one is tried first, and when it serves the others
//! follow; when Google says that the day is not over, all wait a little.

use std::time::Duration;

use crate::{
    id::Slot,
    pool::Pool,
    rest::{Cause, Reach},
    time::{Mono, Now},
};

impl<S: Clone> Pool<S> {
    /// Until when a key rests that Google says has spent its day.
    pub(super) fn day_rests_until(&mut self, slot: Slot, lane: u16, now: Now) -> Mono {
        let midnight = now.mono_at(self.day_end(now));
        let moment = self.moment(now);
        let young = moment.hours_left > 24.0 - YOUNG_HOURS;
        let quota = self.lanes.at(lane).quota;
        let thaw = self.lanes.at(quota).thaw;
        // Who has spent little of a day that has just begun is told of yesterday's.
        let spent_before = self.rested_for_the_day(slot, quota);
        if !young || !spent_before || thaw.seen == moment.today {
            return midnight;
        }
        let again = now.mono + NOT_YET;
        self.lanes.at_mut(quota).thaw.not_before = again;
        again
    }

    /// A key served: if its day had been spent, the new day has begun at Google's too.
    pub(super) fn thawed(&mut self, slot: Slot, lane: u16, now: Now) {
        let quota = self.lanes.at(lane).quota;
        if self.rested_for_the_day(slot, quota) {
            let today = self.moment(now).today;
            self.lanes.at_mut(quota).thaw.seen = today;
            if let Some(key) = self.keys.get_mut(slot) {
                key.lift(|rest| {
                    let over = rest.until <= now.mono;
                    rest.reach == Reach::Lane(quota) && rest.cause == Cause::Day && over
                });
            }
        }
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

    fn rested_for_the_day(&self, slot: Slot, quota: u16) -> bool {
        self.keys.get(slot).is_some_and(|key| {
            let of_day = |rest: &crate::rest::Rest| {
                rest.reach == Reach::Lane(quota) && rest.cause == Cause::Day
            };
            key.rests.iter().any(of_day)
        })
    }
}

/// So long after midnight a refusal for the day may be yesterday's: Google's counters and clocks
/// were never seen more than minutes apart from ours.
const YOUNG_HOURS: f32 = 0.25;
/// Then the key is tried again after this long.
const NOT_YET: Duration = Duration::from_secs(30);
/// Resting keys woken by one call: a few are enough for it.
const WAKES_PER_CALL: u32 = 32;
