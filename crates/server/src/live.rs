//! Live sockets.
//!
//! Why frames are read here and not just tunnelled: the model is named only in the first frame, so
//! the key is chosen after the socket has opened, and another may be tried until Google says
//! `setupComplete`. Rule: what is pooled stays plain for as long as it is open; a later frame that
//! points at somebody's state closes it.

mod relay;
mod upstream;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, pending};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use potluck_core::{After, Call, Outcome, Refusal, Step, TokenId, Way, Whose};
use potluck_edition::admission;
use potluck_edition::calls::{self, Bearer};
use potluck_edition::sockets::{self, Closing, MAX_MESSAGE, Unopened};
use potluck_gemini::ApiKey;
use potluck_gemini::answer::{Problem, Reason};
use potluck_gemini::credential::{EphemeralToken, Shown};
use potluck_gemini::live::{self, Setup};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::Reply;
use crate::app::Hand;
use crate::door::Came;
use crate::handle::Asked;
use crate::lease::Lease;
use crate::lent::Lent;
use crate::outgoing::{Body, Credential, Outgoing};
use crate::settings::Admission;
use crate::transport::{Answer, drain::Phase};
use crate::{problem, tokens};
use relay::{Between, Caller, Plain};
use upstream::Opened;

/// Opens a socket for a caller with a key, or with an access token.
pub fn answer(hand: &Hand, asked: &Asked<'_>, came: Came<'_>) -> Result<Reply, Problem> {
    let (reply, upgrade, outgoing) = open(hand, asked)?;
    let session = Session {
        hand: hand.clone(),
        key: came.key().cloned(),
        insists: sockets::insists(asked.own, asked.route.class),
        bearer: came.bearer(&hand.app, &asked.door, false, asked.caller.block()),
        outgoing,
    };
    spawn(hand, async move {
        if let Some(caller) = accept(upgrade).await {
            session.run(caller).await;
        }
    });
    Ok(reply)
}

/// Opens a socket for the bearer of an ephemeral token: one attempt, nothing of the pool's.
pub fn constrained(hand: &Hand, asked: &Asked<'_>, shown: Shown) -> Result<Reply, Problem> {
    let Shown::Ephemeral(token) = shown else {
        return answer(hand, asked, Came::Key(&problem::key(shown)?));
    };
    // Nobody knows whose it is.
    match hand.app.settings.admission {
        Admission::Open => {}
        Admission::Invite => return Err(Problem::new(Reason::NeedsInvite)),
        Admission::Closed => return Err(Problem::new(Reason::Closed)),
    }
    let (reply, upgrade, outgoing) = open(hand, asked)?;
    let hand = hand.clone();
    spawn(&hand.clone(), async move {
        if let Some(caller) = accept(upgrade).await {
            tunnel(&hand, caller, outgoing, &token).await;
        }
    });
    Ok(reply)
}

async fn tunnel(
    hand: &Hand,
    mut caller: Caller,
    mut outgoing: Outgoing<'static>,
    token: &EphemeralToken,
) {
    let query = token.parameter();
    if let Some(query) = query {
        let text = format!("{}?{}", outgoing.target.path(), &*query);
        let Ok(target) = text.parse() else { return };
        outgoing.target = target;
    }
    let mut early = None;
    let credential = Credential::Ephemeral(token);
    let google = tokio::select! {
        google = upstream::open(hand, &outgoing, &credential) => google,
        () = caller.leaves(&mut early) => return,
    };
    match google {
        Ok(google) => {
            let between = Between { plain: None, early, keys: &[], ends: pending().boxed() };
            relay::run(caller, google, between, &mut upstream::Deaf).await;
        }
        Err(why) => caller.close(&Closing::of_unopened(&why, &[])).await,
    }
}

/// Runs beside the connection it came from; a stop waits for it, and cuts it in the end.
fn spawn(hand: &Hand, socket: impl Future<Output = ()> + Send + 'static) {
    let shutdown = hand.app.shutdown.clone();
    let held = shutdown.hold();
    tokio::spawn(async move {
        tokio::select! {
            () = socket => {}
            () = shutdown.reached(Phase::Cut) => {}
        }
        drop(held);
    });
}

/// Answers the handshake and prepares the one with Google.
fn open(hand: &Hand, asked: &Asked<'_>) -> Result<(Reply, OnUpgrade, Outgoing<'static>), Problem> {
    let Asked { head, .. } = asked;
    let (accept, upgrade) = accepted(&head.headers)
        .zip(head.extensions.get::<OnUpgrade>().cloned())
        .ok_or_else(sockets::not_asked_for)?;
    let outgoing = Outgoing::of(asked, Body::Once(None), &hand.app.settings.limits).into_owned();
    let mut reply: Reply = Response::new(Answer::empty());
    *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = reply.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    Ok((reply, upgrade, outgoing))
}

