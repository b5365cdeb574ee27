//! Exchanges: how a script moves them, and what is promised of each attempt.

use std::time::Duration;

use potluck_core::{
    After, Attempt, Call, Cause, Config, End, Ending, Me, MeCooldown, Outcome, Slot, Step as Said,
    Talk, Whose, next_midnight,
};

use super::{
    Checked, MODELS, Open, Table,
    keys::{bearer, call, id},
    promise,
};
use crate::check::Reply;

impl Table {
    pub(super) fn begin(&mut self, name: u32, call: Call<'_>, own_only: bool) {
        let open = self.open(name, call, own_only);
        self.open.push(open);
    }

    fn open(&mut self, name: u32, call: Call<'_>, own_only: bool) -> Open {
        let bearer = call.bearer.map_or(0, |id| u32::from(id.0[0]) - 1);
        let model = MODELS.iter().position(|(name, _)| Some(*name) == call.model).unwrap_or(0);
        let borrows = self.me(bearer).is_none_or(|me| me.limits.borrow);
        let x = self.pool.begin(call, self.now);
        let own_only = own_only || !borrows;
        Open { name, x, bearer, model, own_only, tried: Vec::new(), running: None, slot: None }
    }

    pub(super) fn begin_ahead(&mut self, name: u32, who: u8, model: u8) -> Checked {
        if !self.is_there(bearer(who)) {
            return Ok(());
        }
        let mut open = self.open(name, call(who, model, false, 0, 0), false);
        // What was told before: this very attempt may be the day's last.
        let before = self.everyone();
        match self.pool.next(&mut open.x, self.now) {
            Said::Try(attempt @ Attempt { whose: Whose::Key { .. }, .. }) => {
                self.tries(&mut open, &attempt, &before)?;
                self.ahead.push(open);
            }
            _ => self.pool.give_back(open.x, self.now),
        }
        Ok(())
    }

    pub(super) fn take_up(&mut self, name: u32, tokens: u32) {
        let Some(mut open) = take(&mut self.ahead, name) else { return };
        let talk = Talk { prompt_tokens: tokens, ..Talk::default() };
        self.pool.take_up(&mut open.x, talk, self.now);
        self.open.push(open);
    }

    pub(super) fn give_back(&mut self, name: u32) {
        let Some(mut open) = take(&mut self.ahead, name) else { return };
        self.stops(&mut open);
        self.pool.give_back(open.x, self.now);
    }

    pub(super) fn proceed(&mut self, name: u32, reply: Reply) -> Checked {
        let Some(mut open) = take(&mut self.open, name) else { return Ok(()) };
        if reply == Reply::Leave {
            self.stops(&mut open);
            self.pool.finish(open.x, End::LEFT, self.now);
            return Ok(());
        }
        match open.running {
            Some(_) => self.answer(open, reply),
            None => self.goes_on(open),
        }
    }

    fn goes_on(&mut self, mut open: Open) -> Checked {
        let before = self.everyone();
        match self.pool.next(&mut open.x, self.now) {
            Said::Try(attempt) => {
                self.tries(&mut open, &attempt, &before)?;
                self.open.push(open);
            }
            Said::Wait { until } => {
                promise(until > self.now.mono, || "waiting for the past".to_owned())?;
                self.open.push(open);
            }
            Said::Refuse(_) => self.pool.finish(open.x, End::LEFT, self.now),
        }
        Ok(())
    }

    fn answer(&mut self, mut open: Open, reply: Reply) -> Checked {
        let (model, quota) = MODELS[open.model];
        let (failure, before) = (reply.failure(quota), self.everyone());
        let outcome = match (&failure, reply) {
            (Some(failure), _) => Outcome::Failed(failure),
            (None, Reply::Reset) => Outcome::NoAnswer,
            (None, _) => Outcome::Served,
        };
        let slot = open.slot;
        self.stops(&mut open);
        let after = self.pool.report(&mut open.x, outcome, self.now);
        if reply.spares_keys() {
            let after = self.everyone();
            let spared = before.iter().zip(&after).all(|(before, after)| is_spared(before, after));
            promise(spared, || format!("{reply:?} for {model} changed a key"))?;
        }
        if let Some(slot) = slot {
            let told = failure.is_some_and(|failure| !failure.quotas.is_empty());
            self.alias_known |= told && model != quota && !self.left.contains(&slot);
            self.note(slot, quota, reply);
        }
        match after {
            After::Again => self.open.push(open),
            After::Admit => {
                self.admit(&mut open);
                self.open.push(open);
            }
            After::Commit { admit } => {
                if admit {
                    self.admit(&mut open);
                }
                let end = End { tokens: 1_000, prompt_tokens: 0, ending: Ending::Whole };
                self.pool.finish(open.x, end, self.now);
            }
            After::Pass | After::Template(_) => self.pool.finish(open.x, End::LEFT, self.now),
        }
        Ok(())
    }

    fn admit(&mut self, open: &mut Open) {
        self.pool.admitted(&mut open.x, open.bearer, self.now);
    }

