//! Live sockets.
//!
//! Why frames are read here and Google's answer is not just handed on: the model is named only in
//! the first frame, so the key is chosen after the socket has opened, and another may be tried
//! until Google says `setupComplete`. Rule, as natively: what is pooled stays plain for as long as
//! it is open; a later frame that points at somebody's state closes it.

mod ends;
mod upstream;

use std::rc::Rc;
use std::time::Duration;

use http::header::UPGRADE;
use potluck_core::After;
use potluck_edition::calls::{self, Bearer};
use potluck_edition::problem;
use potluck_edition::sockets::{self, Closing, Unopened};
use potluck_gemini::ApiKey;
use potluck_gemini::answer::Problem;
use potluck_gemini::credential::{EphemeralToken, Shown};
use potluck_gemini::failure;
use potluck_gemini::live::Setup;
use web_sys::Response;
use worker::{Delay, console_warn};

use crate::asked::{Asked, Credential};
use crate::hand::Hand;
use crate::lease::Lease;
use crate::line::{LentSaid, OutcomeSaid, StepSaid};
use crate::memory;
use ends::{Caller, Ended, Frame};
use upstream::{Door, Opened};

/// Opens a socket for a caller with a key.
pub fn answer(hand: &Rc<Hand>, asked: &Asked<'_>, key: Rc<ApiKey>) -> Result<Response, Problem> {
    let (caller, door) = open(hand, asked)?;
    let session = Session {
        bearer: asked.bearer(&key, &hand.fixed),
        insists: sockets::insists(asked.own, asked.route.class),
        key,
        door,
    };
    let response = caller.answer();
    // What is waited for outlives the caller, so that the lease ends here and not with the isolate.
    hand.context.wait_until(async move { session.run(&caller).await });
    Ok(response)
}

/// Opens a socket for the bearer of an ephemeral token: one attempt, nothing of the pool's.
pub fn constrained(hand: &Rc<Hand>, asked: &Asked<'_>, shown: Shown) -> Result<Response, Problem> {
    let Shown::Ephemeral(token) = shown else {
        return answer(hand, asked, Rc::new(problem::key(shown)?));
    };
    let (caller, mut door) = open(hand, asked)?;
    if let Some(query) = token.parameter() {
        door.url = format!("{}{}?{}", hand.fixed.settings.google, asked.route.path, &*query);
    }
    let response = caller.answer();
    hand.context.wait_until(async move { tunnel(&caller, &door, &token).await });
    Ok(response)
}

async fn tunnel(caller: &Caller, door: &Door, token: &EphemeralToken) {
    let credential = Credential::Ephemeral(token);
    match caller.waits(door.open(caller, &credential)).await {
        Some(Ok(google)) => {
            let ended = caller.relay(&google, None, false).await;
            tell(caller, &ended, &[]);
        }
        Some(Err(why)) => caller.close(&Closing::of_unopened(&why, &[])),
        None => {}
    }
}

/// Prepares both ends. The platform answers the rest of the handshake, and only a right one.
fn open(hand: &Rc<Hand>, asked: &Asked<'_>) -> Result<(Caller, Door), Problem> {
    let upgrade = asked.head.fields.get(UPGRADE);
    if upgrade.is_none_or(|to| !to.as_bytes().eq_ignore_ascii_case(b"websocket")) {
        return Err(sockets::not_asked_for());
    }
    let door = Door {
        hand: Rc::clone(hand),
        url: asked.url(&hand.fixed.settings.google),
        fields: asked.fields(&Credential::Nothing),
    };
    Ok((Caller::new(), door))
}

/// Tells the caller how a socket has ended.
fn tell(caller: &Caller, ended: &Ended, keys: &[&ApiKey]) {
    match ended {
        Ended::Left => {}
        Ended::Foreign => caller.close(&Closing::foreign()),
        Ended::Closed(Some((code, reason))) => {
            caller.close(&Closing::of_google(*code, reason, keys));
        }
        Ended::Closed(None) => caller.hang_up(),
        Ended::Cut => caller.close(&Closing::cut()),
    }
}

/// One caller's socket, until it is served.
struct Session {
    bearer: Bearer,
    insists: bool,
    key: Rc<ApiKey>,
    door: Door,
}

