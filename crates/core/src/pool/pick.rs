//! Which key serves a call now.
//!
//! In this order: the key that a second chance asks for; where nothing is left over for the call
//! ([`super::share`]), the own key or none; the key of the conversation's last turn; the own key,
//! where it is not lent (a paused key still serves its bearer first), or where little is left, so
//! that nobody's turn depends on others'; the next key of the lane's ring, the own one among them;
//! the own key, where only named keys are lent; and keys under suspicion last.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::{
    call::{Exchange, Share},
    id::Slot,
    lane::Terms,
    pool::{Pool, events::KEPT_ROOM, lends},
    rest::Reach,
    time::{Mono, Now},
};

impl<S: Clone> Pool<S> {
    /// Chooses the key for the next attempt; never one that was tried.
    pub(super) fn pick(&mut self, x: &mut Exchange, now: Now) -> Option<Slot> {
        let lane = x.lane?;
        self.wake_lane(lane, now);
        let share = self.share(x, now);
        if let Some(forced) = x.forced.take().filter(|slot| self.serves(x, *slot, now)) {
            return Some(forced);
        }
        if share == Share::Nothing {
            return self.own_alone(x, lane, now);
        }
        if let Some(kept) = self.kept(x, now) {
            self.tally.kept_conversations += 1;
            return Some(kept);
        }
        if let Some(own) = self.own_first(x, lane, now) {
            self.repay(x, now);
            return Some(own);
        }
        let own = if share == Share::Entitled { self.own_of_scarce(x, lane, now) } else { None };
        own.or_else(|| self.next_of_ring(x, lane, now)).or_else(|| self.last_resort(x, now))
    }

    /// The next key of the lane's ring.
    fn next_of_ring(&mut self, x: &Exchange, lane: u16, now: Now) -> Option<Slot> {
        let (keys, quota, today) = (&self.keys, self.lanes.at(lane).quota, self.today(now));
        let fits = |slot: Slot| {
            let meter = keys.meter(slot, quota);
            meter.is_none_or(|meter| meter.fits(x.prompt_tokens, today, now.mono))
        };
        let ready = |at: u32| !x.has_tried_place(at) && keys.at(at).is_some_and(|(s, _)| fits(s));
        let at = self.lanes.at_mut(lane).ring.take(LOOKS, ready)?;
        self.keys.at(at).map(|(slot, _)| slot)
    }

    /// Whether `pick` would find a key.
    pub(super) fn could_pick(&mut self, x: &Exchange, now: Now) -> bool {
        let Some(lane) = x.lane.filter(|_| x.share != Some(Share::Nothing)) else { return false };
        self.wake_lane(lane, now);
        self.any_ready(x, now) || self.last_resort(x, now).is_some()
    }

    /// Whether the lane's ring has a key that was not tried and fits.
    pub(super) fn any_ready(&self, x: &Exchange, now: Now) -> bool {
        let Some(lane) = x.lane else { return false };
        let fits = |at: u32| {
            !x.has_tried_place(at)
                && self.keys.at(at).is_some_and(|(slot, _)| self.fits(x, slot, lane, now))
        };
        self.lanes.at(lane).ring.any(LOOKS, fits)
    }

    /// Whether keys are ready, but all too small for the prompt.
    pub(super) fn outgrown(&self, x: &Exchange, now: Now) -> bool {
        let Some(lane) = x.lane else { return false };
        let small = |slot: Slot| self.is_too_small(x, slot, lane, now);
        let ring = &self.lanes.at(lane).ring;
        let in_ring = |at: u32| self.keys.at(at).is_some_and(|(slot, _)| small(slot));
        ring.any(1, in_ring) || ring.len() == 0 && x.own.is_some_and(small)
    }

    /// The key of a conversation's last turn, if it is known.
    pub(super) fn remembered(&mut self, x: &Exchange) -> Option<Slot> {
        x.talk.into_iter().flatten().find_map(|hash| self.talks.get(hash))
    }

    /// Remembers which key had a conversation's turn.
    pub(super) fn remember(&mut self, x: &Exchange, slot: Slot) {
        for hash in x.talk.into_iter().flatten() {
            self.talks.insert(hash, slot);
        }
    }

    /// Whether a certain key may serve this exchange now: the own one, or one that is lent.
    pub(super) fn serves(&self, x: &Exchange, slot: Slot, now: Now) -> bool {
        let (Some(lane), Some(key)) = (x.lane, self.keys.get(slot)) else { return false };
        let may = match x.own == Some(slot) {
            true => key.apart.suspect.is_none() && key.can_serve(self.lanes.place(lane), now.mono),
            false => lends(key, &self.lanes, lane, now),
        };
        may && !x.has_tried(slot) && self.fits(x, slot, lane, now)
    }

    /// Whether a prompt fits what a key has left, as far as is known.
    fn fits(&self, x: &Exchange, slot: Slot, lane: u16, now: Now) -> bool {
        let meter = self.keys.meter(slot, self.lanes.at(lane).quota);
        meter.is_none_or(|meter| meter.fits(x.prompt_tokens, self.today(now), now.mono))
    }

    /// Whether a key is known to be too small for a prompt, whenever it comes.
    fn is_too_small(&self, x: &Exchange, slot: Slot, lane: u16, now: Now) -> bool {
        let meter = self.keys.meter(slot, self.lanes.at(lane).quota);
        meter.is_some_and(|meter| meter.is_outgrown(x.prompt_tokens, now.mono))
    }