    /// Google told when to come again.
    fn note(&mut self, slot: Slot, quota: &'static str, reply: Reply) {
        let wait = match reply {
            // Of tokens it depends on the prompt whether the key rests at all.
            Reply::Minute(seconds, _) => Duration::from_secs(seconds.into()),
            Reply::Day(_) => self.until_midnight(),
            // What it said before is out of date, in whichever order the two were sent.
            Reply::Served => Duration::ZERO,
            _ => return,
        };
        let until = self.now.mono + wait;
        let told = self.told.entry((slot, quota)).or_default();
        *told = if reply == Reply::Served { until } else { until.max(*told) };
    }

    /// How long a key rests that Google says has spent its day; just after midnight it may speak
    /// of yesterday's.
    fn until_midnight(&self) -> Duration {
        let left = self.now.mono_at(next_midnight(self.now.wall)).since(self.now.mono);
        if left > Duration::from_secs(DAY_IS_YOUNG) { Duration::ZERO } else { left }
    }

    /// A key is about to be used: may it?
    fn tries(&mut self, open: &mut Open, attempt: &Attempt<u32>, before: &[Option<Me>]) -> Checked {
        let attempts = u32::from(attempt.number);
        let most = u32::from(Config::MAX_ATTEMPTS);
        promise(attempts <= most, || format!("attempt {attempts}"))?;
        match attempt.whose {
            Whose::Bearer => {
                promise(open.tried.is_empty(), || "the shown key is not asked first".to_owned())?;
                open.tried.push(None);
                open.running = Some(open.bearer);
                Ok(())
            }
            Whose::Key { slot, secret, own, .. } => {
                // A key that left and came back meanwhile is lent to its own bearer.
                promise(!own || secret == open.bearer, || "own is not own".to_owned())?;
                let rested = before.get(secret as usize).and_then(Option::as_ref);
                self.rests_no_more(open, slot, secret, rested)?;
                self.uses(open, slot, secret, own)
            }
        }
    }

    fn uses(&mut self, open: &mut Open, slot: Slot, key: u32, own: bool) -> Checked {
        promise(!open.tried.contains(&Some(slot)), || format!("key {key} is tried twice"))?;
        promise(self.is_there(key), || format!("key {key} left and is used"))?;
        self.may_serve(open, key, own)?;
        open.tried.push(Some(slot));
        (open.running, open.slot) = (Some(key), Some(slot));
        *self.running.entry(slot).or_default() += 1;
        Ok(())
    }

    /// No cooldown keeps the key from this call, neither one that its contributor is told of nor
    /// one that Google told.
    fn rests_no_more(&self, open: &Open, slot: Slot, key: u32, me: Option<&Me>) -> Checked {
        if open.own_only {
            return Ok(());
        }
        let ((model, quota), now) = (MODELS[open.model], self.now);
        let covers = |one: &Option<Box<str>>| one.as_deref().is_none_or(|name| name == model);
        // What the pool counted itself it may try; what Google told, it may not.
        let mut rests = me.into_iter().flat_map(|me| &me.cooldowns);
        let rests =
            rests.find(|rest| covers(&rest.model) && rest.until > now.wall && !is_counted(rest));
        promise(rests.is_none(), || {
            format!("key {key} is used for {model} while it rests: {rests:?}")
        })?;
        let known = model == quota || self.alias_known;
        let told = self.told.get(&(slot, quota)).copied().filter(|_| known).unwrap_or_default();
        promise(told <= now.mono, || {
            format!("key {key} is used {:?} before Google's time", told.since(now.mono))
        })
    }

    fn may_serve(&self, open: &Open, key: u32, own: bool) -> Checked {
        let Some(me) = self.pool.me(id(key), self.now) else {
            return Err(format!("key {key} is used and unknown"));
        };
        let (model, quota) = MODELS[open.model];
        if !open.own_only {
            promise(me.state != "disabled", || format!("key {key} is disabled and used"))?;
        }
        if own {
            return Ok(());
        }
        promise(me.state != "paused", || format!("key {key} is paused and lent"))?;
        let named = me.limits.lend_models.as_ref();
        promise(named.is_none_or(|named| named.iter().any(|one| **one == *model)), || {
            format!("key {key} is lent for {model}, of {quota}, which is not named")
        })?;
        let limit = me.limits.lend_per_day.unwrap_or(u32::MAX);
        promise(me.usage.lent_today <= limit, || format!("key {key} is lent beyond {limit}"))
    }

    /// The attempt under way is over.
    fn stops(&mut self, open: &mut Open) {
        open.running = None;
        if let Some(running) = open.slot.take().and_then(|slot| self.running.get_mut(&slot)) {
            *running -= 1;
        }
    }
}

/// Whether a key is as it was, the pool's own count apart: the attempt's part of it is given back.
fn is_spared(before: &Option<Me>, after: &Option<Me>) -> bool {
    let uncounted = |me: &Me| {
        let rests = me.cooldowns.iter().filter(|rest| !is_counted(rest)).cloned();
        Me { cooldowns: rests.collect(), ..me.clone() }
    };
    before.as_ref().map(uncounted) == after.as_ref().map(uncounted)
}

/// Whether a rest may come from the pool's own count.
fn is_counted(rest: &MeCooldown) -> bool {
    [Cause::Day.words(), Cause::Minute.words()].contains(&rest.why)
}

fn take(list: &mut Vec<Open>, name: u32) -> Option<Open> {
    let at = list.iter().position(|open| open.name == name)?;
    Some(list.remove(at))
}

/// A day with so many seconds left has just begun.
const DAY_IS_YOUNG: u64 = 24 * 3_600 - 15 * 60;
