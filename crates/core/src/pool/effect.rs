//! What a verdict means for the key: rests, doubts, and the end.

use std::{cmp::Reverse, time::Duration};

use crate::{
    call::Exchange,
    event::{Alarm, mark},
    guard::{Blame, Blow, Decision},
    id::{Slot, seeded},
    key::{Reason, State},
    lane::Terms,
    pool::{Job, Pool, Seen, terms},
    rest::{BILLING_FOR, CLOSED_FOR, Cause, DOUBT_FOR, KEEP_ABOVE, Reach, Rest},
    time::{Mono, Now},
    verdict::Verdict,
    wire::Failure,
};

impl<S: Clone> Pool<S> {
    /// Lets a verdict have its effect on the key that was asked.
    pub(super) fn apply(
        &mut self,
        x: &Exchange,
        slot: Slot,
        verdict: Verdict,
        failure: Option<&Failure>,
        now: Now,
    ) {
        let Some(lane) = x.lane.filter(|_| self.keys.get(slot).is_some()) else { return };
        if let Some(project) = failure.and_then(|failure| failure.consumer.as_deref()) {
            self.belongs(slot, project, now);
        }
        let on_lane = Reach::Lane(lane);
        match verdict {
            Verdict::Served => self.thrives(slot, lane, x.sent, now),
            Verdict::KeyDead(reason) => self.condemn(slot, reason, failure, now),
            Verdict::PerhapsDead(reason) => self.doubt(x, lane, slot, reason, now),
            Verdict::ModelClosed => {
                self.rest(slot, on_lane, Cause::Closed, now.mono + CLOSED_FOR, now);
            }
            Verdict::LimitZero => {
                self.rest(slot, on_lane, Cause::LimitZero, now.mono + CLOSED_FOR, now);
                self.bill(lane, now);
            }
            Verdict::Minute(wait) => {
                self.rest_for_quota(slot, lane, Cause::Minute, now.mono + wait, now);
            }
            Verdict::Day => {
                let until = self.day_rests_until(slot, lane, now);
                self.rest_for_quota(slot, lane, Cause::Day, until, now);
            }
            Verdict::Unnamed => self.rest_unnamed(slot, lane, now),
            Verdict::Billing => {
                let until = now.mono + BILLING_FOR;
                self.rest(slot, Reach::Everything, Cause::Billing, until, now);
            }
            Verdict::TooLarge(_) => self.outgrown_by_prompt(slot, lane, now),
            Verdict::CallerFault
            | Verdict::Unclear
            | Verdict::Signature
            | Verdict::Trouble
            | Verdict::OurPlace => {}
        }
    }

    /// Puts a key to rest.
    pub(super) fn rest(&mut self, slot: Slot, reach: Reach, cause: Cause, until: Mono, now: Now) {
        let Some(key) = self.keys.get_mut(slot) else { return };
        if key.put_rest(reach, cause, until, now.mono) {
            self.saw_rest(slot, reach, cause, now);
        }
        self.rested(slot, reach, now);
    }

    /// Puts a key's project to rest for a quota; under the model's other name too, which a restart
    /// forgets to be one.
    fn rest_for_quota(&mut self, slot: Slot, lane: u16, cause: Cause, until: Mono, now: Now) {
        let quota = self.lanes.at(lane).quota;
        if quota != lane {
            self.rest(slot, Reach::Lane(lane), cause, until, now);
        }
        self.rest_project(slot, quota, cause, until, now);
    }

    fn rest_unnamed(&mut self, slot: Slot, lane: u16, now: Now) {
        let Some(key) = self.keys.get_mut(slot) else { return };
        if key.put_unnamed(lane, now.mono) {
            self.saw_rest(slot, Reach::Lane(lane), Cause::Unnamed, now);
            self.rested(slot, Reach::Lane(lane), now);
        }
    }

