//! What an answer means for its exchange.

use crate::{
    call::{After, Exchange, Mode, Outcome, Refusal, Running, Served, Way},
    config::Config,
    event::Alarm,
    id::Slot,
    key::{Key, Reason},
    limits::Limits,
    pool::{Pool, events::Notice},
    time::Now,
    verdict::{Facts, Stage, Verdict, judge},
    wire::{Failure, Family},
};

impl<S: Clone> Pool<S> {
    /// Takes note of an attempt's outcome, and says what becomes of its answer.
    pub fn report(&mut self, x: &mut Exchange, outcome: Outcome<'_>, now: Now) -> After {
        let Some(running) = x.running.take() else { return After::Pass };
        if let Running::Slot(slot) = running {
            self.keys.release(slot);
        }
        let verdict = verdict(x, outcome);
        x.verdict = verdict.name();
        self.tally.verdict(verdict, now.mono);
        self.saw_attempt(x, running, verdict, now);
        if verdict == Verdict::OurPlace {
            if let Running::Slot(slot) = running {
                self.unspend(x, slot, now);
            }
            self.events.alarm(Alarm::OurPlace);
            x.failed = true;
            return After::Template(Refusal::OurPlace);
        }
        let proven = matches!(running, Running::Slot(_));
        x.failed = verdict == Verdict::Trouble || verdict.blames_key() && proven;
        match (running, x.mode) {
            (Running::Slot(slot), mode) => {
                self.account(x, slot, verdict, failure(outcome), now);
                match mode {
                    Mode::Own => self.told_own(x, slot, verdict, outcome, now),
                    _ => self.told(x, slot, verdict, outcome, now),
                }
            }
            (Running::Bearer, Mode::Bare) => match verdict {
                Verdict::Served => commit(x, Served::Bearer),
                _ => pass(outcome),
            },
            (Running::Bearer, _) => {
                let after = self.told_proof(x, verdict, outcome, now);
                self.settle(x);
                after
            }
        }
    }

    /// Takes note of an error after the head: within a stream, or a Live socket's close frame.
    /// It has its effect on the key; the exchange is beyond help.
    pub fn interrupted(&mut self, x: &mut Exchange, failure: &Failure, now: Now) -> Verdict {
        let stage = if x.family == Family::Live { Stage::Close } else { Stage::Within };
        let verdict = judge(failure, facts(x, stage));
        self.tally.verdict(verdict, now.mono);
        match x.served {
            _ if verdict == Verdict::OurPlace => self.events.alarm(Alarm::OurPlace),
            Some(Served::Slot(slot)) => self.apply(x, slot, verdict, Some(failure), now),
            _ => {}
        }
        verdict
    }

    /// The store has the bearer's key: it joins. `false` if the pool is full, or the key was
    /// withdrawn meanwhile: then it is not in the pool, and an event has the store forget it.
    pub fn admitted(&mut self, x: &mut Exchange, secret: S, now: Now) -> bool {
        let Some(slot) = self.join(x, secret, now) else {
            x.deferred = None;
            self.cannot_join(x);
            return false;
        };
        x.own = Some(slot);
        if x.served == Some(Served::Bearer) {
            x.served = Some(Served::Slot(slot));
            self.enter_lane(x, now);
            self.account(x, slot, Verdict::Served, None, now);
            self.count_served(x, slot, now);
        }
        if let Some(verdict) = x.deferred.take() {
            self.enter_lane(x, now);
            self.goes_on_with_pool(x, slot, verdict, now);
        }
        true
    }

    /// The lane of an exchange that had none before its bearer's key was proven.
    fn enter_lane(&mut self, x: &mut Exchange, now: Now) {
        let model = x.model.take().unwrap_or_default();
        let lane = self.lane(&model, x.family, x.metered, now);
        self.lanes.at_mut(lane).users += 1;
        x.lane = Some(lane);
    }

    fn cannot_join(&mut self, x: &Exchange) {
        let Some(id) = x.bearer else { return };
        let buried = x.tombstone.filter(|tombstone| self.tombstones.contains(*tombstone));
        self.events.notices.push_back(match buried {
            Some(tombstone) => Notice::Withdrawn(id, tombstone),
            None => Notice::Erased(id),
        });
    }

    fn join(&mut self, x: &Exchange, secret: S, now: Now) -> Option<Slot> {
        let id = x.bearer?;
        if let Some(slot) = self.keys.find(id) {
            return Some(slot);
        }
        let withdrawn = x.tombstone.is_some_and(|tombstone| self.tombstones.contains(tombstone));
        if withdrawn || !self.has_room() {
            return None;
        }
        let slot = self.keys.insert(Key::new(id, secret, Limits::default(), now.wall));
        self.sync(slot, now);
        Some(slot)
    }

    /// The key of an unproven bearer was asked.
    fn told_proof(
        &mut self,
        x: &mut Exchange,
        verdict: Verdict,
        outcome: Outcome<'_>,
        now: Now,
    ) -> After {
        let id = x.bearer;
        match (verdict, outcome) {
            (Verdict::Served, _) if x.proof => {
                id.inspect(|id| self.refused.forget(*id));
                let known = self.revive_bearer(x, now);
                let admit = !known && may_join(x) && self.has_room();
                x.served = Some(x.own.filter(|_| known).map_or(Served::Bearer, Served::Slot));
                if let Some(Served::Slot(slot)) = x.served {
                    self.account(x, slot, verdict, None, now);
                    self.count_served(x, slot, now);
                }
                After::Commit { admit }
            }
            (Verdict::Served, _) => commit(x, Served::Bearer),
            (verdict, Outcome::Failed(failure)) if proves(x, verdict, failure) => {
                id.inspect(|id| self.refused.forget(*id));
                self.proven_spent(x, verdict, now)
            }
            (Verdict::KeyDead(_) | Verdict::PerhapsDead(Reason::Invalid), _) => {
                id.inspect(|id| self.refused.refuse(*id, x.source, now.mono));
                After::Pass
            }
            _ => pass(outcome),
        }
    }

