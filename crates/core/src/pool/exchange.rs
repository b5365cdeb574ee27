//! One exchange's life: who asks, which key next, and the end.

use std::time::Duration;

use crate::{
    call::{
        Attempt, Call, End, Exchange, MAX_TRIED, Mode, Refusal, Running, Served, Share, Step,
        Strangers, Talk, Way, Whose,
    },
    config::Config,
    id::Slot,
    pool::Pool,
    time::{Mono, Now},
};

impl<S: Clone> Pool<S> {
    /// Begins an exchange: finds out who asks, and how the call may be served.
    pub fn begin(&mut self, call: Call<'_>, now: Now) -> Exchange {
        self.tick(now);
        self.budget.call(now.mono);
        self.tally.exchanges += 1;
        self.tally.under_way += 1;
        let (mode, own) = self.stand(&call, now);
        let borrows =
            own.and_then(|own| self.keys.get(own)).is_none_or(|key| key.apart.limits.borrow);
        let pending = matches!(mode, Mode::Proof | Mode::Revival);
        let model = call.model.unwrap_or("");
        let lane = matches!(mode, Mode::Own | Mode::Pool | Mode::Revival).then(|| {
            let lane = self.lane(model, call.family, call.metered, now);
            self.lanes.at_mut(lane).users += 1;
            lane
        });
        Exchange {
            mode,
            lane,
            family: call.family,
            metered: call.metered,
            model: (mode == Mode::Proof).then(|| model.into()),
            bearer: call.bearer,
            tombstone: call.tombstone,
            own,
            // Whoever wants the own key alone proves it, but does not go on with the pool.
            way: if call.own_requested || !borrows { Way::OwnOnly } else { call.way },
            proof: call.proof,
            source: call.source,
            talk: [call.signature, call.conversation],
            goes_on: call.has_model_turn,
            prompt_tokens: call.prompt_tokens,
            patience: now.mono + self.config.max_wait,
            tried: [None; MAX_TRIED],
            tries: 0,
            running: None,
            sent: Mono(0),
            served: None,
            forced: None,
            second_chance: false,
            key_failures: 0,
            quota_failures: 0,
            pending,
            deferred: None,
            share: None,
            guest: call.guest,
            spent: None,
            spent_tokens: 0,
            beyond: false,
            waited: false,
            failed: false,
            verdict: "",
        }
    }

    /// What to do next for an exchange.
    pub fn next(&mut self, x: &mut Exchange, now: Now) -> Step<S> {
        let step = self.step(x, now);
        match &step {
            Step::Try(_) => {}
            Step::Wait { .. } => x.waited = true,
            Step::Refuse(refusal) => x.failed = !refusal.blames_caller(),
        }
        step
    }

    fn step(&mut self, x: &mut Exchange, now: Now) -> Step<S> {
        // An attempt that was not reported is over, or this would not be asked.
        if let Some(Running::Slot(slot)) = x.running.take() {
            self.keys.release(slot);
        }
        match x.mode {
            Mode::Refused(refusal) => self.refuse(refusal),
            Mode::Proof | Mode::Revival | Mode::Bare if x.tries == 0 => {
                x.tries = 1;
                x.running = Some(Running::Bearer);
                Step::Try(Attempt { whose: Whose::Bearer, number: 1 })
            }
            Mode::Proof | Mode::Revival | Mode::Bare => self.refuse(KEY_GONE),
            Mode::Own => match x.own.filter(|_| x.tries == 0) {
                Some(own) => self.attempt(x, own, now).unwrap_or_else(|| self.refuse(KEY_GONE)),
                None => self.refuse(KEY_GONE),
            },
            Mode::Pool => self.next_of_pool(x, now),
        }
    }

    /// Makes an exchange that was begun ahead of its call that call's.
    ///
    /// Only of a call of the same bearer, model and features, and before its first attempt is
    /// reported: all the rest decided which key it got.
    pub fn take_up(&mut self, x: &mut Exchange, talk: Talk, now: Now) {
        x.talk = [talk.signature, talk.conversation];
        x.goes_on = talk.has_model_turn;
        x.prompt_tokens = talk.prompt_tokens;
        x.patience = now.mono + self.config.max_wait;
        if let Some(Running::Slot(slot)) = x.running {
            // Google counts it now, not when it was begun.
            self.unspend(x, slot, now);
            self.spend(x, slot, now);
        }
    }

