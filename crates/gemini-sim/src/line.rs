//! The connection below HTTP, where an answer can be made to break rules that hyper keeps.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

/// What a request's handler may ask of its connection.
#[derive(Debug, Default)]
pub struct Line {
    instead: Mutex<Option<Bytes>>,
    reset: AtomicBool,
}

impl Line {
    /// Sends these bytes in place of the next answer, whatever hyper writes.
    pub fn instead(&self, bytes: impl Into<Bytes>) {
        *self.instead.lock() = Some(bytes.into());
    }

    /// Ends the connection by a reset when it ends.
    pub fn reset(&self) {
        self.reset.store(true, Ordering::Relaxed);
    }
}

#[derive(Debug)]
enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection that obeys its [`Line`].
#[derive(Debug)]
pub struct Conduit {
    io: Io,
    line: Arc<Line>,
    /// What goes out in place of an answer.
    raw: Bytes,
    /// True until the answer that is replaced has been swallowed.
    swallowing: bool,
}

impl Conduit {
    /// A plain connection.
    #[must_use]
    pub fn plain(stream: TcpStream, line: Arc<Line>) -> Self {
        Self { io: Io::Plain(stream), line, raw: Bytes::new(), swallowing: false }
    }

    /// A connection over TLS.
    #[must_use]
    pub fn tls(stream: TlsStream<TcpStream>, line: Arc<Line>) -> Self {
        Self { io: Io::Tls(Box::new(stream)), line, raw: Bytes::new(), swallowing: false }
    }

    fn inner(&mut self) -> Pin<&mut (dyn AsyncWrite + Send + Unpin)> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream),
            Io::Tls(stream) => Pin::new(stream.as_mut()),
        }
    }

    fn write_raw(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.raw.is_empty() {
            let raw = self.raw.clone();
            let written = ready!(self.inner().poll_write(cx, &raw))?;
            self.raw.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Conduit {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Io::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Conduit {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let raw = self.line.instead.lock().take();
        if let Some(raw) = raw {
            self.raw = raw;
            self.swallowing = true;
        }
        if !self.swallowing {
            return self.inner().poll_write(cx, data);
        }
        ready!(self.write_raw(cx))?;
        // hyper writes the small answer that stands in for the raw one in one piece.
        self.swallowing = false;
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_shutdown(cx)
    }
}

impl Drop for Conduit {
    fn drop(&mut self) {
        if self.line.reset.load(Ordering::Relaxed) {
            let stream = match &self.io {
                Io::Plain(stream) => stream,
                Io::Tls(stream) => stream.get_ref().0,
            };
            let _ = stream.set_zero_linger();
        }
    }
}
