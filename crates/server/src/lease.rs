//! An exchange of the pool's that cannot be forgotten.
//!
//! Why: the pool counts what is under way, and a caller may leave at any moment, which drops the
//! future that serves it. Rule: whoever holds the lease holds the exchange, and dropping it
//! finishes the exchange with what is known by then.

use std::sync::Arc;

use potluck_core::{After, Call, End, Exchange, Outcome, Step};
use potluck_gemini::failure::Failure;

use crate::app::App;
use crate::lent::Lent;

/// One exchange under way.
pub struct Lease {
    app: Arc<App>,
    /// Empty only while it is being dropped. Boxed, since leases are moved more often than looked
    /// into.
    exchange: Option<Box<Exchange>>,
    /// What follows an answer that is to be dropped, asked for under the lock of its report.
    following: Option<Box<Step<Lent>>>,
    end: End,
    prompt_tokens: u32,
}

impl Lease {
    /// Begins an exchange and asks for its first step, under one lock.
    pub fn begin(app: &Arc<App>, call: Call<'_>) -> (Lease, Step<Lent>) {
        let now = app.clock.now();
        let mut pool = app.pool.lock();
        let mut exchange = pool.begin(call, now);
        let step = pool.next(&mut exchange, now);
        drop(pool);
        let (exchange, app) = (Some(Box::new(exchange)), app.clone());
        let prompt_tokens = call.prompt_tokens;
        (Lease { app, exchange, following: None, end: End::LEFT, prompt_tokens }, step)
    }

    /// The next step.
    pub fn next(&mut self) -> Step<Lent> {
        if let Some(step) = self.following.take() {
            return *step;
        }
        self.with(Step::Refuse(potluck_core::Refusal::NoAnswer), |app, exchange| {
            app.pool.lock().next(exchange, app.clock.now())
        })
    }

    /// Tells how the attempt went.
    pub fn report(&mut self, outcome: Outcome<'_>) -> After {
        let Some(exchange) = &mut self.exchange else { return After::Pass };
        let now = self.app.clock.now();
        let mut pool = self.app.pool.lock();
        let after = pool.report(exchange, outcome, now);
        if after == After::Again {
            self.following = Some(Box::new(pool.next(exchange, now)));
        }
        after
    }

    /// The store has the bearer's key; false where the pool is full.
    pub fn admitted(&mut self, secret: Lent) -> bool {
        self.with(false, |app, exchange| {
            app.pool.lock().admitted(exchange, secret, app.clock.now())
        })
    }

    /// An error arrived behind a 2xx head.
    pub fn interrupted(&mut self, failure: &Failure) {
        self.with((), |app, exchange| {
            app.pool.lock().interrupted(exchange, failure, app.clock.now());
        });
    }

    /// Counts a stream that broke behind its head.
    pub fn count_broken(&self) {
        self.app.metrics.broke();
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

    /// Whether the caller's key is in the pool.
    pub fn bearer_is_known(&self) -> bool {
        self.exchange.as_ref().is_some_and(|exchange| exchange.bearer_is_known())
    }

    /// Whether the caller's own key served.
    pub fn served_by_own(&self) -> bool {
        self.exchange.as_ref().and_then(|exchange| exchange.served_by_own()).unwrap_or(true)
    }

    fn with<T>(&mut self, gone: T, act: impl FnOnce(&App, &mut Exchange) -> T) -> T {
        match &mut self.exchange {
            Some(exchange) => act(&self.app, exchange),
            None => gone,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            let now = self.app.clock.now();
            self.app.pool.lock().finish(*exchange, self.end, now);
        }
    }
}
