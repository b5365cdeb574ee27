//! An exchange of the pool's that cannot be forgotten.
//!
//! Why: the pool counts what is under way, and a caller may leave at any moment, which drops the
//! future that serves it. Rule: whoever holds the lease holds the exchange, and dropping it
//! finishes the exchange with what is known by then.

use std::sync::Arc;
use std::time::Instant;

use potluck_core::{After, Call, End, Ending, Exchange, Guest, Outcome, Step, TokenId};
use potluck_gemini::failure::Failure;

use crate::app::App;
use crate::erasures::Moment;
use crate::lent::Lent;
use crate::pools::{Elsewhere, PartNumber};

/// One exchange under way.
pub struct Lease {
    app: Arc<App>,
    /// Empty only while it is being dropped. Boxed, since leases are moved more often than looked
    /// into.
    exchange: Option<Box<Exchange>>,
    /// The part of the pool that serves it, and the one where its bearer is at home.
    part: PartNumber,
    home: PartNumber,
    /// What follows an answer that is to be dropped, asked for under the lock of its report.
    following: Option<Box<Step<Lent>>>,
    end: End,
    prompt_tokens: u32,
    began: Option<Instant>,
    /// The access token that its tokens are counted for, and how many it was told of already.
    token: Option<TokenId>,
    told_token: u64,
}

impl Lease {
    /// Begins an exchange and asks for its first step, under one lock; where nothing is left at
    /// home, in another part of the pool.
    pub fn begin(app: &Arc<App>, call: Call<'_>) -> (Lease, Step<Lent>) {
        let now = app.clock.now();
        let home = app.pools.home(call.bearer);
        let mut pool = app.pools.at(home);
        let mut exchange = pool.begin(call, now);
        let mut step = pool.next(&mut exchange, now);
        drop(pool);
        let mut part = home;
        if let (Step::Refuse(_), Some(guest)) = (&step, exchange.guest())
            && let Some(found) = app.pools.elsewhere(call, guest, now)
        {
            app.pools.at(home).pass_on(exchange, now);
            Elsewhere { part, exchange, step } = found;
        }
        let (exchange, app) = (Some(Box::new(exchange)), app.clone());
        let (following, end, prompt_tokens) = (None, End::LEFT, call.prompt_tokens);
        let token = call.bearer.filter(|_| call.guest == Some(Guest::Token));
        let token = token.map(|id| TokenId(id.0));
        let lease = Lease {
            app,
            exchange,
            part,
            home,
            following,
            end,
            prompt_tokens,
            began: None,
            token,
            told_token: 0,
        };
        (lease, step)
    }

    /// The next step.
    pub fn next(&mut self) -> Step<Lent> {
        if let Some(step) = self.following.take() {
            return *step;
        }
        self.with(Step::Refuse(potluck_core::Refusal::NoAnswer), |app, part, exchange| {
            app.pools.at(part).next(exchange, app.clock.now())
        })
    }

    /// Tells how the attempt went.
    pub fn report(&mut self, outcome: Outcome<'_>) -> After {
        let Some(exchange) = &mut self.exchange else { return After::Pass };
        let now = self.app.clock.now();
        let mut pool = self.app.pools.at(self.part);
        let after = pool.report(exchange, outcome, now);
        if after == After::Again {
            self.following = Some(Box::new(pool.next(exchange, now)));
        }
        after
    }

    /// The store has the bearer's key, whose storing began then; false where the pool is full, or
    /// the key was erased meanwhile.
    pub fn admitted(&mut self, secret: Lent, since: Moment) -> bool {
        self.with(false, |app, part, exchange| {
            let mut pool = app.pools.at(part);
            let admitted = pool.admitted(exchange, secret, app.clock.now());
            match exchange.bearer().filter(|id| app.erasures.since(since, *id)) {
                Some(id) => {
                    pool.erase(id);
                    false
                }
                None => admitted,
            }
        })
    }

    /// An error arrived behind a 2xx head.
    pub fn interrupted(&mut self, failure: &Failure) {
        self.with((), |app, part, exchange| {
            app.pools.at(part).interrupted(exchange, failure, app.clock.now());
        });
    }

    /// Counts a stream that broke behind its head.
    pub fn count_broken(&self) {
        self.app.metrics.broke();
    }

    /// When its call was read: what its answer's first byte is measured against.
    pub fn set_began(&mut self, began: Instant) {
        self.began = Some(began);
    }

    /// The first byte of its answer goes out.
    pub fn first_byte(&mut self) {
        if let Some(began) = self.began.take() {
            self.app.metrics.times.first_byte(began);
        }
    }

    /// So much of its answer has gone out.
    pub fn passed(&self, bytes: u64) {
        self.app.metrics.passed(bytes);
    }

    /// A turn of its socket has taken so much. A token's limits hold for an open socket, so they hear at
    /// once; the pool hears when it is over.
    pub fn took(&mut self, tokens: u64) {
        self.end.tokens = self.end.tokens.saturating_add(tokens);
        self.told_token = self.told_token.saturating_add(tokens);
        if let Some(token) = self.token {
            self.app.tokens.lock().spent(token, tokens, self.app.clock.now());
        }
    }

    /// What is to be told of the exchange's end when the lease is dropped.
    pub fn set_end(&mut self, end: End) {
        self.end = end;
    }

    /// The prompt's tokens, as they were estimated.
    pub fn prompt_tokens(&self) -> u64 {
        self.prompt_tokens.into()
    }

    /// Attempts so far.
    pub fn attempts(&self) -> u8 {
        self.exchange.as_ref().map_or(0, |exchange| exchange.attempts())
    }

    /// What the last attempt's answer said.
    pub fn last_verdict(&self) -> &'static str {
        self.exchange.as_ref().map_or("", |exchange| exchange.last_verdict())
    }

    /// Whether the caller's key is in the pool.
    pub fn bearer_is_known(&self) -> bool {
        self.is_guest() || self.exchange.as_ref().is_some_and(|exchange| exchange.bearer_is_known())
    }

    /// Whether the caller's own key served.
    pub fn served_by_own(&self) -> bool {
        self.exchange.as_ref().and_then(|exchange| exchange.served_by_own()).unwrap_or(true)
    }

    /// Whether another part than the bearer's own serves it.
    fn is_guest(&self) -> bool {
        self.part != self.home
    }

    fn with<T>(&mut self, gone: T, act: impl FnOnce(&App, PartNumber, &mut Exchange) -> T) -> T {
        match &mut self.exchange {
            Some(exchange) => act(&self.app, self.part, exchange),
            None => gone,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(exchange) = self.exchange.take() else { return };
        let (now, bearer) = (self.app.clock.now(), exchange.bearer());
        let mut pool = self.app.pools.at(self.part);
        let lent = bearer.filter(|_| self.is_guest() && self.end.ending != Ending::Left);
        let lent = lent.map(|bearer| (bearer, pool.model_of(&exchange)));
        pool.finish(*exchange, self.end, now);
        drop(pool);
        if let Some(token) = self.token {
            let untold = self.end.tokens.saturating_sub(self.told_token);
            self.app.tokens.lock().spent(token, untold, now);
        }
        if let Some((bearer, model)) = lent {
            self.app.pools.at(self.home).borrowed_elsewhere(bearer, &model, self.end.tokens, now);
        }
    }
}
