//! Frames in both directions, until either end has closed.
//!
//! Rule: one frame at a time each way, so that a slow reader holds the other side back; a close
//! goes through with its code, and with a reason that names nobody's key.

use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use potluck_edition::sockets::{Closing, FIRST_FRAME};
use potluck_gemini::ApiKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::upstream::Google;

/// How long a close may take to be said.
const GOODBYE: Duration = Duration::from_secs(5);

/// Whether a caller's frame may go to somebody else's project.
pub type Plain = fn(&[u8]) -> bool;

/// The caller's end.
pub struct Caller(pub WebSocketStream<TokioIo<Upgraded>>);

impl Caller {
    /// The first frame; none if the caller leaves before.
    pub async fn first(&mut self) -> Option<Message> {
        let wait = async {
            loop {
                let message = self.0.next().await?.ok()?;
                if matches!(message, Message::Text(_) | Message::Binary(_)) {
                    return Some(message);
                }
            }
        };
        timeout(FIRST_FRAME, wait).await.ok().flatten()
    }

    /// Ends when the caller leaves. A frame that comes before Google is there waits in `early`,
    /// and behind it nothing is read.
    pub async fn leaves(&mut self, early: &mut Option<Message>) {
        while early.is_none() {
            match self.0.next().await {
                Some(Ok(message)) if is_data(&message) => *early = Some(message),
                Some(Ok(Message::Close(_)) | Err(_)) | None => {
                    // The answering close frame is queued; whoever is gone need not get it.
                    let _ = timeout(GOODBYE, self.0.flush()).await;
                    return;
                }
                Some(Ok(_)) => {}
            }
        }
        std::future::pending().await
    }

    /// Says goodbye.
    pub async fn close(&mut self, closing: &Closing) {
        // Whoever does not listen any more need not be told.
        let _ = timeout(GOODBYE, self.0.close(Some(frame(closing)))).await;
    }
}

/// What stands between the two ends.
pub struct Between<'k> {
    /// Decides whether a caller's frame may pass; none on a socket of the caller's own.
    pub plain: Option<Plain>,
    /// A frame of the caller's that came before Google was there.
    pub early: Option<Message>,
    /// Keys that no reason may name.
    pub keys: &'k [&'k ApiKey],
    /// Ends when the caller may no longer have the socket.
    pub ends: BoxFuture<'k, Closing>,
}

/// Whoever hears what Google says.
pub trait Ear {
    /// A frame that is about to be passed on.
    fn frame(&mut self, text: &[u8]);
    /// What Google closes with.
    fn closed(&mut self, frame: &CloseFrame);
}

/// Passes frames until either side is done, and tells the other one.
pub async fn run(caller: Caller, google: Google, between: Between<'_>, ear: &mut impl Ear) {
    let Between { plain, early, keys, ends } = between;
    let (mut to_caller, mut from_caller) = caller.0.split();
    let (mut to_google, mut from_google) = google.split();
    let end = tokio::select! {
        end = up(early, &mut from_caller, &mut to_google, plain) => end,
        end = down(&mut from_google, &mut to_caller, ear) => end,
        closing = ends => End::Ours(closing),
    };
    if let End::Closed(Some(frame)) = &end {
        ear.closed(frame);
    }
    let (for_caller, for_google) = match end {
        End::Left(frame) => (None, frame),
        End::Foreign => (Some(frame(&Closing::foreign())), None),
        End::Ours(closing) => (Some(frame(&closing)), None),
        End::Closed(frame) => (frame.map(|frame| redacted(&frame, keys)), None),
        End::Cut => (Some(frame(&Closing::cut())), None),
    };
    // Whoever does not listen any more need not be told.
    let _ = timeout(GOODBYE, to_google.send(Message::Close(for_google))).await;
    let _ = timeout(GOODBYE, to_caller.send(Message::Close(for_caller))).await;
    let _ = timeout(GOODBYE, to_caller.close()).await;
}

/// Why a socket ends.
enum End {
    /// The caller closed it, or is gone.
    Left(Option<CloseFrame>),
    /// A frame points at somebody's state.
    Foreign,
    /// The caller may no longer have it.
    Ours(Closing),
    /// Google closed it.
    Closed(Option<CloseFrame>),
    /// Google's end broke.
    Cut,
}

/// From the caller to Google.
async fn up<C, G>(
    mut early: Option<Message>,
    from: &mut SplitStream<WebSocketStream<C>>,
    to: &mut SplitSink<WebSocketStream<G>, Message>,
    plain: Option<Plain>,
) -> End
where
    C: AsyncRead + AsyncWrite + Unpin,
    G: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let message = match early.take() {
            Some(message) => message,
            None => match from.next().await {
                Some(Ok(message)) => message,
                Some(Err(_)) | None => return End::Left(None),
            },
        };
        if let Message::Close(frame) = message {
            return End::Left(frame);
        }
        if !is_data(&message) {
            continue;
        }
        if plain.is_some_and(|plain| !plain(text(&message))) {
            return End::Foreign;
        }
        if to.send(message).await.is_err() {
            return End::Cut;
        }
    }
}

/// From Google to the caller.
async fn down<C, G>(
    from: &mut SplitStream<WebSocketStream<G>>,
    to: &mut SplitSink<WebSocketStream<C>, Message>,
    ear: &mut impl Ear,
) -> End
where
    C: AsyncRead + AsyncWrite + Unpin,
    G: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(Ok(message)) = from.next().await {
        if let Message::Close(frame) = message {
            return End::Closed(frame);
        }
        ear.frame(text(&message));
        if is_data(&message) && to.send(message).await.is_err() {
            return End::Left(None);
        }
    }
    End::Cut
}

/// A frame's bytes, text or not.
pub fn text(message: &Message) -> &[u8] {
    match message {
        Message::Text(text) => text.as_bytes(),
        Message::Binary(bytes) => bytes,
        _ => &[],
    }
}

fn is_data(message: &Message) -> bool {
    matches!(message, Message::Text(_) | Message::Binary(_))
}

fn frame(closing: &Closing) -> CloseFrame {
    CloseFrame { code: closing.code.into(), reason: closing.reason.as_str().into() }
}

fn redacted(said: &CloseFrame, keys: &[&ApiKey]) -> CloseFrame {
    frame(&Closing::of_google(said.code.into(), said.reason.as_str(), keys))
}