    /// The key is good, its quota is spent: it joins, and the pool serves the call.
    fn proven_spent(&mut self, x: &mut Exchange, verdict: Verdict, now: Now) -> After {
        if self.revive_bearer(x, now) {
            if let Some(own) = x.own {
                self.goes_on_with_pool(x, own, verdict, now);
            }
            return After::Again;
        }
        if !may_join(x) || !self.has_room() {
            return After::Pass;
        }
        x.deferred = Some(verdict);
        After::Admit
    }

    fn revive_bearer(&mut self, x: &mut Exchange, now: Now) -> bool {
        // Another request of the same bearer may have been quicker.
        x.own = x.bearer.and_then(|id| self.keys.find(id));
        let Some(own) = x.own else { return false };
        if self.keys.get(own).is_some_and(|key| !key.is_active()) {
            self.revive(own, now);
        }
        x.lane.is_some()
    }

    fn goes_on_with_pool(&mut self, x: &mut Exchange, own: Slot, verdict: Verdict, now: Now) {
        self.apply(x, own, verdict, None, now);
        x.mode = Mode::Pool;
        x.tried[0] = Some(own);
        x.key_failures = 1;
        x.quota_failures = 1;
    }

    /// An own call: its answer is the caller's, whatever it is.
    fn told_own(
        &mut self,
        x: &mut Exchange,
        slot: Slot,
        verdict: Verdict,
        outcome: Outcome<'_>,
        now: Now,
    ) -> After {
        self.apply(x, slot, verdict, failure(outcome), now);
        match verdict {
            Verdict::Served => self.committed(x, slot, now),
            _ => pass(outcome),
        }
    }

    /// A pooled call.
    fn told(
        &mut self,
        x: &mut Exchange,
        slot: Slot,
        verdict: Verdict,
        outcome: Outcome<'_>,
        now: Now,
    ) -> After {
        if x.own != Some(slot) && (verdict.blames_key() || verdict == Verdict::Trouble) {
            self.unlend(slot, now);
        }
        self.apply(x, slot, verdict, failure(outcome), now);
        match verdict {
            Verdict::Served => self.committed(x, slot, now),
            Verdict::Unclear => self.second_chance(x, [None, x.own], outcome, now),
            Verdict::Signature => {
                let remembered = self.remembered(x);
                self.second_chance(x, [remembered, x.own], outcome, now)
            }
            Verdict::Trouble => {
                let again = x.tries < self.attempts()
                    && self.could_pick(x, now)
                    && self.budget.retry(now.mono);
                if again { After::Again } else { pass(outcome) }
            }
            verdict if verdict.blames_key() => {
                x.key_failures += 1;
                x.quota_failures += u8::from(verdict.blames_quota());
                After::Again
            }
            _ => pass(outcome),
        }
    }

    fn committed(&mut self, x: &mut Exchange, slot: Slot, now: Now) -> After {
        x.served = Some(Served::Slot(slot));
        self.count_served(x, slot, now);
        self.remember(x, slot);
        After::Commit { admit: false }
    }

    /// One more attempt with a certain key, if one of these can serve.
    fn second_chance(
        &mut self,
        x: &mut Exchange,
        with: [Option<Slot>; 2],
        outcome: Outcome<'_>,
        now: Now,
    ) -> After {
        let may = !x.second_chance && x.tries < self.attempts();
        let chosen = with.into_iter().flatten().find(|slot| self.serves(x, *slot, now));
        match chosen.filter(|_| may) {
            Some(slot) => {
                x.second_chance = true;
                x.forced = Some(slot);
                After::Again
            }
            None => pass(outcome),
        }
    }

    fn attempts(&self) -> u8 {
        self.config.attempts.min(Config::MAX_ATTEMPTS)
    }
}

fn verdict(x: &Exchange, outcome: Outcome<'_>) -> Verdict {
    let stage = if x.family == Family::Live { Stage::Close } else { Stage::Head };
    match outcome {
        Outcome::Served => Verdict::Served,
        Outcome::NoAnswer => Verdict::Trouble,
        Outcome::Failed(failure) => judge(failure, facts(x, stage)),
    }
}

fn facts(x: &Exchange, stage: Stage) -> Facts {
    Facts { family: x.family, prompt_tokens: x.prompt_tokens, stage }
}

/// Whether a refusal proves the key, and the pool may serve the call: only Google's own account of
/// a quota does.
fn proves(x: &Exchange, verdict: Verdict, failure: &Failure) -> bool {
    let spent = matches!(verdict, Verdict::Minute(_) | Verdict::Day | Verdict::LimitZero);
    spent && !failure.quotas.is_empty() && x.proof && x.way == Way::Pool
}

/// A dead key that is gone now left the pool while it was asked: its contributor wanted that.
fn may_join(x: &Exchange) -> bool {
    x.mode == Mode::Proof
}

fn commit(x: &mut Exchange, served: Served) -> After {
    x.served = Some(served);
    After::Commit { admit: false }
}

/// The answer as it is, if there is one.
fn pass(outcome: Outcome<'_>) -> After {
    match outcome {
        Outcome::NoAnswer => After::Template(Refusal::NoAnswer),
        _ => After::Pass,
    }
}

fn failure<'a>(outcome: Outcome<'a>) -> Option<&'a Failure> {
    match outcome {
        Outcome::Failed(failure) => Some(failure),
        _ => None,
    }
}
