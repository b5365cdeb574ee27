//! One HTTP/1.1 connection to the upstream, driven by whoever waits on it.
//!
//! Why: a connection with a task of its own hands over every piece by a wake-up, and a client
//! library hands request, head and body through channels even within one task, which costs more
//! than all that the pool decides. Rule: a link is polled only from the future of the request it
//! serves, so that dropping that future closes the socket at once; `outbox` writes, `inbox` reads,
//! `head` and `framing` say what the bytes mean, and whatever they doubt is an error.

mod framing;
mod head;
mod inbox;
mod outbox;

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version};
use http_body::Body;
use tokio::task::unconstrained;

use super::stream::Stream;
use framing::{Framing, Malformed, Piece};
use head::{Head, MAX_HEAD};
use inbox::Inbox;
use outbox::Outbox;
pub use outbox::{Asking, Fields};

/// What may be read before a head is whole, 1xx answers included: one head, and the piece of the
/// body that came in the same read. More is an upstream that talks without answering.
const MAX_BEFORE_HEAD: usize = 2 * MAX_HEAD;

pub(super) type Source = Box<dyn std::error::Error + Send + Sync>;

/// What a request's body must be.
pub trait Outgoing: Body<Data = Bytes, Error: Into<Source>> + Send + Unpin + 'static {}

impl<B: Body<Data = Bytes, Error: Into<Source>> + Send + Unpin + 'static> Outgoing for B {}

/// A connection, with the request that goes out on it and the answer that comes in.
pub(super) struct Link<B: Outgoing> {
    stream: Stream,
    outbox: Outbox<B>,
    inbox: Inbox,
    framing: Framing,
    /// The upstream will take another request after this one.
    stays: bool,
}

/// Why there is no answer's head.
#[derive(Debug)]
pub(super) enum Failed {
    /// Nothing was written; the body is where it was.
    Unsent,
    /// The connection ended.
    Reset(Source),
    /// What came is no answer.
    Malformed(Source),
    /// The request's own body failed.
    RequestBody(Source),
}

/// The connection ended where it must not.
#[derive(Debug, thiserror::Error)]
#[error("connection closed")]
pub(super) struct Closed;

impl<B: Outgoing> Link<B> {
    pub(super) fn new(stream: Stream) -> Box<Link<B>> {
        let (outbox, inbox) = (Outbox::new(), Inbox::new());
        Box::new(Link { stream, outbox, inbox, framing: Framing::Length(0), stays: true })
    }

    /// True when the upstream has left it open and said nothing out of turn.
    pub(super) fn is_quiet(&mut self) -> bool {
        // Unconstrained: a task that has had its turn would be told that there is nothing.
        let look = poll_fn(|cx| self.inbox.poll_fill(&mut self.stream, cx));
        let look = pin!(unconstrained(look));
        let silent = look.poll(&mut Context::from_waker(Waker::noop())).is_pending();
        silent && self.inbox.is_empty()
    }

    /// The connection, ready to wait, if the last exchange is over in both directions and the
    /// upstream will take another one.
    pub(super) fn rested(mut self: Box<Self>) -> Option<Box<Self>> {
        let over = self.framing.is_ended() && self.outbox.is_done() && self.inbox.is_empty();
        self.inbox.rest();
        self.outbox.rest();
        (self.stays && over).then_some(self)
    }

    /// The answer's body has come to its end.
    pub(super) fn is_ended(&self) -> bool {
        self.framing.is_ended()
    }

    /// The bytes of the answer's body that are still to come, where that is known.
    pub(super) fn left(&self) -> Option<u64> {
        self.framing.left()
    }

    /// Sends a request and waits for its answer's head. Its body is left where it is where the
    /// connection died while it waited, or has something unasked to say.
    pub(super) async fn exchange(
        &mut self,
        asking: &Asking<'_>,
        body: &mut Option<B>,
        host: &HeaderValue,
    ) -> Result<Response<()>, Failed> {
        if !self.is_quiet() {
            return Err(Failed::Unsent);
        }
        let Some(body) = body.take() else { return Err(Failed::Unsent) };
        let to_head = asking.method == Method::HEAD;
        self.outbox.put(asking, body, host);
        let mut before = 0;
        let head = poll_fn(|cx| self.poll_head(&mut before, cx)).await?;
        self.framing = Framing::of(to_head, head.status, head.version, &head.headers)?;
        self.stays = head.version == Version::HTTP_11 && !says_close(&head.headers);
        let mut response = Response::new(());
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        Ok(response)
    }

    /// The next piece of the answer's body; `None` is its proper end.
    pub(super) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, Source>> {
        if !self.outbox.is_done()
            && let Poll::Ready(Err(error)) = self.outbox.poll_send(&mut self.stream, cx)
        {
            return Poll::Ready(Err(error));
        }
        loop {
            match self.framing.take(&mut self.inbox.came)? {
                Piece::Data(data) => return Poll::Ready(Ok(Some(data))),
                Piece::End => return Poll::Ready(Ok(None)),
                Piece::More => {}
            }
            let whole = self.framing.ends_with_connection();
            match ready!(self.inbox.poll_fill(&mut self.stream, cx))? {
                0 if whole => return Poll::Ready(Ok(None)),
                0 => return Poll::Ready(Err(Closed.into())),
                _ => {}
            }
        }
    }

    /// `before` counts what came before the head was whole.
    fn poll_head(
        &mut self,
        before: &mut usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Head, Failed>> {
        if let Poll::Ready(Err(error)) = self.outbox.poll_send(&mut self.stream, cx) {
            return Poll::Ready(Err(Failed::RequestBody(error)));
        }
        loop {
            let read = match ready!(self.inbox.poll_fill(&mut self.stream, cx)) {
                Ok(0) => return Poll::Ready(Err(Failed::Reset(Closed.into()))),
                Ok(read) => read,
                Err(error) => return Poll::Ready(Err(Failed::from(error))),
            };
            // Mostly the first read brings all of it; what dribbles in is not parsed each time.
            let worth_reading = *before == 0 || head::may_be_whole(&self.inbox.came);
            *before += read;
            if worth_reading && let Some(head) = self.final_head()? {
                return Poll::Ready(Ok(head));
            }
            if *before >= MAX_BEFORE_HEAD {
                return Poll::Ready(Err(head::TOO_LONG.into()));
            }
        }
    }

    /// The head that is not 1xx, if it is there.
    fn final_head(&mut self) -> Result<Option<Head>, Malformed> {
        while let Some(head) = head::take(&mut self.inbox.came)? {
            if head.status == StatusCode::SWITCHING_PROTOCOLS {
                return Err(Malformed("another protocol, which nobody asked for"));
            }
            if !head.status.is_informational() {
                return Ok(Some(head));
            }
        }
        Ok(None)
    }
}

impl From<Malformed> for Failed {
    fn from(malformed: Malformed) -> Failed {
        Failed::Malformed(malformed.into())
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Failed {
        Failed::Reset(error.into())
    }
}

fn says_close(headers: &HeaderMap) -> bool {
    headers.get_all(CONNECTION).iter().any(|value| {
        let mut options = value.as_bytes().split(|byte| *byte == b',');
        options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
    })
}