/// The answer to a WebSocket handshake (RFC 6455 §4.2.1), if it is one.
fn accepted(headers: &HeaderMap) -> Option<HeaderValue> {
    let says = |name, word: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        let mut words = values.flat_map(|value| value.split(','));
        words.any(|said| said.trim().eq_ignore_ascii_case(word))
    };
    let key = headers.get(SEC_WEBSOCKET_KEY)?;
    let genuine = says(CONNECTION, "upgrade")
        && says(UPGRADE, "websocket")
        && says(SEC_WEBSOCKET_VERSION, "13");
    genuine.then(|| HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok())?
}

async fn accept(upgrade: OnUpgrade) -> Option<Caller> {
    let stream: TokioIo<Upgraded> = TokioIo::new(upgrade.await.ok()?);
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config())).await;
    Some(Caller(socket))
}

/// The limits of a socket, on either side.
fn config() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE))
}

/// One caller's socket, until it is served.
struct Session {
    hand: Hand,
    /// None with an access token.
    key: Option<ApiKey>,
    insists: bool,
    bearer: Bearer,
    outgoing: Outgoing<'static>,
}

impl Session {
    async fn run(mut self, mut caller: Caller) {
        let Some(first) = caller.first().await else { return };
        let mut early = None;
        let found = tokio::select! {
            found = self.find(&first) => found,
            () = caller.leaves(&mut early) => return,
        };
        match found {
            Found::Open { opened, used, lease } => {
                let plain = (!lease.served_by_own()).then_some(live::is_plain as Plain);
                let used = used.key();
                let keys: Vec<&ApiKey> = used.iter().chain(&self.key).collect();
                let between = Between { plain, early, keys: &keys, ends: self.ends() };
                opened.relay(caller, between, *lease).await;
            }
            Found::Nothing(closing) => caller.close(&closing).await,
        }
    }

    /// Tries keys until Google accepts the setup, or there is nothing left to try.
    async fn find(&mut self, first: &Message) -> Found {
        let setup = Setup::read(relay::text(first));
        let call = calls::live(&setup, self.bearer, self.insists);
        if let Err(problem) = self.enter(&call) {
            return Found::Nothing(Closing::of_problem(&problem));
        }
        let (mut lease, mut step) = Lease::begin(&self.hand.app, call);
        loop {
            match step {
                Step::Try(attempt) => match self.attempt(&mut lease, &attempt.whose, first).await {
                    Tried::Open(opened, used) => {
                        return Found::Open { opened, used, lease: lease.into() };
                    }
                    Tried::Close(closing) => return Found::Nothing(closing),
                    Tried::Again => {}
                },
                Step::Wait { until } => {
                    tokio::time::sleep_until(self.hand.app.clock.instant(until)).await;
                }
                Step::Refuse(refusal) => return Found::Nothing(Closing::of_refusal(refusal)),
            }
            step = lease.next();
        }
    }

    /// Ends when the caller may no longer have a socket.
    fn ends(&self) -> BoxFuture<'_, Closing> {
        match self.bearer.token {
            true => tokens::ends(&self.hand.app, TokenId(self.bearer.id.0)).boxed(),
            false => pending().boxed(),
        }
    }

    /// Whether the caller may have such a socket at all.
    fn enter(&self, call: &Call<'_>) -> Result<(), Problem> {
        if !self.bearer.token {
            return Ok(());
        }
        if call.way == Way::OwnOnly {
            return Err(admission::needs_own_key());
        }
        let id = TokenId(self.bearer.id.0);
        tokens::enter(&self.hand.app, id, Some(call.model.unwrap_or_default()))
    }

    /// One attempt: a socket to Google, the setup, and Google's word on it.
    async fn attempt(&mut self, lease: &mut Lease, whose: &Whose<Lent>, setup: &Message) -> Tried {
        let lent = match whose {
            Whose::Key { secret, .. } => secret.clone(),
            Whose::Bearer => match &self.key {
                Some(key) => Lent::of(key),
                None => return Tried::Close(Closing::of_refusal(Refusal::NoKey)),
            },
        };
        let google = upstream::open(&self.hand, &self.outgoing, &Credential::Key(&lent)).await;
        let answered = match google {
            Ok(google) => upstream::set_up(google, setup.clone()).await,
            Err(why) => Err(why),
        };
        let why = match answered {
            Ok(opened) => {
                lease.report(Outcome::Served);
                return Tried::Open(Box::new(opened), lent);
            }
            Err(why) => why,
        };
        let after = match &why {
            Unopened::Failed(failure, _) => lease.report(Outcome::Failed(failure)),
            Unopened::NoAnswer => lease.report(Outcome::NoAnswer),
        };
        let used = lent.key();
        let keys: Vec<&ApiKey> = used.iter().chain(&self.key).collect();
        match after {
            After::Again => Tried::Again,
            After::Template(refusal) => Tried::Close(Closing::of_refusal(refusal)),
            _ => Tried::Close(Closing::of_unopened(&why, &keys)),
        }
    }
}

/// What came of looking for a key.
enum Found {
    Open { opened: Box<Opened>, used: Lent, lease: Box<Lease> },
    Nothing(Closing),
}

enum Tried {
    Open(Box<Opened>, Lent),
    Again,
    Close(Closing),
}
