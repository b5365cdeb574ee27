//! An exchange of the pool's, in the isolate that carries it out.
//!
//! Rule: whoever holds the lease holds the exchange, and dropping it tells the object how it ended.
//! Where the object cannot be reached the caller's own key serves, once, and nothing is decided.

use std::rc::Rc;

use potluck_core::{After, Call, End, Ending, Guest, KeyId, Refusal, Seek, Talk, Way};
use potluck_gemini::failure::Failure;

use crate::hand::Hand;
use crate::leases::{Kind, Over};
use crate::line::{Ahead, Asked, CallSaid, Heard, LentSaid, OutcomeSaid, StepSaid, Token, Told};
use crate::memory;
use crate::object;

/// Attempts of one call, should the object forget it in between.
const MOST_ATTEMPTS: u8 = 4;
/// A longer prompt is not served on a lease: whether a key takes it, the object knows.
const LEASED_PROMPT: u32 = 4096;

/// One exchange under way.
pub struct Lease {
    hand: Rc<Hand>,
    call: CallSaid,
    shard: u8,
    /// None where the object cannot be reached.
    exchange: Option<Token>,
    known: bool,
    own: bool,
    /// What its part of the pool says of the bearer, where it has nothing for the call.
    guest: Option<Guest>,
    /// The key of the pool's that is tried.
    key: Option<[u8; 16]>,
    attempts: u8,
    end: End,
    following: Option<StepSaid>,
}

impl Lease {
    /// Begins an exchange; its first step, too.
    pub async fn begin(hand: &Rc<Hand>, call: &Call<'_>) -> (Lease, StepSaid) {
        let call = said(call);
        let shard = hand.fixed.settings.shard(&call.bearer);
        let mut lease = Lease {
            hand: Rc::clone(hand),
            call,
            shard,
            exchange: None,
            known: false,
            own: true,
            guest: None,
            key: None,
            attempts: 0,
            end: End::LEFT,
            following: None,
        };
        let step = match lease.refused() {
            Some(refusal) => StepSaid::Refuse(refusal),
            None => match lease.leased() {
                Some(step) => step,
                None => lease.ask_around().await,
            },
        };
        (lease, step)
    }

    /// The next step.
    pub async fn next(&mut self) -> StepSaid {
        if let Some(step) = self.following.take() {
            return step;
        }
        let Some(exchange) = self.exchange else { return StepSaid::Refuse(Refusal::NoAnswer) };
        let heard = object::ask(&self.hand, self.shard, Asked::Next(exchange)).await;
        match heard.and_then(|heard| heard.step) {
            Some(step) => step,
            None => self.ask_for_one().await,
        }
    }

    /// Notes which attempt begins, and with which key; none is the one that the caller showed.
    pub fn tries(&mut self, number: u8, key: Option<&LentSaid>) {
        self.attempts = self.attempts.saturating_add(1).max(number);
        self.own = key.is_none_or(|key| key.own);
        self.key = key.map(|key| key.id);
    }

    /// A 2xx head came for a key of the pool: the object hears of it in time.
    pub fn served(&mut self) {
        self.tell(Told::Served);
    }

    /// Asks what becomes of an attempt's answer. A key that failed is not used on what was lent
    /// before: one verdict ends all leases of it here, those of other isolates end by themselves.
    pub async fn report(&mut self, outcome: OutcomeSaid) -> After {
        if let (Some(key), OutcomeSaid::Failed(_)) = (self.key, &outcome) {
            let over = memory::with(|memory| memory.leases.borrow_mut().drop_key(&key));
            self.give_back(over);
        }
        let Some(exchange) = self.exchange else { return alone(&outcome) };
        let asked = Asked::Report(exchange, outcome.clone());
        let heard = object::ask(&self.hand, self.shard, asked).await.unwrap_or_default();
        if let Some(after) = heard.after {
            self.following = heard.step;
            return after;
        }
        // The object has started anew, and decides about a fresh exchange. What is the caller's own
        // business is never done twice.
        self.exchange = None;
        if self.attempts >= MOST_ATTEMPTS || self.call.way != Way::Pool {
            return alone(&outcome);
        }
        self.following = Some(self.ask_for_one().await);
        After::Again
    }

