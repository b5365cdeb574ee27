//! Accepting callers.
//!
//! Rule: whatever a stranger can make grow has a limit here, from the first connection to the last
//! header; and what is refused costs less than what is served.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use ipnet::IpNet;
use rustls::ServerConfig;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::caps::Caps;
use super::drain::{Phase, Shutdown};
use super::pulse::Deadlines;
use super::session::{self, House};
use super::workers::Workers;

/// Connections the kernel keeps for us while we are busy; it lowers this to its own limit.
const BACKLOG: i32 = 4096;
/// How long accepting rests when the system has no descriptor or memory left. Long enough for a
/// connection to end, short enough that nobody notices.
const BACK_OFF: Duration = Duration::from_millis(50);
/// How long cut connections get to be dropped.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Where a request came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The other end of the connection.
    pub address: SocketAddr,
    /// Whether it runs under TLS.
    pub tls: bool,
}

/// A listening socket and what it demands of callers.
pub struct Door {
    /// The socket, see [`bind`].
    pub listener: TcpListener,
    /// Present where callers must speak TLS.
    pub tls: Option<Arc<ServerConfig>>,
    /// What a caller may take.
    pub limits: Limits,
    /// Peers that speak for many and are not capped by address.
    pub trusted: Vec<IpNet>,
}

/// What a caller may take of time and space.
#[derive(Debug, Clone)]
pub struct Limits {
    /// From connecting to the end of the first request's head, TLS included.
    pub first_head: Duration,
    /// From a later head's first byte to its end.
    pub head: Duration,
    /// Between two requests.
    pub keep_alive: Duration,
    /// Without taking a byte of an answer that waits to be sent.
    pub stuck: Duration,
    /// The head of a request, in bytes: 431 above.
    pub max_head: usize,
    /// What is buffered for one connection each way, in bytes.
    pub max_buffer: usize,
    /// Open connections in all.
    pub connections: usize,
    /// Open connections from one IPv4 address or one IPv6 /64.
    pub connections_per_address: usize,
    /// How long new connections are still taken once a shutdown has begun, so that whatever sends
    /// traffic here can notice and no request meets a closed door.
    pub drain_delay: Duration,
    /// How long running answers may take to finish after that.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            // Slow heads are the cheapest attack there is; the slowest honest link needs a second.
            first_head: Duration::from_secs(10),
            head: Duration::from_secs(10),
            // Above the 60 s that most balancers keep their side, so that they close first.
            keep_alive: Duration::from_secs(75),
            // As long as an upstream may be silent.
            stuck: Duration::from_secs(300),
            // Four times the longest head that the SDKs send, with room for cookies of a page.
            max_head: 32 << 10,
            // One TLS record and a socket buffer's worth.
            max_buffer: 64 << 10,
            connections: 16_384,
            // An office behind one address, each with a few windows open.
            connections_per_address: 1024,
            drain_delay: Duration::from_millis(500),
            grace: Duration::from_secs(30),
        }
    }
}

/// Something that answers requests: any `Fn(Request<Incoming>, Peer) -> impl Future<Response<_>>`.
pub trait Handler: Clone + Send + 'static {
    /// The answer's body.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static;
    /// The answer in the making; dropped when the caller leaves.
    type Answering: Future<Output = Response<Self::Body>> + Send + 'static;

    /// Begins to answer.
    fn handle(&self, request: Request<Incoming>, peer: Peer) -> Self::Answering;
}

impl<S, F, B> Handler for S
where
    S: Fn(Request<Incoming>, Peer) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static,
{
    type Body = B;
    type Answering = F;

    fn handle(&self, request: Request<Incoming>, peer: Peer) -> F {
        self(request, peer)
    }
}

/// A listening socket on `address`.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // On Windows the option means that another program may take the port away.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Serves `door` until `shutdown` has run its course; returns when the last connection is gone.
/// `make` is called once for each worker and gives what answers there.
pub async fn serve<S: Handler>(
    door: Door,
    workers: &Workers,
    make: impl Fn(usize) -> S,
    shutdown: Shutdown,
) -> io::Result<()> {
    let limits = door.limits;
    door.listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(door.listener)?;
    let entrance = Entrance {
        house: Arc::new(house(door.tls, &limits, &shutdown)),
        caps: Caps::new(limits.connections, limits.connections_per_address, door.trusted),
        handlers: (0..workers.count()).map(make).collect(),
        workers,
    };
    let closing = async {
        shutdown.reached(Phase::Draining).await;
        tokio::select! {
            () = sleep(limits.drain_delay) => {}
            () = shutdown.reached(Phase::Closing) => {}
        }
    };
    tokio::select! {
        () = closing => {}
        () = entrance.accept_all(&listener) => {}
    }
    drop(listener);
    shutdown.advance(Phase::Closing);
    tokio::select! {
        () = shutdown.emptied() => {}
        () = shutdown.reached(Phase::Cut) => {}
        () = sleep(limits.grace) => {}
    }
    shutdown.cut();
    // Whoever is still there after this is dropped with its runtime.
    let _ = timeout(LAST_WORD, shutdown.emptied()).await;
    Ok(())
}

fn house(tls: Option<Arc<ServerConfig>>, limits: &Limits, shutdown: &Shutdown) -> House {
    House {
        tls,
        deadlines: Deadlines {
            first: limits.first_head,
            head: limits.head,
            keep_alive: limits.keep_alive,
            stuck: limits.stuck,
        },
        max_head: limits.max_head,
        max_buffer: limits.max_buffer.max(limits.max_head),
        shutdown: shutdown.clone(),
    }
}

struct Entrance<'a, S> {
    house: Arc<House>,
    caps: Caps,
    handlers: Vec<S>,
    workers: &'a Workers,
}

impl<S: Handler> Entrance<'_, S> {
    async fn accept_all(&self, listener: &tokio::net::TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, address)) => self.let_in(stream, address),
                Err(error) if is_callers_fault(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections");
                    sleep(BACK_OFF).await;
                }
            }
        }
    }

    /// Deals a connection to a worker, or drops it where there are too many.
    fn let_in(&self, stream: TcpStream, address: SocketAddr) {
        let Some(ticket) = self.caps.admit(address.ip()) else {
            tracing::debug!(ip = %address.ip(), "too many connections");
            return;
        };
        // Fails only if the system refuses, and then this connection is lost alone.
        let Ok(stream) = stream.into_std() else { return };
        let (n, runtime, load) = self.workers.pick();
        let (house, handler) = (self.house.clone(), self.handlers[n].clone());
        let peer = Peer { address, tls: house.tls.is_some() };
        runtime.spawn(async move {
            let _held = (ticket, load);
            match TcpStream::from_std(stream) {
                Ok(stream) => session::run(&house, stream, peer, handler).await,
                Err(error) => tracing::warn!(%error, "cannot watch a connection"),
            }
        });
    }
}

/// A connection that was gone before it was accepted says nothing about us.
fn is_callers_fault(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
