//! Trying what only the pool's own count forbids.
//!
//! Google raises limits without a word, and who spends of a key's day elsewhere may have done with it. So
//! where nothing else is left, a key may be tried that rests by the count alone; but seldom, for the
//! attempt is likely lost.

use std::cmp::Reverse;

use crate::{
    call::{Exchange, Share},
    event::mark,
    id::Slot,
    pool::Pool,
    rest::Rest,
    time::Now,
};

impl<S: Clone> Pool<S> {
    /// A key that rests by the count alone, whose limit may be tried: where nothing else is left,
    /// a call that would be refused here finds out whether Google still refuses it.
    pub(super) fn beyond(&mut self, x: &mut Exchange, now: Now) -> Option<Slot> {
        let lane = x.lane.filter(|lane| self.lanes.is_metered(*lane))?;
        let quota = self.lanes.at(lane).quota;
        let looks = if x.share == Some(Share::Nothing) { 0 } else { BEYOND_LOOKS };
        let lent = self.lanes.at(quota).wakes.iter().take(looks);
        let candidates: Vec<Slot> =
            x.own.into_iter().chain(lent.map(|Reverse((_, slot))| *slot)).collect();
        let chosen = candidates.into_iter().find(|slot| self.may_try(x, *slot, lane, now))?;
        let today = self.today(now);
        self.meter(chosen, lane, now)?.tries_beyond(today);
        x.beyond = true;
        Some(chosen)
    }

    fn may_try(&mut self, x: &Exchange, slot: Slot, lane: u16, now: Now) -> bool {
        let place = self.lanes.place(lane);
        let Some(key) = self.keys.get(slot).filter(|_| !x.has_tried(slot)) else { return false };
        let at = self.lanes.at(lane);
        let lent = key.is_lent(now.wall) && at.terms.allow(&key.apart.limits, &at.model);
        // What Google told is waited for.
        let counted = |rest: &Rest| rest.cause.is_counted() && rest.told <= now.mono;
        let mut resting = key.rests.iter().filter(|rest| rest.until > now.mono);
        let rests = key.rest(place, now.mono).is_some() && resting.all(counted);
        let today = self.today(now);
        let (guess, own) = (self.is_guess(slot), x.own == Some(slot));
        let may = |meter: &mut crate::meter::Meter| meter.may_try_beyond(today, guess, own);
        key.is_active() && rests && (lent || own) && self.meter(slot, lane, now).is_some_and(may)
    }

    /// Google served beyond what was known: the project's limits are others now, or the keys that were
    /// taken to be of one project are not.
    pub(super) fn outgrew(&mut self, x: &Exchange, slot: Slot, now: Now) {
        let Some(lane) = x.lane else { return };
        let family = self.family_of(slot);
        if self.is_guess(slot) && family.len() > 1 {
            self.guesses.retain(|(one, _)| !family.contains(one));
            self.part(self.head(slot), now);
        } else {
            let Some(meter) = self.meter(slot, lane, now) else { return };
            meter.outgrew();
            self.mark(self.head(slot), mark::LEARNED);
        }
        let quota = self.lanes.at(lane).quota;
        for slot in family {
            // What Google told holds.
            self.unrest(slot, quota, now);
            self.sync_lane(slot, quota, now);
        }
    }
}

/// Resting keys looked at for one whose limit may be tried.
const BEYOND_LOOKS: usize = 8;
