//! A request on its way into the socket.
//!
//! Rule: one piece of the body at a time, written together with what frames it, so that a slow
//! upstream slows its caller, and nothing large is copied.

use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tokio::io::AsyncWrite;

use super::{Outgoing, Source};

/// A request as the upstream is to see it, but for what is written here: its host, and how its
/// body is framed.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// The method.
    pub method: &'a Method,
    /// Path and query.
    pub target: &'a PathAndQuery,
    /// Everything else that its head says.
    pub fields: &'a (dyn Fields + Sync),
}

/// Headers, wherever they are kept: what only passes is not gathered in a map of its own.
pub trait Fields {
    /// Shows each of them.
    fn each(&self, show: &mut dyn FnMut(&HeaderName, &HeaderValue));
}

impl Fields for HeaderMap {
    fn each(&self, show: &mut dyn FnMut(&HeaderName, &HeaderValue)) {
        self.iter().for_each(|(name, value)| show(name, value));
    }
}

/// Room for a head as SDKs send it.
const USUAL_HEAD: usize = 1 << 10;

/// A piece up to this size rides behind its head in one buffer: the kernel takes longer over a
/// list of two than it takes to copy it.
const SMALL_PIECE: usize = 2 << 10;

/// Small pieces that come one upon the other are gathered up to this much.
const MOST_LEAD: usize = 16 << 10;

/// What is still to be written.
pub(super) struct Outbox<B> {
    /// A head, a chunk's size, small pieces.
    lead: Vec<u8>,
    led: usize,
    piece: Bytes,
    /// What closes a chunk.
    trail: &'static [u8],
    body: Option<B>,
    framing: Framing,
    flushed: bool,
    /// The socket takes nothing more. The answer may have come all the same.
    broken: bool,
}

/// How the request's own body is framed.
#[derive(Clone, Copy)]
enum Framing {
    /// So many bytes are promised and still to come.
    Length(u64),
    Chunked,
}

/// The caller's body is not as long as it said.
#[derive(Debug, thiserror::Error)]
#[error("the body is not as long as was told")]
struct WrongLength;

impl<B: Outgoing> Outbox<B> {
    pub(super) fn new() -> Outbox<B> {
        Outbox {
            lead: Vec::with_capacity(USUAL_HEAD),
            led: 0,
            piece: Bytes::new(),
            trail: b"",
            body: None,
            framing: Framing::Length(0),
            flushed: true,
            broken: false,
        }
    }

    /// Takes a request up. Framing, host and connection are written here, whatever its headers say.
    pub(super) fn put(&mut self, asking: &Asking<'_>, body: B, host: &HeaderValue) {
        let hint = body.size_hint().exact();
        // What has ended already brings nothing, and must promise nothing: no end would follow.
        let bare = body.is_end_stream() || hint.is_none() && !may_be_chunked(asking.method);
        let length = if bare { Some(0) } else { hint };
        self.framing = length.map_or(Framing::Chunked, Framing::Length);
        self.lead.clear();
        self.led = 0;
        write_head(&mut self.lead, asking, host, length);
        self.body = (!bare).then_some(body);
        self.flushed = false;
    }

    /// Gives back what a large head made it take.
    pub(super) fn rest(&mut self) {
        self.lead.shrink_to(USUAL_HEAD);
    }

    /// All of the request has gone.
    pub(super) fn is_done(&self) -> bool {
        self.flushed
    }