    /// Takes a key that was put to rest out of the rings, and queues its wake-up.
    pub(super) fn rested(&mut self, slot: Slot, reach: Reach, now: Now) {
        let Some(key) = self.keys.get_mut(slot) else { return };
        let Some(rest) = key.rest_of(reach) else { return };
        let until = rest.until;
        let queue = until < rest.queued;
        if queue {
            rest.queued = until;
        }
        match reach {
            Reach::Lane(lane) => {
                let at = self.lanes.at_mut(lane);
                at.pinned = true;
                if queue {
                    at.wakes.push(Reverse((until, slot)));
                }
                self.sync_lane(slot, lane, now);
            }
            Reach::Family(_) | Reach::Everything => {
                if queue {
                    self.wakes.push(Reverse((until, slot)));
                }
                self.sync(slot, now);
            }
        }
        if until.since(now.mono) > KEEP_ABOVE {
            self.mark(slot, mark::COOLDOWNS);
        }
    }

    /// The key served a call that was sent then: whatever was held against keys as such is looked at
    /// again.
    fn thrives(&mut self, slot: Slot, lane: u16, sent: Mono, now: Now) {
        let at = self.lanes.at_mut(lane);
        at.pinned = true;
        at.served = true;
        self.thawed(slot, lane, now);
        if let Some(key) = self.keys.get_mut(slot) {
            key.settle(lane, now.mono);
            if key.apart.probe.cleared != 0 {
                key.apart.probe.cleared = 0;
            }
        }
        let decision = self.guard.served(slot, sent);
        self.decide(decision, now);
    }

    /// The key may be dead: it rests for the method, and is asked.
    fn doubt(&mut self, x: &Exchange, lane: u16, slot: Slot, reason: Reason, now: Now) {
        // A metered feature may be closed to a key that serves plain calls well.
        let plain = x.metered.is_empty();
        let reach = if plain { Reach::Family(x.family) } else { Reach::Lane(lane) };
        let Some(key) = self.keys.get(slot) else { return };
        // An own call goes out while its key rests: it must not have the key asked every time.
        let doubted = |rest: &Rest| rest.reach == reach && rest.until > now.mono;
        let ask =
            key.is_active() && key.apart.probe.asked.is_none() && !key.rests.iter().any(doubted);
        self.rest(slot, reach, Cause::Doubt, now.mono + DOUBT_FOR, now);
        if ask {
            self.ask(slot, reason, now);
        }
    }

    /// The key is dead, unless everyone dies at once.
    pub(super) fn condemn(
        &mut self,
        slot: Slot,
        reason: Reason,
        failure: Option<&Failure>,
        now: Now,
    ) {
        let Some(key) = self.keys.get(slot).filter(|key| key.is_active()) else { return };
        let project = failure.and_then(|failure| failure.consumer.as_deref());
        let contributor = match project {
            Some(project) => seeded(CONTRIBUTORS, project.as_bytes()),
            None => seeded(CONTRIBUTORS, &key.id.0),
        };
        let others = self.key_count().saturating_sub(1);
        let blow = Blow { slot, contributor, reason, at: now.mono };
        match self.guard.blow(blow, others) {
            Blame::Stands => self.disable(slot, reason, now),
            Blame::IsHeld => self.suspect(slot, reason, now),
            Blame::Trips { blows, witness } => {
                self.events.alarm(Alarm::Everyone);
                for blow in blows {
                    self.suspect(blow.slot, blow.reason, now);
                }
                if let Some(deadline) = self.guard.deadline() {
                    self.agenda.push(Reverse((deadline, Job::Guard)));
                }
                if let Some(witness) = witness {
                    self.ask(witness, reason, now);
                }
            }
        }
    }

    /// Holds a disabling verdict: the key goes last.
    fn suspect(&mut self, slot: Slot, reason: Reason, now: Now) {
        let Some(key) = self.keys.get_mut(slot).filter(|key| !key.is_put_out()) else { return };
        key.apart.suspect = Some(reason);
        if !key.is_active() {
            key.apart.state = State::Active;
            key.apart.probe.at = Mono::NEVER;
            self.mark(slot, mark::STATE);
        }
        self.sync(slot, now);
    }

    /// What was decided about held verdicts.
    pub(super) fn decide(&mut self, decision: Option<Decision>, now: Now) {
        let (slots, became): (_, fn(&mut Self, Slot, Reason, Now)) = match decision {
            None => return,
            Some(Decision::Stand(slots)) => {
                self.events.alarm(Alarm::EveryoneDead);
                (slots, Self::disable)
            }
            Some(Decision::Ask(slots)) => (slots, Self::ask_some_time),
            Some(Decision::Fall(slots)) => (slots, |pool, slot, _, now| pool.sync(slot, now)),
        };
        for slot in slots {
            let Some(key) = self.keys.get_mut(slot) else { continue };
            let Some(reason) = key.apart.suspect.take() else { continue };
            became(self, slot, reason, now);
        }
    }

