//! The bodies that go upstream.
//!
//! Rule: what only passes is never copied, and what may have to be sent again is kept in the very
//! pieces it arrived in.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::idle::Idle;

/// How long a caller may be silent within a body. A caller that sends nothing for this long has
/// gone or means harm; a phone that changes networks is back within seconds.
pub const SILENCE: Duration = Duration::from_secs(30);

/// A body on its way upstream.
pub enum Sending {
    /// Nothing.
    Nothing,
    /// A kept body; can be made again from its pieces.
    Kept(Pieces, usize),
    /// What the caller is still sending, behind the pieces that were read already.
    Through(VecDeque<Bytes>, Incoming, Idle),
}

/// A body that was read whole. Cheap to clone.
#[derive(Clone)]
pub enum Pieces {
    /// The usual case: the body came in one piece.
    One(Bytes),
    /// As it arrived.
    Many(Arc<[Bytes]>),
}

/// Why a body could not be sent on.
#[derive(Debug, thiserror::Error)]
pub enum Unsendable {
    /// The caller's connection broke, or its framing is wrong.
    #[error("the caller's body broke off: {0}")]
    Broken(#[from] hyper::Error),
    /// The caller fell silent.
    #[error("the caller sent nothing for {} seconds", SILENCE.as_secs())]
    Silent,
}

impl Sending {
    /// A body that passes as it comes.
    pub fn through(body: Incoming) -> Sending {
        Sending::behind(VecDeque::new(), body)
    }

    /// As [`Self::through`], behind what was read of it already.
    pub fn behind(read: VecDeque<Bytes>, rest: Incoming) -> Sending {
        Sending::Through(read, rest, Idle::new(SILENCE))
    }
}

impl Pieces {
    /// Takes over what was read.
    pub fn new(mut read: Vec<Bytes>) -> Pieces {
        match (read.len(), read.pop()) {
            (1, Some(only)) => Pieces::One(only),
            (_, last) => Pieces::Many(read.into_iter().chain(last).collect()),
        }
    }

    /// How large it is.
    pub fn bytes(&self) -> usize {
        match self {
            Pieces::One(only) => only.len(),
            Pieces::Many(all) => all.iter().map(Bytes::len).sum(),
        }
    }

    /// A fresh body of these pieces.
    pub fn sending(&self) -> Sending {
        if self.len() == 0 { Sending::Nothing } else { Sending::Kept(self.clone(), 0) }
    }

    /// Bytes in all.
    pub fn len(&self) -> usize {
        self.as_slice().iter().map(Bytes::len).sum()
    }

    /// All of it in one piece; a copy only where it came in several.
    pub fn joined(&self) -> Bytes {
        match self {
            Pieces::One(piece) => piece.clone(),
            Pieces::Many(pieces) => pieces.concat().into(),
        }
    }

    /// The pieces in order.
    pub fn as_slice(&self) -> &[Bytes] {
        match self {
            Pieces::One(piece) => std::slice::from_ref(piece),
            Pieces::Many(pieces) => pieces,
        }
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = Unsendable;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Unsendable>>> {
        match self.get_mut() {
            Sending::Nothing => Poll::Ready(None),
            Sending::Kept(pieces, sent) => {
                let next = pieces.as_slice().get(*sent).cloned();
                *sent += 1;
                Poll::Ready(next.map(|piece| Ok(Frame::data(piece))))
            }
            Sending::Through(read, rest, idle) => match read.pop_front() {
                Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece)))),
                None => poll_rest(rest, idle, cx),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Sending::Nothing => true,
            Sending::Kept(pieces, sent) => *sent >= pieces.as_slice().len(),
            Sending::Through(read, rest, _) => read.is_empty() && rest.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Sending::Nothing => SizeHint::with_exact(0),
            Sending::Kept(pieces, sent) => {
                let left = pieces.as_slice().iter().skip(*sent).map(|piece| piece.len() as u64);
                SizeHint::with_exact(left.sum())
            }
            Sending::Through(read, rest, _) => {
                let before: u64 = read.iter().map(|piece| piece.len() as u64).sum();
                match rest.size_hint().exact() {
                    Some(rest) => SizeHint::with_exact(before + rest),
                    None => SizeHint::default(),
                }
            }
        }
    }
}

/// Reads on, and gives up on a caller who fell silent.
pub fn poll_rest(
    rest: &mut Incoming,
    idle: &mut Idle,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, Unsendable>>> {
    match Pin::new(rest).poll_frame(cx) {
        Poll::Ready(frame) => {
            idle.touch();
            Poll::Ready(frame.map(|frame| frame.map_err(Unsendable::Broken)))
        }
        Poll::Pending => {
            ready!(idle.poll_expired(cx));
            Poll::Ready(Some(Err(Unsendable::Silent)))
        }
    }
}
