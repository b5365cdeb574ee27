//! One HTTP/1.1 connection to the upstream, driven by whoever waits on it.
//!
//! Why: a connection with a task of its own hands over every chunk by a wake-up. Rule: a link is
//! polled only from the future of the request it serves, so that dropping that future closes the
//! socket at once. While something may be there already, it is polled with a waker that does
//! nothing: hyper's inner channels would otherwise wake the very task that runs. `Pending` is told
//! only after a poll with the true one.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::stream::Stream;

/// The largest answer head that is read. Google's take about one KiB.
const MAX_HEAD: usize = 64 << 10;
/// What may be read before a head is whole, 1xx answers included: one head, and the piece of the
/// body that came in the same read. More is an upstream that talks without answering.
const MAX_BEFORE_HEAD: usize = 2 * MAX_HEAD;
/// The buffers of a connection: what a slow reader may leave lying here, each way.
const MAX_BUFFER: usize = 64 << 10;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// What a request's body must be.
pub trait Outgoing: Body<Data = Bytes, Error: Into<Source>> + Send + 'static {}

impl<B: Body<Data = Bytes, Error: Into<Source>> + Send + 'static> Outgoing for B {}

/// A connection and both its handles.
pub(super) struct Link<B: Outgoing> {
    sender: SendRequest<B>,
    /// Gone once it is over. Dropping it gives back a request that it never took up.
    connection: Option<Connection<TokioIo<Metered>, B>>,
    before_head: Arc<AtomicUsize>,
}

/// Why there is no answer's head.
pub(super) enum Failed {
    /// Nothing was written; the request is back where it was.
    Unsent,
    /// What hyper says.
    Hyper(hyper::Error),
    /// The connection ended without a word.
    Gone,
}

impl<B: Outgoing> Link<B> {
    pub(super) async fn open(stream: Stream) -> Result<Box<Link<B>>, hyper::Error> {
        let before_head = Arc::new(AtomicUsize::new(usize::MAX));
        let metered = Metered { stream, before_head: before_head.clone() };
        let (sender, connection) = Builder::new()
            .max_header_size(MAX_HEAD)
            .max_buf_size(MAX_BUFFER)
            .handshake(TokioIo::new(metered))
            .await?;
        Ok(Box::new(Link { sender, connection: Some(connection), before_head }))
    }

    /// True when the upstream has left it open and said nothing out of turn.
    pub(super) fn is_reusable(&mut self) -> bool {
        self.poll(&mut Context::from_waker(Waker::noop()));
        self.is_free()
    }

    /// True once the last exchange is over in both directions.
    pub(super) fn is_free(&self) -> bool {
        !self.is_over() && self.sender.is_ready()
    }

    /// True when nothing more will come.
    pub(super) fn is_over(&self) -> bool {
        self.connection.is_none()
    }

    /// Moves bytes in both directions. Errors are told to whoever waits for the answer or its body.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.connection
            && Pin::new(connection).poll(cx).is_ready()
        {
            self.connection = None;
        }
    }

    /// Sends the request and waits for its answer's head; it is left where it is as long as nothing
    /// was written. hyper reads before it writes: what the
    /// upstream did to a waiting connection is noticed before any of the request is sent.
    pub(super) async fn exchange(
        &mut self,
        request: &mut Option<Request<B>>,
    ) -> Result<Response<Incoming>, Failed> {
        let Some(taken) = request.take() else { return Err(Failed::Gone) };
        self.before_head.store(MAX_BEFORE_HEAD, Relaxed);
        let mut answer = pin!(self.sender.try_send_request(taken));
        let mut first = true;
        let answered = std::future::poll_fn(|cx| {
            let mut quiet = Context::from_waker(Waker::noop());
            if !std::mem::take(&mut first) {
                self.poll(&mut quiet);
                if let Poll::Ready(answered) = answer.as_mut().poll(&mut quiet) {
                    return Poll::Ready(Some(answered));
                }
            }
            self.poll(cx);
            match answer.as_mut().poll(&mut quiet) {
                Poll::Ready(answered) => Poll::Ready(Some(answered)),
                Poll::Pending if self.is_over() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        self.before_head.store(usize::MAX, Relaxed);
        match answered {
            Some(Ok(response)) => Ok(response),
            Some(Err(mut error)) => Err(match error.take_message() {
                Some(unsent) => {
                    *request = Some(unsent);
                    Failed::Unsent
                }
                None => Failed::Hyper(error.into_error()),
            }),
            None => Err(Failed::Gone),
        }
    }
}

/// A stream that counts what comes before an answer's head is whole.
struct Metered {
    stream: Stream,
    /// Bytes that may still come; `usize::MAX` while nobody waits for a head.
    before_head: Arc<AtomicUsize>,
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let left = self.before_head.load(Relaxed);
        if left == usize::MAX {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        if left == 0 {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, EndlessHead)));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let came = buf.filled().len() - before;
        self.before_head.store(left.saturating_sub(came), Relaxed);
        read
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The upstream keeps talking without an answer.
#[derive(Debug, thiserror::Error)]
#[error("more than {MAX_BEFORE_HEAD} bytes came before the answer")]
pub(super) struct EndlessHead;