impl Session {
    async fn run(self, caller: &Caller) {
        let Some(setup) = caller.first().await else { return caller.hang_up() };
        match caller.waits(self.find(caller, &setup)).await {
            Some(Found::Open { opened, used, lease }) => {
                self.relay(caller, opened, &used, *lease).await;
            }
            Some(Found::Nothing(closing)) => caller.close(&closing),
            None => {}
        }
    }

    /// Tries keys until Google accepts the setup, or there is nothing left to try.
    async fn find(&self, caller: &Caller, first: &Frame) -> Found {
        let setup = Setup::read(&first.bytes());
        let call = calls::live(&setup, self.bearer, self.insists);
        let (mut lease, mut step) = Lease::begin(&self.door.hand, &call).await;
        // Sockets stay open for longer than the object waits to hear of them.
        memory::tell_soon(&self.door.hand);
        loop {
            let tried = match step {
                StepSaid::Bearer { number } => {
                    lease.tries(number, None);
                    self.attempt(caller, &mut lease, Rc::clone(&self.key), first).await
                }
                StepSaid::Key { number, key } => {
                    lease.tries(number, Some(&key));
                    self.attempt_lent(caller, &mut lease, &key, first).await
                }
                StepSaid::Wait(milliseconds) => {
                    Delay::from(Duration::from_millis(milliseconds)).await;
                    Tried::Again
                }
                StepSaid::Refuse(refusal) => Tried::Close(Closing::of_refusal(refusal)),
            };
            match tried {
                Tried::Open(opened, used) => {
                    return Found::Open { opened, used, lease: lease.into() };
                }
                Tried::Close(closing) => return Found::Nothing(closing),
                Tried::Again => step = lease.next().await,
            }
        }
    }

    async fn attempt_lent(
        &self,
        caller: &Caller,
        lease: &mut Lease,
        lent: &LentSaid,
        setup: &Frame,
    ) -> Tried {
        let vault = &self.door.hand.fixed.vault;
        if let Some(key) = memory::with(|memory| memory.open(lent, vault)) {
            return self.attempt(caller, lease, key, setup).await;
        }
        console_warn!("a stored key cannot be opened");
        lease.unreadable(lent.id);
        self.failed(lease, &self.key, &Unopened::NoAnswer).await
    }

    /// One attempt: a socket to Google, the setup, and Google's word on it.
    async fn attempt(
        &self,
        caller: &Caller,
        lease: &mut Lease,
        key: Rc<ApiKey>,
        setup: &Frame,
    ) -> Tried {
        match self.door.set_up(caller, &Credential::Key(&key), setup).await {
            Ok(opened) => {
                lease.served();
                memory::tell_soon(&self.door.hand);
                Tried::Open(opened, key)
            }
            Err(why) => self.failed(lease, &key, &why).await,
        }
    }

    async fn failed(&self, lease: &mut Lease, used: &ApiKey, why: &Unopened) -> Tried {
        let outcome = match why {
            Unopened::Failed(failure, _) => OutcomeSaid::Failed(failure.clone()),
            Unopened::NoAnswer => OutcomeSaid::NoAnswer,
        };
        match lease.report(outcome).await {
            After::Again => Tried::Again,
            After::Template(refusal) => Tried::Close(Closing::of_refusal(refusal)),
            _ => Tried::Close(Closing::of_unopened(why, &[used, &self.key])),
        }
    }

    /// Hands Google's first word over, and everything after it both ways. What Google closes with
    /// has its effect on the key, as an error in any other answer has.
    async fn relay(&self, caller: &Caller, opened: Opened, used: &ApiKey, mut lease: Lease) {
        let Opened { google, word } = opened;
        let ended = caller.relay(&google, Some(word), !lease.served_by_own()).await;
        if let Ended::Closed(Some((code, reason))) = &ended
            && sockets::is_fault(*code)
        {
            lease.interrupted(failure::read_close(*code, reason));
        }
        tell(caller, &ended, &[used, &self.key]);
    }
}

/// What came of looking for a key.
enum Found {
    Open { opened: Opened, used: Rc<ApiKey>, lease: Box<Lease> },
    Nothing(Closing),
}

enum Tried {
    Open(Opened, Rc<ApiKey>),
    Again,
    Close(Closing),
}
