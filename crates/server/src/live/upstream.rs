//! Google's end of a Live socket.

use futures_util::{SinkExt, StreamExt};
use http::header::{
    CONNECTION, HOST, HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Request, Uri};
use potluck_core::{End, Ending};
use potluck_edition::sockets::{self, SETUP, Unopened};
use potluck_gemini::{failure, live};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::config;
use super::relay::{self, Between, Caller, Ear};
use crate::app::Hand;
use crate::lease::Lease;
use crate::outgoing::{Credential, Outgoing};
use crate::transport::Stream;

/// A socket to Google.
pub type Google = WebSocketStream<Stream>;

/// A socket whose setup Google accepted, and what Google said first.
pub struct Opened {
    google: Google,
    first: Message,
}

impl Opened {
    /// Hands Google's first word over, and everything after it both ways. What Google closes it
    /// with has its effect on the key, as an error in any other answer has.
    pub async fn relay(self, mut caller: Caller, between: Between<'_>, mut lease: Lease) {
        if caller.0.send(self.first).await.is_err() {
            return;
        }
        lease.set_end(End { ending: Ending::Whole, ..End::LEFT });
        relay::run(caller, self.google, between, &mut lease).await;
    }
}

impl Ear for Lease {
    fn frame(&mut self, text: &[u8]) {
        if let Some(total) = live::usage(text).and_then(|usage| usage.total) {
            self.took(total);
        }
    }

    fn closed(&mut self, frame: &CloseFrame) {
        let code = frame.code.into();
        if sockets::is_fault(code) {
            self.interrupted(&failure::read_close(code, frame.reason.as_str()));
        }
    }
}

/// Nothing of the pool's hears what is said on somebody's own socket.
pub struct Deaf;

impl Ear for Deaf {
    fn frame(&mut self, _: &[u8]) {}

    fn closed(&mut self, _: &CloseFrame) {}
}

/// Opens a socket.
pub async fn open(
    hand: &Hand,
    outgoing: &Outgoing<'_>,
    credential: &Credential<'_>,
) -> Result<Google, Unopened> {
    match timeout(SETUP, handshake(hand, outgoing, credential)).await {
        Ok(opened) => opened,
        Err(_) => Err(Unopened::NoAnswer),
    }
}

async fn handshake(
    hand: &Hand,
    outgoing: &Outgoing<'_>,
    credential: &Credential<'_>,
) -> Result<Google, Unopened> {
    let request = request(hand, outgoing, credential).ok_or(Unopened::NoAnswer)?;
    let stream = hand.upstream.connect().await.map_err(|error| {
        tracing::warn!(%error, "no socket to the upstream");
        Unopened::NoAnswer
    })?;
    match tokio_tungstenite::client_async_with_config(request, stream, Some(config())).await {
        Ok((google, _)) => Ok(google),
        Err(Error::Http(response)) => {
            let kind = response.headers().get(http::header::CONTENT_TYPE);
            let body = response.body().as_deref().unwrap_or_default();
            let status = response.status().as_u16();
            Err(Unopened::refused(status, kind.map(|v| v.as_bytes()), body))
        }
        Err(_) => Err(Unopened::NoAnswer),
    }
}

/// The handshake as tungstenite wants it: an absolute URL and all headers of RFC 6455 §4.1.
fn request(
    hand: &Hand,
    outgoing: &Outgoing<'_>,
    credential: &Credential<'_>,
) -> Option<Request<()>> {
    let mut request = Request::new(());
    let authority = hand.upstream.host().to_str().ok()?.to_owned();
    *request.uri_mut() = Uri::builder()
        .scheme("ws")
        .authority(authority)
        .path_and_query(outgoing.target.clone())
        .build()
        .ok()?;
    let mut headers = outgoing.travelling(credential).map();
    headers.insert(HOST, hand.upstream.host().clone());
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_str(&generate_key()).ok()?);
    *request.headers_mut() = headers;
    Some(request)
}

/// Sends the setup and waits for Google's first word.
pub async fn set_up(mut google: Google, setup: Message) -> Result<Opened, Unopened> {
    google.send(setup).await.map_err(|_| Unopened::NoAnswer)?;
    let first = timeout(SETUP, first_word(&mut google)).await.map_err(|_| Unopened::NoAnswer)?;
    match first {
        Some(Message::Close(frame)) => {
            let frame = frame.ok_or(Unopened::NoAnswer)?;
            Err(Unopened::closed(frame.code.into(), frame.reason.as_str()))
        }
        Some(first) => match Unopened::first_word(relay::text(&first)) {
            Some(why) => Err(why),
            None => Ok(Opened { google, first }),
        },
        None => Err(Unopened::NoAnswer),
    }
}

async fn first_word(google: &mut Google) -> Option<Message> {
    loop {
        let message = google.next().await?.ok()?;
        if !matches!(message, Message::Ping(_) | Message::Pong(_)) {
            return Some(message);
        }
    }
}
