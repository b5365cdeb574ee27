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
            Some(Asked::Remembers { id, tombstone }) => {
                let known = pool.knows(KeyId(id)) || pool.is_withdrawn(Tombstone(tombstone));
                Heard { known, ..Heard::default() }
            }
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
        self.end(pool, now, |held| held.is_over(now.mono));
    }

    /// Whether there are leases that nobody is known to use.
    pub fn has_leases(&self) -> bool {
        self.held.values().any(|held| held.lease.is_some())
    }

    /// Gives back all leases that ran out. Isolates tell within a second that one is used, and none
    /// has said anything since: what is counted for them now would be kept, and was never spent.
    pub fn give_back_unused(&mut self, pool: &mut Pool<Lent>, now: Now) {
        self.end(pool, now, |held| held.lease.is_some_and(|until| until <= now.mono));
    }

    fn end(&mut self, pool: &mut Pool<Lent>, now: Now, is_over: impl Fn(&Held) -> bool) {
        let over = self.held.iter().filter(|(_, held)| is_over(held));
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
        let guest = exchange.guest().filter(|_| matches!(step, Step::Refuse(_)));
        self.held.insert(token, Held { exchange, lease: None, began: now.mono });
        let mut heard = Heard { exchange: Some(token), known, guest, ..Heard::default() };
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
            Told::Borrowed(id, tokens) => pool.borrowed_elsewhere(KeyId(id), "", tokens, now),
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use potluck_core::{Config, End, Ending, Tombstone, Wall, Way};
    use potluck_gemini::Family;
    use potluck_gemini::body::Metered;
    use potluck_vault::Sealed;

    use super::*;

    /// An object with a pool, and a clock of its own.
    struct Object {
        pool: Pool<Lent>,
        exchanges: Exchanges,
        now: Now,
        drawn: Token,
    }

    impl Object {
        /// With so many keys, named by their numbers.
        fn with(keys: u8) -> Object {
            let now = Now { mono: Mono(1_000_000), wall: Wall(1_700_000_000_000) };
            let pool = Pool::new(Config::default(), 7);
            let mut object = Object { pool, exchanges: Exchanges::new(9), now, drawn: 0 };
            (1..=keys).for_each(|key| object.join(key));
            object
        }

        fn join(&mut self, key: u8) {
            let (token, _) = self.begin(key, 0);
            let heard = self.ask(Asked::Report(token, OutcomeSaid::Served));
            assert_eq!(heard.after, Some(After::Commit { admit: true }));
            let lent = Lent::of(Sealed::from_bytes([key; 4]));
            let heard = self.exchanges.admitted(&mut self.pool, token, lent, self.now);
            assert!(heard.known);
            self.tell(Told::Ended(token, WHOLE));
        }

        fn begin(&mut self, bearer: u8, ahead: u32) -> (Token, Heard) {
            self.drawn += 1;
            (self.drawn, self.begin_as(self.drawn, bearer, ahead))
        }

        fn begin_as(&mut self, exchange: Token, bearer: u8, ahead: u32) -> Heard {
            self.ask(Asked::Begin { exchange, call: Box::new(call(bearer)), ahead })
        }

        fn ask(&mut self, asked: Asked) -> Heard {
            let said = Said { told: Vec::new(), asked: Some(asked) };
            self.exchanges.hear(&mut self.pool, said, self.now)
        }

        fn tell(&mut self, told: Told) {
            let said = Said { told: vec![told], asked: None };
            self.exchanges.hear(&mut self.pool, said, self.now);
        }

        fn pass(&mut self, span: Duration) {
            self.now = self.now + span;
        }

        fn under_way(&self) -> u64 {
            self.pool.metrics().under_way
        }

        fn lent(&self, key: u8) -> u64 {
            self.pool.me(KeyId([key; 16]), self.now).unwrap().usage.lent_calls
        }
    }

    const WHOLE: End = End { tokens: 5, prompt_tokens: 0, ending: Ending::Whole };

    fn call(bearer: u8) -> CallSaid {
        CallSaid {
            bearer: [bearer; 16],
            tombstone: [bearer ^ 0xff; 16],
            model: Some("m".into()),
            family: Family::Generate,
            metered: Metered::NONE,
            way: Way::Pool,
            proof: true,
            talk: Talk::default(),
            source: [0; 16],
            own_requested: false,
            guest: None,
        }
    }

    #[test]
    fn a_key_joins_by_its_first_call_and_serves_others_from_then_on() {
        let mut object = Object::with(2);
        let served: Vec<_> = (0..4)
            .map(|_| {
                let (token, heard) = object.begin(1, 0);
                let Some(StepSaid::Key { number: 1, key }) = heard.step else {
                    panic!("{heard:?}")
                };
                object.tell(Told::Served(token));
                object.tell(Told::Ended(token, WHOLE));
                key.id[0]
            })
            .collect();
        assert_eq!(served.iter().filter(|key| **key == 2).count(), 2, "{served:?}");
        assert_eq!((object.lent(2), object.under_way()), (2, 0));
    }

    #[test]
    fn leases_are_spread_like_calls_and_count_once_they_are_used() {
        let mut object = Object::with(4);
        let (_, heard) = object.begin(1, 7);
        let mut keys: Vec<_> = heard.ahead.iter().map(|lease| lease.key.id[0]).collect();
        keys.sort_unstable();
        // The eighth is the first call's own.
        assert_eq!(keys.len(), 7);
        assert!((1..=4).all(|key| keys.iter().filter(|one| **one == key).count() >= 1));

        let lease = heard.ahead.iter().find(|lease| lease.key.id[0] == 2).unwrap();
        object.tell(Told::TakenUp(lease.exchange, Talk::default()));
        object.tell(Told::Served(lease.exchange));
        object.tell(Told::Ended(lease.exchange, WHOLE));
        assert_eq!(object.lent(2), 1);
    }

    #[test]
    fn what_nobody_used_is_as_if_it_had_not_been() {
        let mut object = Object::with(3);
        let (token, heard) = object.begin(1, 6);
        object.tell(Told::Served(token));
        object.tell(Told::Ended(token, WHOLE));
        let before: Vec<_> = (1..=3).map(|key| object.lent(key)).collect();

        object.tell(Told::GivenBack(heard.ahead[0].exchange));
        assert_eq!(object.under_way(), 5);
        object.pass(LEASE + GRACE + LEASE);
        object.tell(Told::GivenBack(0));

        assert_eq!(object.under_way(), 0);
        assert_eq!((1..=3).map(|key| object.lent(key)).collect::<Vec<_>>(), before);
    }

    #[test]
    fn before_counts_are_kept_for_long_unused_leases_are_given_back_and_used_ones_are_not() {
        let mut object = Object::with(2);
        let (token, heard) = object.begin(1, 4);
        object.tell(Told::Served(token));
        object.tell(Told::Ended(token, WHOLE));
        object.tell(Told::TakenUp(heard.ahead[0].exchange, Talk::default()));
        object.pass(LEASE);
        let now = object.now;
        assert!(object.exchanges.has_leases());
        object.exchanges.give_back_unused(&mut object.pool, now);
        assert_eq!((object.under_way(), object.exchanges.has_leases()), (1, false));
    }

    #[test]
    fn a_lease_in_use_is_not_given_back_however_long_it_takes() {
        let mut object = Object::with(2);
        let (_, heard) = object.begin(1, 1);
        let lease = heard.ahead[0].exchange;
        object.tell(Told::Served(lease));
        object.pass(LEASE + GRACE + LEASE);
        object.tell(Told::GivenBack(0));

        assert_eq!(object.under_way(), 2, "the first call, and the one that took the lease");
        object.tell(Told::Ended(lease, WHOLE));
        assert_eq!(object.under_way(), 1);
    }

    #[test]
    fn asked_twice_it_is_begun_once() {
        let mut object = Object::with(2);
        object.begin_as(77, 1, 0);
        object.begin_as(77, 1, 0);
        assert_eq!(object.under_way(), 1);
        object.tell(Told::Ended(77, WHOLE));
        object.tell(Told::Ended(77, WHOLE));
        assert_eq!(object.under_way(), 0);
    }

    #[test]
    fn what_is_never_heard_of_again_is_over_in_the_end() {
        let mut object = Object::with(2);
        object.begin(1, 0);
        object.pass(LONGEST);
        object.tell(Told::GivenBack(0));
        assert_eq!(object.under_way(), 0);
    }

    #[test]
    fn another_object_knows_nothing_of_an_exchange() {
        let mut object = Object::with(1);
        for asked in [Asked::Report(5, OutcomeSaid::NoAnswer), Asked::Next(5)] {
            assert_eq!(object.ask(asked), Heard::default());
        }
        assert_eq!(object.exchanges.bearer(5), None);
    }

    #[test]
    fn a_refusal_moves_the_call_to_another_key() {
        let mut object = Object::with(2);
        let (token, heard) = object.begin(1, 0);
        let Some(StepSaid::Key { key: first, .. }) = heard.step else { panic!() };
        let heard = object.ask(Asked::Report(token, OutcomeSaid::NoAnswer));
        let Some(StepSaid::Key { number: 2, key: second }) = heard.step else {
            panic!("{heard:?}")
        };
        assert_eq!(heard.after, Some(After::Again));
        assert_ne!(first.id, second.id);
    }

    #[test]
    fn a_withdrawn_key_is_lent_to_nobody() {
        let mut object = Object::with(3);
        object.pool.withdraw(KeyId([2; 16]), Tombstone([1; 16]), object.now);
        let (_, heard) = object.begin(1, 16);
        assert!(heard.ahead.iter().all(|lease| lease.key.id[0] != 2));
    }
}
