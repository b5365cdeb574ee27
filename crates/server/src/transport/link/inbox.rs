//! What has come from the upstream and was not handed over yet.
//!
//! Rule: bytes are read once, into room that many answers share, and are never moved again; only
//! a piece that is not understood by itself is put in front of what comes next.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Room for a read. An answer of JSON and a burst of events mostly fit.
const ROOM: usize = 8 << 10;
/// What a busy download grows it to: beyond, larger reads save nothing that can be measured.
const MOST_ROOM: usize = 64 << 10;
/// With less than this left, a read gets new room.
const SCANT: usize = 2 << 10;

/// Bytes between a socket and whoever reads them.
pub(super) struct Inbox {
    /// What came.
    pub(super) came: Bytes,
    room: BytesMut,
    next_room: usize,
}

impl Inbox {
    pub(super) fn new() -> Inbox {
        Inbox { came: Bytes::new(), room: BytesMut::new(), next_room: ROOM }
    }

    /// Nothing has come that nobody asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.came.is_empty() && self.room.is_empty()
    }

    /// Gives back what a busy time made it take.
    pub(super) fn rest(&mut self) {
        let grown = std::mem::replace(&mut self.next_room, ROOM) > ROOM;
        if grown {
            self.room = BytesMut::new();
        }
    }

    /// Reads on, behind what `came` already; 0 is the connection's end.
    pub(super) fn poll_fill(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.make_room();
        if !self.came.is_empty() {
            self.room.extend_from_slice(&std::mem::take(&mut self.came));
        }
        let free = self.room.capacity() - self.room.len();
        let read = ready!(pin!(stream.read_buf(&mut self.room)).poll(cx))?;
        if read == free {
            self.next_room = (self.next_room * 2).min(MOST_ROOM);
        }
        self.came = self.room.split().freeze();
        Poll::Ready(Ok(read))
    }

    /// Takes the same room again once nobody holds what it had: it is still in the cache.
    fn make_room(&mut self) {
        let wanted = self.next_room + self.came.len();
        let scant = self.room.capacity() - self.room.len() < SCANT + self.came.len();
        if !self.room.try_reclaim(wanted) && scant {
            self.room.reserve(wanted);
        }
    }
}
