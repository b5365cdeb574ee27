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
use hyper::body::Incoming;

use super::error::BodyError;
use super::link::{Link, Outgoing};
use super::waiting::Waiting;
use crate::idle::Idle;

/// Chunks below this are gathered. What is larger is worth a write of its own.
const SMALL: usize = 4 << 10;
/// Gathering stops at this much: a burst of events fits, and a slow reader does not make it grow.
const GATHERED: usize = 16 << 10;

pub(super) const GONE: &str = "connection closed";

/// An answer's body, with the connection it comes from.
pub struct UpstreamBody<B: Outgoing> {
    incoming: Incoming,
    link: Option<Box<Link<B>>>,
    waiting: Arc<Waiting<B>>,
    idle_limit: Duration,
    /// Made when the first read has to wait.
    idle: Option<Idle>,
    /// Met while gathering, to be told behind what was gathered.
    failed: Option<BodyError>,
    /// Gathering found nothing more.
    dry: bool,
    ended: bool,
}

impl<B: Outgoing> UpstreamBody<B> {
    pub(super) fn new(
        incoming: Incoming,
        link: Box<Link<B>>,
        waiting: Arc<Waiting<B>>,
        idle_limit: Duration,
    ) -> UpstreamBody<B> {
        let (link, idle, failed) = (Some(link), None, None);
        let (dry, ended) = (false, false);
        let mut body =
            UpstreamBody { incoming, link, waiting, idle_limit, idle, failed, dry, ended };
        if body.incoming.is_end_stream() {
            body.settle();
        }
        body
    }

    /// The body has ended well: its connection may serve another request, if both ends agree.
    fn settle(&mut self) {
        self.ended = true;
        if let Some(mut link) = self.link.take()
            && (link.is_free() || link.is_reusable())
        {
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
            match self.poll_ahead() {
                Poll::Ready(Some(Ok(frame))) => {
                    if rest.is_empty() {
                        rest.reserve(GATHERED / 2);
                        rest.extend_from_slice(&first);
                    }
                    rest.extend_from_slice(&frame.into_data().unwrap_or_default());
                }
                Poll::Ready(Some(Err(error))) => self.failed = Some(error),
                Poll::Ready(None) => {}
                Poll::Pending => {
                    self.dry = true;
                    break;
                }
            }
        }
        if rest.is_empty() { first } else { rest.into() }
    }

    fn fail(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.ended = true;
        self.link = None;
        Poll::Ready(Some(Err(error)))
    }

    /// What the connection has handed over already.
    fn poll_ready_frame(&mut self) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut quiet = Context::from_waker(Waker::noop());
        match ready!(Pin::new(&mut self.incoming).poll_frame(&mut quiet)) {
            Some(Ok(frame)) if frame.is_data() => {
                if let Some(idle) = &mut self.idle {
                    idle.touch();
                }
                if self.incoming.is_end_stream() {
                    self.settle();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            // Trailers end a body, and no caller of ours asks for them.
            Some(Ok(_)) | None => {
                self.settle();
                Poll::Ready(None)
            }
            Some(Err(error)) => self.fail(BodyError::Cut(error.into())),
        }
    }

    /// Moves the connection, then looks again.
    fn poll_link(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(link) = &mut self.link {
            link.poll(cx);
        }
        self.poll_ready_frame()
    }

    /// What can be had without waiting.
    fn poll_ahead(&mut self) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.poll_ready_frame() {
            Poll::Pending => self.poll_link(&mut Context::from_waker(Waker::noop())),
            ready => ready,
        }
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
        if !std::mem::take(&mut this.dry)
            && let Poll::Ready(frame) = this.poll_ahead()
        {
            return Poll::Ready(frame);
        }
        if let Poll::Ready(frame) = this.poll_link(cx) {
            return Poll::Ready(frame);
        }
        if this.link.as_ref().is_none_or(|link| link.is_over()) {
            return this.fail(BodyError::Cut(GONE.into()));
        }
        let limit = this.idle_limit;
        ready!(this.idle.get_or_insert_with(|| Idle::new(limit)).poll_expired(cx));
        this.fail(BodyError::Silent)
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.failed.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
