//! The exchanges that isolates have under way, as the object knows them.
//!
//! Why: an isolate cannot hold an exchange of the pool's, and asking the object twice for each call
//! would cost more than the call. So the object keeps every exchange under a token, and begins some
//! ahead: a lease is an exchange whose call has not come yet, and everything that the pool decides
//! (whose key, how often, within which limits) is decided for it as for any other. Rule: a lease is
//! good for [`LEASE`]; what is not told of by then is given back.

use std::collections::HashMap;
use std::time::Duration;

use potluck_core::{
    After, Attempt, Exchange, KeyId, Mono, Now, Outcome, Pool, Step, Talk, Tombstone, Whose,
};

use crate::lent::Lent;
use crate::line::{
    Ahead, Asked, CallSaid, Heard, LOST, LentSaid, OutcomeSaid, Said, StepSaid, Token, Told,
};

/// How long an exchange that was begun ahead may wait for its call.
pub const LEASE: Duration = Duration::from_secs(5);
/// How long isolates may take to tell that a lease was used: they tell within a second.
const GRACE: Duration = Duration::from_secs(10);
/// An exchange that nothing was heard of for so long is over: its isolate is gone. Google's longest
/// streams end within the hour.
const LONGEST: Duration = Duration::from_secs(3600);
/// Exchanges held at once: a tenth of an isolate's memory.
const MOST: usize = 1 << 15;
/// Exchanges begun ahead at one time for one isolate.
const MOST_AHEAD: u32 = 64;

/// All that are under way.
pub struct Exchanges {
    held: HashMap<Token, Held>,
    last: Token,
    swept: Mono,
}

struct Held {
    exchange: Exchange,
    /// Begun ahead, and until when it may be taken up.
    lease: Option<Mono>,
    began: Mono,
}

impl Held {
    fn is_over(&self, now: Mono) -> bool {
        let end = self.lease.map_or(self.began + LONGEST, |until| until + GRACE);
        end <= now
    }
}

impl Exchanges {
    /// None yet. `epoch` tells this object's tokens from any other's.
    pub fn new(epoch: u32) -> Exchanges {
        Exchanges { held: HashMap::new(), last: u64::from(epoch) << 32, swept: Mono(0) }
    }

    /// Takes note of what was told, and answers what was asked; storing a key aside, which
    /// [`Exchanges::admitted`] is for.
    pub fn hear(&mut self, pool: &mut Pool<Lent>, said: Said, now: Now) -> Heard {
        self.sweep(pool, now);
        said.told.into_iter().for_each(|told| self.note(pool, told, now));
        match said.asked {
            None => Heard::default(),
            Some(Asked::Knows(id)) => Heard { known: pool.knows(KeyId(id)), ..Heard::default() },
            Some(Asked::Begin { exchange, call, ahead }) => {
                self.begin(pool, exchange, &call, ahead, now)
            }
            Some(Asked::Report(token, outcome)) => self.report(pool, token, &outcome, now),
            Some(Asked::Next(token) | Asked::Admit { exchange: token, .. }) => {
                self.next(pool, token, now)
            }
        }
    }

    /// The bearer of an exchange that proved a key, as its sealed row is named.
    pub fn bearer(&self, token: Token) -> Option<(KeyId, Tombstone)> {
        let exchange = &self.held.get(&token)?.exchange;
        Some((exchange.bearer()?, exchange.tombstone()?))
    }

    /// The store has the bearer's key. Says whether it joined, and goes on where nothing was served.
    pub fn admitted(&mut self, pool: &mut Pool<Lent>, token: Token, key: Lent, now: Now) -> Heard {
        let Some(held) = self.held.get_mut(&token) else { return Heard::default() };
        if !pool.admitted(&mut held.exchange, key, now) {
            return Heard { exchange: Some(token), ..Heard::default() };
        }
        let served = held.exchange.served_by_own().is_some();
        let next = if served { Heard::default() } else { self.next(pool, token, now) };
        Heard { exchange: Some(token), known: true, ..next }
    }

    /// Gives back what was not taken up, and ends what is lost; looks every few seconds.
    pub fn sweep(&mut self, pool: &mut Pool<Lent>, now: Now) {
        if now.mono < self.swept + LEASE {
            return;
        }
        self.swept = now.mono;
        let over = self.held.iter().filter(|(_, held)| held.is_over(now.mono));
        let over: Vec<Token> = over.map(|(token, _)| *token).collect();
        for token in over {
            match self.held.remove(&token) {
                Some(held) if held.lease.is_some() => pool.give_back(held.exchange, now),
                Some(held) => pool.finish(held.exchange, LOST, now),
                None => {}
            }
        }
    }