    /// Writes what can be written; an error is the body's.
    pub(super) fn poll_send(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Source>> {
        while !self.flushed && !self.broken {
            let fetched = self.poll_fetch(cx)?;
            if self.has_bytes() {
                ready!(self.poll_write(stream, cx));
                continue;
            }
            // Flushed before the caller's next piece is waited for as well: TLS holds bytes back.
            match ready!(Pin::new(&mut *stream).poll_flush(cx)) {
                Ok(()) if fetched.is_pending() => return Poll::Pending,
                Ok(()) => self.flushed = true,
                Err(_) => self.broken = true,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Gets the next piece of the body once the one before has gone; ready when there is none.
    fn poll_fetch(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Source>> {
        while self.piece.is_empty() && self.trail.is_empty() && self.lead.len() < MOST_LEAD {
            let Some(body) = &mut self.body else { break };
            let frame = ready!(Pin::new(&mut *body).poll_frame(cx)).transpose();
            let last = body.is_end_stream() || matches!(frame, Ok(None));
            if last {
                self.body = None;
            }
            let piece = frame.map_err(Into::into)?.and_then(|frame| frame.into_data().ok());
            self.frame(piece.unwrap_or_default(), last)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Puts what belongs around a piece around it.
    fn frame(&mut self, piece: Bytes, last: bool) -> Result<(), Source> {
        match &mut self.framing {
            Framing::Length(left) => {
                *left = left.checked_sub(piece.len() as u64).ok_or(WrongLength)?;
                if last && *left > 0 {
                    return Err(WrongLength.into());
                }
            }
            Framing::Chunked if piece.is_empty() => {
                self.lead.extend_from_slice(if last { b"0\r\n\r\n" } else { b"" });
            }
            Framing::Chunked => {
                self.lead.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                self.trail = if last { b"\r\n0\r\n\r\n" } else { b"\r\n" };
            }
        }
        if piece.len() <= SMALL_PIECE {
            self.lead.extend_from_slice(&piece);
            self.lead.extend_from_slice(std::mem::take(&mut self.trail));
        } else {
            self.piece = piece;
        }
        Ok(())
    }

    fn has_bytes(&self) -> bool {
        self.led < self.lead.len() || !self.piece.is_empty() || !self.trail.is_empty()
    }

    fn poll_write(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let (stream, lead) = (Pin::new(stream), &self.lead[self.led..]);
        let written = if self.piece.is_empty() && self.trail.is_empty() {
            stream.poll_write(cx, lead)
        } else {
            let slices = [lead, &self.piece, self.trail].map(IoSlice::new);
            stream.poll_write_vectored(cx, &slices)
        };
        match ready!(written) {
            Ok(0) | Err(_) => self.broken = true,
            Ok(written) => self.wrote(written),
        }
        Poll::Ready(())
    }

    fn wrote(&mut self, written: usize) {
        let of_lead = written.min(self.lead.len() - self.led);
        let of_piece = (written - of_lead).min(self.piece.len());
        self.led += of_lead;
        // Split off, not advanced over: what has gone must not stay in memory with the connection.
        drop(self.piece.split_to(of_piece));
        self.trail = &self.trail[written - of_lead - of_piece..];
        if self.led == self.lead.len() {
            self.lead.clear();
            self.led = 0;
        }
    }
}

fn write_head(out: &mut Vec<u8>, asking: &Asking<'_>, host: &HeaderValue, length: Option<u64>) {
    let target = asking.target.as_str();
    // Such as a redirect's that names a host and a query alone.
    let root = if target.starts_with('?') { "/" } else { "" };
    for text in [asking.method.as_str(), " ", root, target, " HTTP/1.1\r\n"] {
        out.extend_from_slice(text.as_bytes());
    }
    write_field(out, &HOST, host);
    asking.fields.each(&mut |name, value| {
        if !is_written_here(name) {
            write_field(out, name, value);
        }
    });
    match length {
        // Without it Google answers 411 where a body belongs.
        Some(0) if !takes_body(asking.method) => {}
        Some(length) => write_field(out, &CONTENT_LENGTH, itoa::Buffer::new().format(length)),
        None => write_field(out, &TRANSFER_ENCODING, "chunked"),
    }
    out.extend_from_slice(b"\r\n");
}

fn write_field(out: &mut Vec<u8>, name: &HeaderName, value: impl AsRef<[u8]>) {
    let (name, value) = (name.as_str().as_bytes(), value.as_ref());
    out.reserve(name.len() + value.len() + 4);
    for text in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(text);
    }
}

fn is_written_here(name: &HeaderName) -> bool {
    [HOST, CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION].contains(name)
}

/// A body of unknown length to these is mostly none at all, and Google refuses the rest.
fn may_be_chunked(method: &Method) -> bool {
    ![Method::GET, Method::HEAD].contains(method)
}

fn takes_body(method: &Method) -> bool {
    [Method::POST, Method::PUT, Method::PATCH].contains(method)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io;
    use std::task::Waker;

    use futures_util::{StreamExt, stream};
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    /// Takes everything and hands nothing on before it is flushed, as TLS may.
    #[derive(Default)]
    struct Holding {
        taken: Vec<u8>,
        gone: usize,
    }

    impl AsyncWrite for Holding {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.taken.extend_from_slice(bytes);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.gone = self.taken.len();
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Has ended, whatever it tells of its length.
    struct Ended(Option<u64>);

    impl http_body::Body for Ended {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
            Poll::Ready(None)
        }

        fn is_end_stream(&self) -> bool {
            true
        }

        fn size_hint(&self) -> http_body::SizeHint {
            self.0.map_or_else(http_body::SizeHint::default, http_body::SizeHint::with_exact)
        }
    }

    #[test]
    fn a_body_that_has_ended_promises_nothing() {
        for told in [None, Some(0), Some(5)] {
            let (method, target) = (Method::POST, PathAndQuery::from_static("/"));
            let asking = Asking { method: &method, target: &target, fields: &HeaderMap::new() };
            let (mut outbox, mut socket) = (Outbox::new(), Holding::default());
            outbox.put(&asking, Ended(told), &HeaderValue::from_static("h"));

            let sent = outbox.poll_send(&mut socket, &mut Context::from_waker(Waker::noop()));

            assert!(sent.is_ready() && outbox.is_done());
            let expected = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n";
            assert_eq!(socket.taken, expected, "{told:?}");
        }
    }

    #[test]
    fn a_piece_goes_out_before_the_next_one_comes() {
        for length in [1, SMALL_PIECE, SMALL_PIECE + 1, 1 << 20] {
            let piece = Ok::<_, io::Error>(Frame::data(Bytes::from(vec![b'x'; length])));
            let body = StreamBody::new(stream::iter([piece]).chain(stream::pending()));
            let (method, target) = (Method::POST, PathAndQuery::from_static("/"));
            let asking = Asking { method: &method, target: &target, fields: &HeaderMap::new() };
            let (mut outbox, mut socket) = (Outbox::new(), Holding::default());
            outbox.put(&asking, body, &HeaderValue::from_static("h"));

            let sent = outbox.poll_send(&mut socket, &mut Context::from_waker(Waker::noop()));

            assert!(sent.is_pending() && !outbox.is_done());
            assert!(socket.taken.ends_with(&[&vec![b'x'; length], &b"\r\n"[..]].concat()));
            assert_eq!(socket.gone, socket.taken.len(), "{length}");
        }
    }
}
