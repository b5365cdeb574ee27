//! One caller's connection, from its first byte to its last.
//!
//! Rule: hyper parses and frames; this module decides how long it may take and when it must end.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};
use tokio_rustls::TlsAcceptor;

use super::drain::{Phase, Shutdown};
use super::listen::{Handler, Peer};
use super::pulse::{Deadlines, Heard, Pulse};
use super::stream::Stream;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A timer nobody waits for is set this far ahead.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// What all connections of a listener have in common.
pub(super) struct House {
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) deadlines: Deadlines,
    pub(super) max_head: usize,
    pub(super) max_buffer: usize,
    pub(super) shutdown: Shutdown,
}

/// Serves one connection to its end.
pub(super) async fn run<S: Handler>(house: &House, tcp: TcpStream, peer: Peer, handler: S) {
    let birth = Instant::now();
    let waker = std::future::poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
    let _open = house.shutdown.enter(Some(waker));
    // Fails only on a socket that is dead already, which the first read will tell.
    let _ = tcp.set_nodelay(true);
    let Some(stream) = secure(house, tcp, birth).await else { return };
    let pulse = Pulse::new(birth);
    let io = TokioIo::new(Heard { stream, pulse: pulse.clone() });
    let service = {
        let (pulse, shutdown) = (pulse.clone(), house.shutdown.clone());
        service_fn(move |request: Request<Incoming>| {
            pulse.busy();
            let (pulse, shutdown) = (pulse.clone(), shutdown.clone());
            let answering = handler.handle(request, peer);
            async move { Ok::<_, Infallible>(finish(answering.await, pulse, &shutdown)) }
        })
    };
    let connection = http1::Builder::new()
        .max_header_size(house.max_head)
        .max_buf_size(house.max_buffer)
        .serve_connection(io, service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let mut watch = Watch::new(&pulse, &house.deadlines);
    let mut leaving = false;
    std::future::poll_fn(|cx| {
        let phase = house.shutdown.phase();
        if phase == Phase::Cut {
            return Poll::Ready(());
        }
        if phase == Phase::Closing && !std::mem::replace(&mut leaving, true) {
            connection.as_mut().graceful_shutdown();
        }
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            if let Err(error) = ended {
                tracing::debug!(peer = %peer.address.ip(), %error, "connection ended");
            }
            return Poll::Ready(());
        }
        watch.poll_overdue(cx)
    })
    .await;
}

/// The TLS handshake, if there is one, within the time for a first request.
async fn secure(house: &House, tcp: TcpStream, birth: Instant) -> Option<Stream> {
    let Some(config) = &house.tls else { return Some(Stream::Plain(tcp)) };
    let handshake = TlsAcceptor::from(config.clone()).accept(tcp);
    let within = timeout_at(birth + house.deadlines.first, handshake);
    tokio::select! {
        shaken = within => match shaken {
            Ok(Ok(stream)) => Some(Stream::Tls(Box::new(stream.into()))),
            Ok(Err(error)) => {
                tracing::debug!(%error, "TLS handshake failed");
                None
            }
            Err(_) => None,
        },
        () = house.shutdown.reached(Phase::Closing) => None,
    }
}

fn finish<B>(response: Response<B>, pulse: Arc<Pulse>, shutdown: &Shutdown) -> Response<Told<B>> {
    let (mut parts, body) = response.into_parts();
    let switching = parts.status == http::StatusCode::SWITCHING_PROTOCOLS;
    if shutdown.phase() >= Phase::Draining && !switching {
        parts.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Response::from_parts(parts, Told { body, pulse, failure: None })
}

/// The one timer of a connection. It is set anew only when a deadline comes nearer or when it has
/// fired, so that a busy connection never touches it.
struct Watch<'a> {
    pulse: &'a Pulse,
    limits: &'a Deadlines,
    set_for: Instant,
    timer: Pin<Box<Sleep>>,
}

impl<'a> Watch<'a> {
    fn new(pulse: &'a Pulse, limits: &'a Deadlines) -> Watch<'a> {
        let set_for = pulse.due(limits).unwrap_or_else(|| Instant::now() + FAR);
        Watch { pulse, limits, set_for, timer: Box::pin(sleep_until(set_for)) }
    }

    fn set(&mut self, moment: Instant) {
        self.set_for = moment;
        self.timer.as_mut().reset(moment);
    }

    /// Ready once a deadline has passed.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let due = self.pulse.due(self.limits);
        if let Some(due) = due
            && due < self.set_for
        {
            self.set(due);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            match due {
                Some(due) if due <= Instant::now() => return Poll::Ready(()),
                Some(due) => self.set(due),
                None => self.set(Instant::now() + FAR),
            }
        }
        Poll::Pending
    }
}

/// A body that tells the pulse when it is done with, and breaks off only behind its last byte:
/// hyper drops what it has not written yet when a body fails.
struct Told<B> {
    body: B,
    pulse: Arc<Pulse>,
    failure: Option<Failure>,
}

impl<B> Drop for Told<B> {
    fn drop(&mut self) {
        self.pulse.idle();
    }
}

impl<B> Body for Told<B>
where
    B: Body<Data = Bytes, Error: Into<Failure>> + Unpin,
{
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        if self.failure.is_some() && self.pulse.is_stuck() {
            return Poll::Pending;
        }
        if let Some(failure) = self.failure.take() {
            return Poll::Ready(Some(Err(failure)));
        }
        match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => Poll::Ready(Some(Ok(frame))),
            None => Poll::Ready(None),
            Some(Err(failure)) => {
                self.failure = Some(failure.into());
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.failure.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