    fn begin(
        &mut self,
        pool: &mut Pool<Lent>,
        token: Token,
        call: &CallSaid,
        ahead: u32,
        now: Now,
    ) -> Heard {
        // The answer to the first question was lost.
        if let Some(before) = self.held.remove(&token) {
            pool.finish(before.exchange, LOST, now);
        }
        if self.held.len() >= MOST {
            return Heard::default();
        }
        let mut exchange = pool.begin(call.call(), now);
        let known = exchange.bearer_is_known();
        let step = pool.next(&mut exchange, now);
        let leases = known && matches!(step, Step::Try(_));
        self.held.insert(token, Held { exchange, lease: None, began: now.mono });
        let mut heard = Heard { exchange: Some(token), known, ..Heard::default() };
        heard.step = Some(said(step, now));
        for _ in 0..if leases { ahead.min(MOST_AHEAD) } else { 0 } {
            let Some(lease) = self.begin_ahead(pool, call, now) else { break };
            heard.ahead.push(lease);
        }
        heard
    }

    fn begin_ahead(&mut self, pool: &mut Pool<Lent>, call: &CallSaid, now: Now) -> Option<Ahead> {
        let mut exchange = pool.begin(call.call(), now);
        match pool.next(&mut exchange, now) {
            Step::Try(Attempt { whose: Whose::Key { id, secret, own, .. }, .. }) => {
                let lease = Some(now.mono + LEASE);
                self.last += 1;
                self.held.insert(self.last, Held { exchange, lease, began: now.mono });
                let exchange = self.last;
                Some(Ahead { exchange, key: lent(id, own, &secret) })
            }
            _ => {
                pool.give_back(exchange, now);
                None
            }
        }
    }

    fn report(
        &mut self,
        pool: &mut Pool<Lent>,
        token: Token,
        outcome: &OutcomeSaid,
        now: Now,
    ) -> Heard {
        let Some(held) = self.held.get_mut(&token) else { return Heard::default() };
        // It is in use, whether or not that was told.
        held.lease = None;
        let after = pool.report(&mut held.exchange, outcome.outcome(), now);
        let next = match after {
            After::Again => self.next(pool, token, now),
            _ => Heard { exchange: Some(token), ..Heard::default() },
        };
        Heard { after: Some(after), ..next }
    }

    fn next(&mut self, pool: &mut Pool<Lent>, token: Token, now: Now) -> Heard {
        let Some(held) = self.held.get_mut(&token) else { return Heard::default() };
        let step = pool.next(&mut held.exchange, now);
        Heard { exchange: Some(token), step: Some(said(step, now)), ..Heard::default() }
    }

    fn note(&mut self, pool: &mut Pool<Lent>, told: Told, now: Now) {
        match told {
            Told::TakenUp(token, talk) => self.take_up(pool, token, talk, now),
            Told::Served(token) => {
                if let Some(held) = self.held.get_mut(&token) {
                    held.lease = None;
                    pool.report(&mut held.exchange, Outcome::Served, now);
                }
            }
            Told::Interrupted(token, failure) => {
                if let Some(held) = self.held.get_mut(&token) {
                    pool.interrupted(&mut held.exchange, &failure, now);
                }
            }
            Told::Ended(token, end) => {
                if let Some(held) = self.held.remove(&token) {
                    pool.finish(held.exchange, end, now);
                }
            }
            Told::GivenBack(token) => self.give_back(pool, token, now),
            Told::Unreadable(id) => drop(pool.leave_out(KeyId(id))),
        }
    }

    fn take_up(&mut self, pool: &mut Pool<Lent>, token: Token, talk: Talk, now: Now) {
        let Some(held) = self.held.get_mut(&token) else { return };
        held.lease = None;
        pool.take_up(&mut held.exchange, talk, now);
    }

    fn give_back(&mut self, pool: &mut Pool<Lent>, token: Token, now: Now) {
        if let Some(held) = self.held.remove(&token) {
            pool.give_back(held.exchange, now);
        }
    }
}

fn said(step: Step<Lent>, now: Now) -> StepSaid {
    match step {
        Step::Try(Attempt { whose: Whose::Bearer, number }) => StepSaid::Bearer { number },
        Step::Try(Attempt { whose: Whose::Key { id, secret, own, .. }, number }) => {
            StepSaid::Key { number, key: lent(id, own, &secret) }
        }
        Step::Wait { until } => {
            let wait = until.since(now.mono);
            StepSaid::Wait(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
        }
        Step::Refuse(refusal) => StepSaid::Refuse(refusal),
    }
}

fn lent(id: KeyId, own: bool, secret: &Lent) -> LentSaid {
    LentSaid { id: id.0, own, sealed: secret.sealed().as_bytes().to_vec() }
}
