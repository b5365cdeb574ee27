//! Making a connection to the upstream.
//!
//! Rule: one deadline covers the whole way, from the name to the finished TLS handshake, and a
//! dead address never costs more than a fraction of a second while another one may live.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::Uri;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;

use super::egress::Egress;
use super::error::DialError;
use super::stream::Stream;

/// How long an address may stay silent before the next one is tried beside it (RFC 8305, §8).
const HEAD_START: Duration = Duration::from_millis(250);
/// How long a resolved name is believed. Short, since Google moves its addresses; long enough that
/// a burst of new connections asks once.
const NAME_FRESH: Duration = Duration::from_secs(30);

/// Knows the way to one origin.
pub(super) struct Dialer {
    pub(super) host: String,
    /// Host and port, as a tunnel is asked for it.
    pub(super) target: Uri,
    pub(super) port: u16,
    pub(super) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    pub(super) egress: Egress,
    pub(super) limit: Duration,
    pub(super) known: Mutex<Option<(Instant, Vec<SocketAddr>)>>,
}

impl Dialer {
    /// A fresh connection, ready for HTTP.
    pub(super) async fn dial(&self) -> Result<Stream, DialError> {
        match timeout(self.limit, self.reach()).await {
            Ok(done) => done,
            Err(_) => Err(DialError::Timeout { host: self.host.clone(), limit: self.limit }),
        }
    }

    async fn reach(&self) -> Result<Stream, DialError> {
        let (host, port) = self.egress.first_hop().unwrap_or((&self.host, self.port));
        let tcp = self.connect(host, port).await?;
        // Fails only on a socket that is dead already, which the next write will tell.
        let _ = tcp.set_nodelay(true);
        let tcp = if self.egress.is_direct() {
            tcp
        } else {
            self.egress.tunnel(tcp, &self.target).await?
        };
        let Some((config, name)) = &self.tls else { return Ok(Stream::Plain(tcp)) };
        let connected = TlsConnector::from(config.clone()).connect(name.clone(), tcp).await;
        match connected {
            Ok(stream) => Ok(Stream::Tls(Box::new(stream.into()))),
            Err(source) => Err(DialError::Tls { host: self.host.clone(), source }),
        }
    }

    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, DialError> {
        let addresses = self.resolve(host, port).await?;
        match connect_any(&addresses).await {
            Ok(stream) => Ok(stream),
            Err(source) => {
                *self.known.lock().await = None;
                Err(DialError::Connect { host: host.to_owned(), source })
            }
        }
    }

    /// One lookup at a time: whoever comes meanwhile waits for its answer.
    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, DialError> {
        let mut known = self.known.lock().await;
        if let Some((since, addresses)) = &*known
            && since.elapsed() < NAME_FRESH
        {
            return Ok(addresses.clone());
        }
        let failed = |source| DialError::Resolve { host: host.to_owned(), source };
        let found = tokio::net::lookup_host((host, port)).await.map_err(failed)?;
        let addresses = interleave(found.collect());
        if addresses.is_empty() {
            return Err(failed(io::ErrorKind::NotFound.into()));
        }
        *known = Some((Instant::now(), addresses.clone()));
        Ok(addresses)
    }
}

/// Families by turns, beginning with the one the resolver prefers.
fn interleave(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let preferred = found.first().is_some_and(SocketAddr::is_ipv6);
    let (mut first, mut second): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|address| address.is_ipv6() == preferred);
    let mut turns = Vec::with_capacity(first.len() + second.len());
    first.reverse();
    second.reverse();
    while !(first.is_empty() && second.is_empty()) {
        turns.extend(first.pop());
        turns.extend(second.pop());
    }
    turns
}

/// The first address that answers; each has a short head start on the next.
async fn connect_any(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut waiting = addresses.iter().copied();
    let mut trying = FuturesUnordered::new();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        match waiting.next() {
            Some(address) => trying.push(TcpStream::connect(address)),
            None if trying.is_empty() => return Err(last),
            None => {}
        }
        let more = waiting.len() > 0;
        tokio::select! {
            Some(result) = trying.next() => match result {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            },
            () = sleep(HEAD_START), if more => {}
        }
    }
}
