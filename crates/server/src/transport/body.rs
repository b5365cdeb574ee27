//! The bodies of answers.
//!
//! Rule: a chunk that only passes is moved, never copied, boxed or sent through a channel.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::error::BodyError;
use super::link::Outgoing;
use super::upstream_body::UpstreamBody;

/// An answer's body: made here, passed on, or made by a `G` of the edition's own (a watched
/// stream, a page in parts).
pub enum Answer<B: Outgoing, G> {
    /// Nothing, or one piece.
    Whole(Option<Bytes>),
    /// The upstream's, as it comes.
    Passed(UpstreamBody<B>),
    /// Anything else.
    Made(G),
}

impl<B: Outgoing, G> Answer<B, G> {
    /// No body.
    pub fn empty() -> Self {
        Answer::Whole(None)
    }

    /// One piece.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Answer::Whole((!bytes.is_empty()).then_some(bytes))
    }
}

impl<B, G> Body for Answer<B, G>
where
    B: Outgoing,
    G: Body<Data = Bytes, Error = BodyError> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Answer::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Answer::Passed(body) => Pin::new(body).poll_frame(cx),
            Answer::Made(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Answer::Whole(bytes) => bytes.is_none(),
            Answer::Passed(body) => body.is_end_stream(),
            Answer::Made(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Answer::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Answer::Passed(body) => body.size_hint(),
            Answer::Made(body) => body.size_hint(),
        }
    }
}

/// Why a body was not read whole.
#[derive(Debug, PartialEq, Eq)]
pub enum NotWhole<E> {
    /// It is longer than allowed.
    TooLong,
    /// It broke off.
    Failed(E),
}

/// Reads a body to its end, up to `limit` bytes: for answers small enough to be looked at, such as
/// errors. One piece stays the piece it is.
pub async fn collect<B>(body: &mut B, limit: usize) -> Result<Bytes, NotWhole<B::Error>>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut first = Bytes::new();
    let mut more = Vec::new();
    std::future::poll_fn(|cx| {
        while let Some(frame) = ready!(Pin::new(&mut *body).poll_frame(cx)) {
            let Ok(piece) = frame.map_err(NotWhole::Failed)?.into_data() else { continue };
            let so_far = first.len().max(more.len());
            if so_far + piece.len() > limit {
                return Poll::Ready(Err(NotWhole::TooLong));
            }
            if so_far == 0 {
                first = piece;
            } else {
                if more.is_empty() {
                    more.extend_from_slice(&first);
                }
                more.extend_from_slice(&piece);
            }
        }
        let whole = if more.is_empty() { first.clone() } else { std::mem::take(&mut more).into() };
        Poll::Ready(Ok(whole))
    })
    .await
}