    /// Ends an exchange whose attempt was never made, as if it had not begun.
    pub fn give_back(&mut self, mut x: Exchange, now: Now) {
        if let Some(Running::Slot(slot)) = x.running {
            self.unspend(&mut x, slot, now);
        }
        self.unclaim(&x, now);
        x.share = None;
        if let Some(Running::Slot(slot)) = x.running.filter(|_| x.own != x.tried[0]) {
            self.unlend(slot, now);
        }
        self.tally.unbegin();
        self.finish(x, End::LEFT, now);
    }

    /// Ends an exchange that another part of the pool goes on with, as if it had not begun here.
    pub fn pass_on(&mut self, mut x: Exchange, now: Now) {
        (x.failed, x.waited) = (false, false);
        self.tally.unbegin();
        self.finish(x, End::LEFT, now);
    }

    /// Ends an exchange: frees its key and counts what it used.
    pub fn finish(&mut self, mut x: Exchange, end: End, now: Now) {
        self.tally.under_way = self.tally.under_way.saturating_sub(1);
        if let Some(Running::Slot(slot)) = x.running.take() {
            self.keys.release(slot);
        }
        self.settle(&mut x);
        let failed = x.failed && x.served.is_none();
        if x.served.is_some() {
            self.tally.tokens[0] += end.tokens;
            self.tally.tokens[1] += end.prompt_tokens;
        }
        self.tally.ended(x.served.is_some(), failed, x.waited, now.wall);
        if failed {
            self.count_failed(&x, now);
        }
        if let Some(lane) = x.lane {
            let lane = self.lanes.at_mut(lane);
            lane.users = lane.users.saturating_sub(1);
        }
        match x.served {
            Some(Served::Slot(slot)) => {
                self.count_tokens(&x, slot, end.tokens, now);
                self.settle_tokens(&x, slot, end.prompt_tokens, now);
            }
            _ => self.unclaim(&x, now),
        }
    }

    fn stand(&mut self, call: &Call<'_>, now: Now) -> (Mode, Option<Slot>) {
        if call.guest.is_some() {
            return (Mode::Pool, None);
        }
        let Some(id) = call.bearer else { return (Mode::Refused(Refusal::NoKey), None) };
        if let Some((slot, key)) = self.keys.find(id).and_then(|s| Some((s, self.keys.get(s)?))) {
            if key.is_put_out() {
                return (Mode::Bare, None);
            }
            let own = call.way == Way::OwnOnly || call.own_requested || !key.apart.limits.borrow;
            let mode = match (key.is_active(), own) {
                (true, true) => Mode::Own,
                (true, false) => Mode::Pool,
                (false, _) => self.prove(call, Mode::Revival, now),
            };
            return (mode, Some(slot));
        }
        match call.strangers {
            Strangers::Welcome => {}
            Strangers::Uninvited => return (Mode::Refused(Refusal::Uninvited), None),
            Strangers::Closed => return (Mode::Refused(Refusal::Closed), None),
        }
        if call.tombstone.is_some_and(|tombstone| self.tombstones.contains(tombstone)) {
            return (Mode::Bare, None);
        }
        (self.prove(call, Mode::Proof, now), None)
    }

    /// Lets a key that is not proven ask, unless it was refused a short while ago.
    fn prove(&mut self, call: &Call<'_>, mode: Mode, now: Now) -> Mode {
        let refusal = call.bearer.and_then(|id| self.refused.enter(id, call.source, now.mono));
        refusal.map_or(mode, Mode::Refused)
    }

    fn next_of_pool(&mut self, x: &mut Exchange, now: Now) -> Step<S> {
        if x.tries >= self.config.attempts.min(Config::MAX_ATTEMPTS) {
            return self.refuse_spent(x, now);
        }
        if let Some(slot) = self.pick(x, now)
            && let Some(step) = self.attempt(x, slot, now)
        {
            return step;
        }
        let reserved =
            x.share == Some(Share::Nothing) && !x.lane.is_some_and(|lane| self.is_spent(lane, now));
        if let Some(lane) = x.lane.filter(|_| x.share == Some(Share::Entitled)) {
            self.ledger_mut(lane).ran_dry(now.mono);
        }
        let soonest = if reserved { None } else { self.soonest(x, true, now) };
        if let Some(until) = soonest.filter(|wake| *wake <= x.patience) {
            // Another day may have begun by then.
            x.share = x.share.filter(|share| *share != Share::Nothing);
            return Step::Wait { until };
        }
        match self.beyond(x, now).and_then(|slot| self.attempt(x, slot, now)) {
            Some(step) => step,
            None if reserved => self.refuse(Refusal::Reserved { wait: RESERVED_WAIT }),
            None => self.refuse_spent(x, now),
        }
    }