    fn kept(&mut self, x: &Exchange, now: Now) -> Option<Slot> {
        if !x.goes_on || x.tries > 0 {
            return None;
        }
        self.remembered(x).filter(|slot| self.serves(x, *slot, now))
    }

    fn own_first(&self, x: &Exchange, lane: u16, now: Now) -> Option<Slot> {
        let own = x.own.filter(|own| !self.is_frozen(*own, lane, now))?;
        let lane = self.lanes.at(lane);
        let apart = lane.terms == Terms::Plain && !lane.ring.contains(own.at);
        (apart && self.serves(x, own, now)).then_some(own)
    }

    fn own_of_scarce(&mut self, x: &Exchange, lane: u16, now: Now) -> Option<Slot> {
        let own = x.own.filter(|own| self.serves(x, *own, now))?;
        (!self.is_frozen(own, lane, now) && self.is_scarce(lane, now)).then_some(own)
    }

    fn last_resort(&self, x: &Exchange, now: Now) -> Option<Slot> {
        let thawed = |own: &Slot| x.lane.is_none_or(|lane| !self.is_frozen(*own, lane, now));
        if let Some(own) = x.own.filter(|own| self.serves(x, *own, now)).filter(thawed) {
            return Some(own);
        }
        let suspects = self.guard.suspects().iter().take(SUSPECT_LOOKS).copied();
        suspects.into_iter().find(|slot| self.suspect_serves(x, *slot, now))
    }

    fn suspect_serves(&self, x: &Exchange, slot: Slot, now: Now) -> bool {
        let (Some(lane), Some(key)) = (x.lane, self.keys.get(slot)) else { return false };
        let at = self.lanes.at(lane);
        let own = x.own == Some(slot);
        let lent = !key.apart.limits.paused
            && !key.lent_out(now.wall)
            && at.terms.allow(&key.apart.limits, &at.model);
        (own || lent) && key.can_serve(self.lanes.place(lane), now.mono) && !x.has_tried(slot)
    }

    /// When the first key wakes that could serve this exchange; with `untried` only one that it
    /// has not tried yet.
    ///
    /// Looks at the ends that come first, as far as the heaps are in order without sorting them:
    /// a wait may be told too long, never too short.
    pub(super) fn soonest(&self, x: &Exchange, untried: bool, now: Now) -> Option<Mono> {
        let lane = x.lane?;
        let at = self.lanes.at(lane);
        let quota = self.lanes.at(at.quota);
        let shared = quota.wakes.iter().take(if at.quota == lane { 0 } else { WAKE_LOOKS });
        let heaps = at.wakes.iter().take(WAKE_LOOKS).chain(shared);
        let heaps = heaps.chain(self.wakes.iter().take(WAKE_LOOKS));
        let lent = heaps.map(|Reverse((_, slot))| *slot);
        lent.chain(x.own)
            .filter(|slot| !(untried && x.has_tried(*slot)))
            .filter_map(|slot| self.wakes_at(x, slot, now))
            .min()
    }

    /// When one key could serve this exchange, if it rests now and only time is in the way.
    fn wakes_at(&self, x: &Exchange, slot: Slot, now: Now) -> Option<Mono> {
        let lane = x.lane?;
        let at = self.lanes.at(lane);
        let key = self.keys.get(slot).filter(|key| key.is_active())?;
        if self.is_too_small(x, slot, lane, now) {
            return None;
        }
        let mut wake = key.rested_at(self.lanes.place(lane), now.mono);
        if x.own != Some(slot) {
            if key.apart.limits.paused || !at.terms.allow(&key.apart.limits, &at.model) {
                return None;
            }
            if key.lent_out(now.wall) {
                wake = wake.max(now.mono_at(key.usage.day_end));
            }
            if key.apart.limits.lend_per_day == Some(0) {
                return None;
            }
        }
        (wake > now.mono).then_some(wake)
    }

    /// Lets keys of a lane into its ring whose rest is over.
    fn wake_lane(&mut self, lane: u16, now: Now) {
        let quota = self.lanes.at(lane).quota;
        if quota != lane {
            self.wake_lane(quota, now);
        }
        let most = self.wakes(lane, now);
        let mut woken = 0;
        while let Some(Reverse((at, slot))) = self.lanes.at(lane).wakes.peek().copied() {
            if at > now.mono || woken >= most {
                break;
            }
            self.lanes.at_mut(lane).wakes.pop();
            woken += 1;
            self.rewake(lane, slot, now);
        }
        let wakes = &mut self.lanes.at_mut(lane).wakes;
        if woken > 0 && wakes.is_empty() && wakes.capacity() > KEPT_ROOM {
            *wakes = BinaryHeap::new();
        }
    }

    /// A queued wake-up came: the key wakes, or is queued again if its rest grew meanwhile.
    fn rewake(&mut self, lane: u16, slot: Slot, now: Now) {
        let Some(key) = self.keys.get_mut(slot) else { return };
        if let Some(rest) = key.rest_of(Reach::Lane(lane)) {
            let until = rest.until;
            let grew = until > now.mono;
            rest.queued = if grew { until } else { Mono::NEVER };
            if grew {
                self.lanes.at_mut(lane).wakes.push(Reverse((until, slot)));
                return;
            }
        }
        self.sync_lane(slot, lane, now);
    }
}

/// Ready keys looked at for one that was not tried and fits the prompt: three may have been tried,
/// and where dozens in a row are too small the rest are too.
const LOOKS: u32 = 64;
/// Suspects looked at: four attempts need no more.
const SUSPECT_LOOKS: usize = 8;
/// Resting keys looked at for the soonest to wake.
const WAKE_LOOKS: usize = 64;