    /// Has the caller's key stored; true once it is in the pool, and on the disk.
    pub async fn admit(&mut self, sealed: Vec<u8>) -> bool {
        let Some(exchange) = self.exchange else { return false };
        let asked = Asked::Admit { exchange, sealed };
        let heard = object::ask(&self.hand, self.shard, asked).await.unwrap_or_default();
        self.following = heard.step;
        self.learn(heard.known);
        heard.known
    }

    /// An error came behind a 2xx head.
    pub fn interrupted(&mut self, failure: Failure) {
        self.tell(|exchange| Told::Interrupted(exchange, Box::new(failure)));
    }

    /// A key that was lent cannot be unsealed: nobody is to be lent it again.
    pub fn unreadable(&mut self, id: [u8; 16]) {
        let over = memory::with(|memory| memory.leases.borrow_mut().drop_key(&id));
        self.give_back(over);
        memory::with(|memory| memory.tell(self.shard, [Told::Unreadable(id)]));
    }

    /// What is to be told of the exchange's end.
    pub fn set_end(&mut self, end: End) {
        self.end = end;
    }

    /// The prompt's tokens, as they were estimated.
    pub fn prompt_tokens(&self) -> u64 {
        self.call.talk.prompt_tokens.into()
    }

    /// Attempts so far.
    pub fn attempts(&self) -> u8 {
        self.attempts
    }

    /// Whether the caller's key was in the pool.
    pub fn bearer_is_known(&self) -> bool {
        self.known
    }

    /// Whether the caller's own key serves.
    pub fn served_by_own(&self) -> bool {
        self.own
    }

    /// Why the caller need not be asked for.
    fn refused(&self) -> Option<Refusal> {
        let (id, now) = (KeyId(self.call.bearer), memory::now());
        memory::with(|memory| match memory.knows(id, now) {
            true => None,
            false => memory.garbage.borrow_mut().refusal(id, self.call.source, now),
        })
    }

    /// A step out of what was lent ahead.
    fn leased(&mut self) -> Option<StepSaid> {
        let kind = self.kind()?;
        let lease = memory::with(|memory| memory.leases.borrow_mut().take(&kind, memory::now()))?;
        let Ahead { exchange, key } = lease;
        (self.exchange, self.known) = (Some(exchange), true);
        let talk = self.call.talk;
        self.tell(|exchange| Told::TakenUp(exchange, talk));
        // A long stream must not be taken for a lease that nobody used.
        memory::tell_soon(&self.hand);
        Some(StepSaid::Key { number: 1, key })
    }

    /// Asks the part of the pool where the bearer's key lives, and others where it has nothing.
    async fn ask_around(&mut self) -> StepSaid {
        let (home, mut asked) = (self.shard, Vec::new());
        let step = self.ask_for_one().await;
        let (StepSaid::Refuse(_), Some(guest)) = (&step, self.guest) else { return step };
        let model = self.call.model.clone().unwrap_or_default();
        let parts = self.hand.fixed.settings.shards;
        let (family, metered) = (self.call.family, self.call.metered);
        let seek = Seek { parts, home, model: &model, family, metered, guest };
        let next = |asked: &[u8]| {
            memory::with(|memory| memory.spill.borrow_mut().next(seek, asked, memory::now()))
        };
        while let Some(shard) = next(&asked) {
            self.tell(|exchange| Told::Ended(exchange, End::LEFT));
            (self.shard, self.call.guest) = (shard, Some(guest));
            asked.push(shard);
            match self.ask_for_one().await {
                StepSaid::Refuse(refusal) => memory::with(|memory| {
                    memory.spill.borrow_mut().refused(shard, seek, refusal, memory::now());
                }),
                found => {
                    memory::with(|memory| memory.spill.borrow_mut().served(shard, seek));
                    return found;
                }
            }
        }
        step
    }

    async fn ask_for_one(&mut self) -> StepSaid {
        // What is lent ahead is lent at home.
        let kind = self.kind().filter(|_| self.call.guest.is_none());
        let ahead = kind.as_ref().map_or(0, |kind| self.wanted(kind));
        let (exchange, asked_at) = (memory::token(), memory::now());
        let asked = Asked::Begin { exchange, call: Box::new(self.call.clone()), ahead };
        // Known before it is there: whoever leaves meanwhile leaves no exchange open.
        self.exchange = Some(exchange);
        let heard = object::ask(&self.hand, self.shard, asked).await.unwrap_or_default();
        self.exchange = heard.exchange;
        let Heard { step: Some(step), known, ahead, guest, .. } = heard else {
            return StepSaid::Bearer { number: 1 };
        };
        self.guest = guest;
        if self.call.guest.is_none() {
            self.learn(known);
        }
        if let Some(kind) = kind.filter(|_| !ahead.is_empty()) {
            let over = memory::with(|m| m.leases.borrow_mut().put(&kind, ahead, asked_at));
            self.give_back(over);
        }
        if let StepSaid::Refuse(refusal) = step {
            self.remember(refusal);
        }
        step
    }