    /// What the bearer's key is, is known: others of its address block may ask.
    pub(super) fn settle(&mut self, x: &mut Exchange) {
        let pending = std::mem::take(&mut x.pending);
        if let Some(id) = x.bearer.filter(|_| pending) {
            self.refused.settle(id, x.source);
        }
    }

    /// Gives the exchange a key to try.
    fn attempt(&mut self, x: &mut Exchange, slot: Slot, now: Now) -> Option<Step<S>> {
        let own = x.own == Some(slot);
        if !own {
            self.lend(slot, now);
        }
        let key = self.keys.get_mut(slot)?;
        key.leases += 1;
        let (id, secret) = (key.id, key.secret.clone());
        let whose = Whose::Key { slot, id, secret, own };
        x.tried[usize::from(x.tries) % MAX_TRIED] = Some(slot);
        x.tries += 1;
        (x.running, x.sent) = (Some(Running::Slot(slot)), now.mono);
        if x.mode == Mode::Own {
            self.takes_own(x, slot, now);
        }
        self.spend(x, slot, now);
        Some(Step::Try(Attempt { whose, number: x.tries }))
    }

    /// Counts a loan against the contributor's day.
    fn lend(&mut self, slot: Slot, now: Now) {
        let day_end = self.day_end(now);
        let Some(key) = self.keys.get_mut(slot) else { return };
        if key.usage.day_end != day_end {
            key.usage.day_end = day_end;
            key.usage.lent_today = 0;
        }
        key.usage.lent_today = key.usage.lent_today.saturating_add(1);
        if key.apart.limits.lend_per_day.is_some() && key.lent_out(now.wall) {
            self.wake_at_day_end(slot, now);
            self.sync(slot, now);
        }
    }

    /// A loan that served nobody is given back.
    pub(super) fn unlend(&mut self, slot: Slot, now: Now) {
        let Some(key) = self.keys.get_mut(slot) else { return };
        let was_out = key.lent_out(now.wall);
        key.usage.lent_today = key.usage.lent_today.saturating_sub(1);
        if was_out {
            self.sync(slot, now);
        }
    }

    /// Nothing is left to try: says so in the way that helps most.
    fn refuse_spent(&mut self, x: &Exchange, now: Now) -> Step<S> {
        let wake = self.soonest(x, false, now);
        let others = self.any_ready(x, now);
        let wait = match wake {
            _ if others => SOON,
            Some(wake) => wake.since(now.mono).max(SOON),
            None => UNKNOWN_WAKE,
        };
        let per_day = wait > HOURS_AWAY;
        let refusal = match (x.key_failures, x.quota_failures) {
            (0, _) if self.outgrown(x, now) => Refusal::TooLarge,
            (0, _) => Refusal::Resting { wait, per_day },
            (failed, quota) if failed == quota => Refusal::Spent { wait, per_day },
            _ => Refusal::KeysFailed { wait: wait.min(LONGEST_RETRY_AFTER) },
        };
        self.refuse(refusal)
    }

    fn refuse(&mut self, refusal: Refusal) -> Step<S> {
        self.tally.refusal(refusal);
        Step::Refuse(refusal)
    }
}

/// When a caller should come again though keys are ready: at once, but not in a tight loop.
const SOON: Duration = Duration::from_secs(1);
/// What is kept is released little by little over the day: asking by the minute is often enough.
const RESERVED_WAIT: Duration = Duration::from_secs(60);
/// When nobody knows when a key wakes.
const UNKNOWN_WAKE: Duration = Duration::from_secs(60);
/// Waits beyond this are a day's quota in all but name: clients should stop.
const HOURS_AWAY: Duration = Duration::from_secs(3600);
/// Failing keys are replaced by the minute: a 503 never sends callers away for longer.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);
/// The bearer's key left the pool while its call was under way.
const KEY_GONE: Refusal = Refusal::KeysFailed { wait: SOON };
