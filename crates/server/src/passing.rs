//! An answer's body on its way to the caller.
//!
//! Rules: what has come leaves at once, byte for byte; a stream that fails or breaks is told, as an error
//! event where the framing has one, and its connection is aborted, never ended cleanly; and when
//! the caller leaves, dropping this drops the upstream's connection with it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use potluck_core::Ending;
use potluck_edition::spent;
use potluck_gemini::stream::{self, Framing, Seen, Watch};

use crate::lease::Lease;
use crate::lent::Lent;
use crate::sending::Sending;
use crate::transport::{BodyError, UpstreamBody};

/// A 2xx answer's body, watched.
pub struct Passing {
    /// What was read of it already; empty for nearly every answer.
    before: Bytes,
    upstream: UpstreamBody<Sending>,
    watch: Watch,
    judged: bool,
    state: State,
    lease: Lease,
    used: Lent,
    /// Bytes that went to the caller.
    passed: u64,
}

enum State {
    Flowing,
    /// An error has begun within the stream: the rest of it is read, to be told as one event.
    Failing,
    /// The event has been handed over; the abort follows. The transport holds it back until the
    /// event is out.
    Aborting,
    Ended,
}

type Chunk = Option<Result<Bytes, BodyError>>;

impl Passing {
    /// Passes `upstream` on, and keeps the exchange open until it ends. `used` is the key that
    /// serves, so that an error within the stream cannot show it.
    pub fn new(
        upstream: UpstreamBody<Sending>,
        framing: Framing,
        lease: Lease,
        used: Lent,
    ) -> Passing {
        let judged = matches!(framing, Framing::Native | Framing::Compat);
        let watch = Watch::new(framing);
        let (before, state) = (Bytes::new(), State::Flowing);
        Passing { before, upstream, watch, judged, state, lease, used, passed: 0 }
    }

    /// As it is, behind what was read of it already. For answers without a length.
    pub fn behind(mut self, before: Bytes) -> Passing {
        self.before = before;
        self
    }

    fn poll_flowing(&mut self, cx: &mut Context<'_>) -> Poll<Chunk> {
        if !self.before.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.before))));
        }
        loop {
            let chunk = match ready!(Pin::new(&mut self.upstream).poll_frame(cx)) {
                Some(Ok(frame)) => self.upstream.gather(frame.into_data().unwrap_or_default()),
                Some(Err(error)) => return Poll::Ready(self.broken(Some(error))),
                None => return Poll::Ready(self.ended()),
            };
            let (chunk, failed) = match self.watch.push(&chunk) {
                Seen::Pass => (chunk, false),
                Seen::Part { before, pass } => (joined(before, chunk.slice(..pass)), false),
                Seen::Failed { before, pass } => (joined(before, chunk.slice(..pass)), true),
            };
            if failed {
                self.state = State::Failing;
            } else if self.upstream.is_end_stream() && self.is_whole() {
                self.finish(Ending::Whole);
            }
            if !chunk.is_empty() {
                return Poll::Ready(Some(Ok(chunk)));
            }
            if failed {
                return self.poll_failing(cx);
            }
        }
    }

    /// Reads the error to its end; one that is cut short is told as far as it came.
    fn poll_failing(&mut self, cx: &mut Context<'_>) -> Poll<Chunk> {
        while !self.watch.told() {
            match ready!(Pin::new(&mut self.upstream).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let _ = self.watch.push(&frame.into_data().unwrap_or_default());
                }
                Some(Err(_)) | None => break,
            }
        }
        if let Some(failure) = self.watch.failure() {
            self.lease.interrupted(&failure);
        }
        let used = self.used.key();
        let keys: Vec<_> = used.iter().collect();
        let event = self.watch.error_event(&keys);
        Poll::Ready(self.tell(event))
    }

    /// The upstream ended cleanly, which is not yet to say that the answer is whole.
    fn ended(&mut self) -> Chunk {
        if self.watch.end() == stream::Ending::Broken {
            return self.broken(None);
        }
        let held = Bytes::copy_from_slice(self.watch.held());
        self.finish(Ending::Whole);
        (!held.is_empty()).then_some(Ok(held))
    }

    /// The stream ended before it was whole.
    fn broken(&mut self, error: Option<BodyError>) -> Chunk {
        if self.judged {
            let event = self.watch.error_event(&[]);
            return self.tell(event);
        }
        self.finish(Ending::Broken);
        let error = error.unwrap_or_else(|| BodyError::Cut("the stream is not whole".into()));
        Some(Err(error))
    }

    fn tell(&mut self, event: Vec<u8>) -> Chunk {
        self.finish(Ending::Broken);
        self.lease.count_broken();
        self.state = State::Aborting;
        Some(Ok(event.into()))
    }

    fn is_whole(&self) -> bool {
        self.watch.end() == stream::Ending::Whole && self.watch.held().is_empty()
    }

    fn finish(&mut self, ending: Ending) {
        self.state = State::Ended;
        self.note(ending);
    }

    fn note(&mut self, ending: Ending) {
        let estimate = self.lease.prompt_tokens();
        self.lease.set_end(spent::end(&self.watch, estimate, self.judged, ending));
    }
}

fn joined(before: &[u8], chunk: Bytes) -> Bytes {
    if before.is_empty() { chunk } else { [before, &chunk].concat().into() }
}

impl Body for Passing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let chunk = match &mut this.state {
            State::Flowing => ready!(this.poll_flowing(cx)),
            State::Failing => ready!(this.poll_failing(cx)),
            State::Aborting => {
                this.state = State::Ended;
                Some(Err(BodyError::Cut("the stream failed".into())))
            }
            State::Ended => None,
        };
        if let Some(Ok(chunk)) = &chunk {
            this.lease.first_byte();
            this.passed += chunk.len() as u64;
        }
        Poll::Ready(chunk.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    fn size_hint(&self) -> SizeHint {
        // A stream that may yet be told as failed has no length that could be promised.
        if self.judged { SizeHint::default() } else { self.upstream.size_hint() }
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        self.lease.passed(self.passed);
        if matches!(self.state, State::Flowing | State::Failing) {
            self.note(Ending::Left);
        }
    }
}
