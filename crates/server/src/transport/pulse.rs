//! What a caller's connection is doing, and until when it may go on doing that.
//!
//! Why: hyper's own header timer is made and dropped for every request, and it knows neither the
//! silent connection nor the reader who stopped. Rule: the states change with plain stores, the
//! clock is read once a request, and one timer a connection looks at them after each poll.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::stream::Stream;

/// Deadlines of a caller's connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    /// From the connection's start to the end of its first head.
    pub(super) first: Duration,
    /// From a later head's first byte to its end.
    pub(super) head: Duration,
    /// Between two requests.
    pub(super) keep_alive: Duration,
    /// Without a byte leaving, while there are bytes to send.
    pub(super) stuck: Duration,
}

const FIRST: u8 = 0;
const HEAD: u8 = 1;
const BUSY: u8 = 2;
const IDLE: u8 = 3;
/// No moment: the connection's own start would be 1.
const NEVER: u64 = 0;

/// The state of one connection, shared by its socket, its requests and its timer, all of which
/// live in one task: `Relaxed` is enough.
#[derive(Debug)]
pub(super) struct Pulse {
    birth: Instant,
    state: AtomicU8,
    since: AtomicU64,
    stuck_since: AtomicU64,
}

impl Pulse {
    pub(super) fn new(birth: Instant) -> Arc<Pulse> {
        Arc::new(Pulse {
            birth,
            state: AtomicU8::new(FIRST),
            since: AtomicU64::new(1),
            stuck_since: AtomicU64::new(NEVER),
        })
    }

    /// A request's head is whole.
    pub(super) fn busy(&self) {
        self.state.store(BUSY, Relaxed);
    }

    /// An answer has been handed over to its end.
    pub(super) fn idle(&self) {
        self.since.store(NEVER, Relaxed);
        self.state.store(IDLE, Relaxed);
    }

    fn heard(&self) {
        if self.state.load(Relaxed) == IDLE {
            self.since.store(NEVER, Relaxed);
            self.state.store(HEAD, Relaxed);
        }
    }

    fn wrote(&self, pending: bool) {
        if pending != self.is_stuck() {
            self.stuck_since.store(if pending { self.now() } else { NEVER }, Relaxed);
        }
    }

    /// True while bytes wait for the caller to take some.
    pub(super) fn is_stuck(&self) -> bool {
        self.stuck_since.load(Relaxed) != NEVER
    }

    /// When this connection must be closed if nothing changes.
    pub(super) fn due(&self, limits: &Deadlines) -> Option<Instant> {
        let limit = match self.state.load(Relaxed) {
            FIRST => Some(limits.first),
            HEAD => Some(limits.head),
            IDLE => Some(limits.keep_alive),
            _ => None,
        };
        let waits = limit.map(|limit| self.moment(self.since()) + limit);
        let stuck = match self.stuck_since.load(Relaxed) {
            NEVER => None,
            since => Some(self.moment(since) + limits.stuck),
        };
        match (waits, stuck) {
            (Some(waits), Some(stuck)) => Some(waits.min(stuck)),
            (waits, stuck) => waits.or(stuck),
        }
    }

    /// The moment of the last change, noted here if it was not yet: most states are left again
    /// within the poll that entered them, and need no look at the clock.
    fn since(&self) -> u64 {
        if self.since.load(Relaxed) == NEVER {
            self.since.store(self.now(), Relaxed);
        }
        self.since.load(Relaxed)
    }

    fn now(&self) -> u64 {
        self.birth.elapsed().as_millis() as u64 + 1
    }

    fn moment(&self, millis: u64) -> Instant {
        self.birth + Duration::from_millis(millis - 1)
    }
}

/// A socket that tells its pulse.
pub(super) struct Heard {
    pub(super) stream: Stream,
    pub(super) pulse: Arc<Pulse>,
}

impl AsyncRead for Heard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_ready() {
            self.pulse.heard();
        }
        read
    }
}

impl AsyncWrite for Heard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.pulse.wrote(written.is_pending());
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.pulse.wrote(written.is_pending());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.pulse.wrote(flushed.is_pending());
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