    /// The key is in service again, and is asked within a while: of many, some at a time.
    fn ask_some_time(&mut self, slot: Slot, reason: Reason, now: Now) {
        let Some(key) = self.keys.get_mut(slot) else { return };
        let at = now.mono + ASKED_WITHIN * u32::from(key.id.0[15]) / 256;
        (key.apart.probe.doubt, key.apart.probe.at) = (Some(reason), at);
        self.agenda.push(Reverse((at, Job::Probe(slot))));
        self.sync(slot, now);
    }

    pub(super) fn disable(&mut self, slot: Slot, reason: Reason, now: Now) {
        let key = self.keys.get_mut(slot).filter(|key| !key.is_put_out());
        let Some(key) = key else { return };
        key.apart.state = State::Disabled { reason, since: now.wall };
        key.apart.probe.asked = None;
        key.apart.probe.failures = 0;
        self.mark(slot, mark::STATE);
        self.saw_state(slot, Seen::Out { why: reason.words() }, now);
        self.sync(slot, now);
        self.plan_for_dead(slot, now);
    }

    /// The key is proven again.
    pub(super) fn revive(&mut self, slot: Slot, now: Now) {
        let Some(key) = self.keys.get_mut(slot).filter(|key| !key.is_put_out()) else { return };
        key.apart.state = State::Active;
        key.apart.suspect = None;
        key.apart.probe.failures = 0;
        key.apart.probe.asked = None;
        key.apart.probe.at = Mono::NEVER;
        key.lift(|rest| rest.cause == Cause::Doubt);
        self.mark(slot, mark::STATE | mark::COOLDOWNS);
        self.saw_state(slot, Seen::Back, now);
        self.sync(slot, now);
    }

    /// A key was told that this model's limit is zero: somebody pays for it elsewhere.
    pub(super) fn bill(&mut self, lane: u16, now: Now) {
        let model = self.lanes.at(lane).model.clone();
        // What shares an overflow lane, or names no model, must not bill all that share it.
        if &*model == crate::lane::OVERFLOW || model.is_empty() {
            return;
        }
        let until = now.mono + BILLED_FOR;
        match self.billed.iter_mut().find(|(name, _)| *name == model) {
            Some((_, end)) => *end = until,
            None => {
                if self.billed.len() >= MAX_BILLED {
                    self.billed.remove(0);
                }
                self.billed.push((model.clone(), until));
                self.agenda.push(Reverse((until, Job::Unbill)));
            }
        }
        self.renew_terms(&model, now);
    }

    /// Forgets billed marks that nobody renewed.
    pub(super) fn unbill(&mut self, now: Now) {
        let ended: Vec<Box<str>> = self
            .billed
            .iter()
            .filter(|(_, until)| *until <= now.mono)
            .map(|(model, _)| model.clone())
            .collect();
        self.billed.retain(|(_, until)| *until > now.mono);
        ended.iter().for_each(|model| self.renew_terms(model, now));
        if let Some(next) = self.billed.iter().map(|(_, until)| *until).min() {
            self.agenda.push(Reverse((next, Job::Unbill)));
        }
    }

    fn renew_terms(&mut self, model: &str, now: Now) {
        for number in 0..self.lanes.len() {
            let lane = self.lanes.at(number);
            let terms: Terms = terms(&self.billed, model, lane.family, lane.metered);
            if *lane.model == *model && lane.terms != terms {
                self.lanes.at_mut(number).terms = terms;
                self.fill(number, now);
            }
        }
    }
}

/// A seed that keeps contributors' hashes apart from others.
const CONTRIBUTORS: u64 = 0x706f_746c_7563_6b21;
/// How long a model is held for billed after the last key that was told so: such keys are told
/// again every day, so a model that becomes free is lent again within the week.
const BILLED_FOR: Duration = Duration::from_secs(7 * 24 * 3600);
/// Within so long each of the keys is asked that were held with others: a dead one is found out within
/// the minute, and hundreds are no flood.
const ASKED_WITHIN: Duration = Duration::from_secs(30);
/// Billed models remembered: more than Google has.
const MAX_BILLED: usize = 256;
