//! An answer's body, with the connection it comes from.
//!
//! Rule: the connection travels inside the body; it goes back among the waiting ones when the body
//! has ended well, and is closed by being dropped in every other case.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::error::BodyError;
use super::link::{Link, Outgoing};
use super::waiting::Waiting;
use crate::idle::Idle;

/// Chunks below this are gathered. What is larger is worth a write of its own.
const SMALL: usize = 4 << 10;
/// Gathering stops at this much: a burst of events fits, and a slow reader does not make it grow.
const GATHERED: usize = 16 << 10;

/// An answer's body, with the connection it comes from.
pub struct UpstreamBody<B: Outgoing> {
    link: Option<Box<Link<B>>>,
    waiting: Arc<Waiting<B>>,
    idle_limit: Duration,
    /// Made when the first read has to wait.
    idle: Option<Idle>,
    /// Met while gathering, to be told behind what was gathered.
    failed: Option<BodyError>,
    ended: bool,
}

impl<B: Outgoing> UpstreamBody<B> {
    pub(super) fn new(
        link: Box<Link<B>>,
        waiting: Arc<Waiting<B>>,
        idle_limit: Duration,
    ) -> UpstreamBody<B> {
        let is_ended = link.is_ended();
        let (link, idle, failed) = (Some(link), None, None);
        let mut body = UpstreamBody { link, waiting, idle_limit, idle, failed, ended: false };
        if is_ended {
            body.settle();
        }
        body
    }

    /// The body has ended well: its connection may serve another request, if both ends agree.
    fn settle(&mut self) {
        self.ended = true;
        if let Some(link) = self.link.take().and_then(Link::rested) {
            self.waiting.put(link);
        }
    }

    /// `first` and what has come behind it already, in one piece. Never waits. The chunks of a burst
    /// cost far more to frame and to write one by one than to copy.
    pub fn gather(&mut self, first: Bytes) -> Bytes {
        if first.len() >= SMALL {
            return first;
        }
        let mut rest = Vec::new();
        while !self.ended && first.len() + rest.len() < GATHERED {
            match self.poll_link(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Some(Ok(frame))) => {
                    if rest.is_empty() {
                        rest.reserve(GATHERED / 2);
                        rest.extend_from_slice(&first);
                    }
                    rest.extend_from_slice(&frame.into_data().unwrap_or_default());
                }
                Poll::Ready(Some(Err(error))) => self.failed = Some(error),
                Poll::Ready(None) => {}
                Poll::Pending => break,
            }
        }
        if rest.is_empty() { first } else { rest.into() }
    }

    fn fail(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.ended = true;
        self.link = None;
        Poll::Ready(Some(Err(error)))
    }

    fn poll_link(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(link) = &mut self.link else { return Poll::Ready(None) };
        let piece = match ready!(link.poll_piece(cx)) {
            Ok(piece) => piece,
            Err(error) => return self.fail(BodyError::Cut(error)),
        };
        let ended = piece.is_none() || link.is_ended();
        if let Some(idle) = &mut self.idle {
            idle.touch();
        }
        if ended {
            self.settle();
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }
}

impl<B: Outgoing> Body for UpstreamBody<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(this.failed.take().map(Err));
        }
        if let Poll::Ready(frame) = this.poll_link(cx) {
            return Poll::Ready(frame);
        }
        let limit = this.idle_limit;
        ready!(this.idle.get_or_insert_with(|| Idle::new(limit)).poll_expired(cx));
        this.fail(BodyError::Silent)
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.failed.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let left =
            if self.ended { Some(0) } else { self.link.as_ref().and_then(|link| link.left()) };
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