    fn wanted(&self, kind: &Kind) -> u32 {
        let now = memory::now();
        let (ahead, over) = memory::with(|memory| memory.leases.borrow_mut().want(kind, now));
        self.give_back(over);
        ahead
    }

    fn give_back(&self, leases: Over) {
        give_back(&self.hand, leases);
    }

    fn learn(&mut self, known: bool) {
        self.known |= known;
        let id = KeyId(self.call.bearer);
        memory::with(|memory| memory.learn(id, known, memory::now()));
    }

    fn remember(&self, refusal: Refusal) {
        let CallSaid { bearer, source, .. } = self.call;
        memory::with(|memory| {
            let mut garbage = memory.garbage.borrow_mut();
            garbage.remember(KeyId(bearer), source, refusal, memory::now());
        });
    }

    /// What a lease would have to be for; none where only the object can choose.
    fn kind(&self) -> Option<Kind> {
        let CallSaid { bearer, ref model, family, metered, way, talk, .. } = self.call;
        let Talk { signature, has_model_turn, prompt_tokens, .. } = talk;
        let plain = signature.is_none() && !has_model_turn && prompt_tokens <= LEASED_PROMPT;
        let (bearer, model) = (KeyId(bearer), model.clone());
        plain.then_some(Kind { bearer, model, family, metered, way })
    }

    fn tell(&self, what: impl FnOnce(Token) -> Told) {
        if let Some(exchange) = self.exchange {
            memory::with(|memory| memory.tell(self.shard, [what(exchange)]));
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let end = self.end;
        self.tell(|exchange| Told::Ended(exchange, end));
        if self.call.guest.is_some() && end.ending != Ending::Left {
            let home = self.hand.fixed.settings.shard(&self.call.bearer);
            let borrowed = Told::Borrowed(self.call.bearer, end.tokens);
            memory::with(|memory| memory.tell(home, [borrowed]));
        }
        // Whoever left takes the request's context along; it is told with another request.
        if !self.hand.signal.aborted() {
            memory::tell_soon(&self.hand);
        }
    }
}

/// What the pool would say of the caller's own key, once asked, without knowing any.
fn alone(outcome: &OutcomeSaid) -> After {
    match outcome {
        OutcomeSaid::Served => After::Commit { admit: false },
        OutcomeSaid::Failed(_) => After::Pass,
        OutcomeSaid::NoAnswer => After::Template(Refusal::NoAnswer),
    }
}

fn said(call: &Call<'_>) -> CallSaid {
    let Call { conversation, signature, has_model_turn, prompt_tokens, .. } = *call;
    // Without its key a call goes nowhere near here; nobody's id is nobody's.
    let bearer = call.bearer.map_or([0; 16], |id| id.0);
    CallSaid {
        bearer,
        tombstone: call.tombstone.map_or([0; 16], |tombstone| tombstone.0),
        model: call.model.map(str::to_owned),
        family: call.family,
        metered: call.metered,
        way: if call.own_requested { Way::OwnOnly } else { call.way },
        proof: call.proof,
        talk: Talk { conversation, signature, has_model_turn, prompt_tokens },
        source: call.source.0.to_be_bytes(),
        own_requested: call.own_requested,
        guest: call.guest,
    }
}

/// Gives back what was lent ahead to a caller whose place in the pool changes, and of their key.
pub async fn forget(hand: &Hand, bearer: KeyId) {
    let over = memory::with(|memory| {
        memory.learn(bearer, false, memory::now());
        let mut leases = memory.leases.borrow_mut();
        [leases.drop_bearer(bearer), leases.drop_key(&bearer.0)].concat()
    });
    give_back(hand, over);
    object::tell(hand, hand.fixed.settings.shard(&bearer.0)).await;
}

fn give_back(hand: &Hand, leases: Over) {
    for (bearer, lease) in leases {
        let shard = hand.fixed.settings.shard(&bearer.0);
        memory::with(|memory| memory.tell(shard, [Told::GivenBack(lease)]));
    }
}
