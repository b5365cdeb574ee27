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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns_and_the_preferred_one_begins() {
        let found = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "192.0.2.1:1", "192.0.2.2:1"]);

        let turns = interleave(found);

        let expected = addresses(&["[::1]:1", "192.0.2.1:1", "[::2]:1", "192.0.2.2:1", "[::3]:1"]);
        assert_eq!(turns, expected);
    }

    /// An address whose queue of new connections is full: it neither answers nor refuses.
    fn black_hole() -> (Vec<std::net::TcpStream>, socket2::Socket, SocketAddr) {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let brief = Duration::from_millis(50);
        let fill = || std::net::TcpStream::connect_timeout(&address, brief).ok();
        (std::iter::from_fn(fill).take(64).collect(), socket, address)
    }

    #[tokio::test]
    async fn a_dead_address_costs_a_head_start_and_no_more() {
        let (_queue, _hole, dead) = black_hole();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let alive = listener.local_addr().unwrap();

        let began = Instant::now();
        let stream = connect_any(&[dead, alive]).await.unwrap();

        assert_eq!(stream.peer_addr().unwrap(), alive);
        assert!(began.elapsed() >= HEAD_START, "the dead one was tried first");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn a_refusing_address_costs_nothing() {
        let refusing = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let alive = listener.local_addr().unwrap();

        let stream = connect_any(&[refusing, alive]).await.unwrap();

        assert_eq!(stream.peer_addr().unwrap(), alive);
        assert!(connect_any(&[refusing]).await.is_err());
    }

    #[tokio::test]
    async fn the_deadline_covers_a_silent_address() {
        let (_queue, _hole, dead) = black_hole();
        let dialer = Dialer {
            host: dead.ip().to_string(),
            target: Uri::from_static("http://upstream.invalid:80/"),
            port: dead.port(),
            tls: None,
            egress: Egress::direct(),
            limit: Duration::from_millis(100),
            known: Mutex::new(None),
        };

        let error = dialer.dial().await.unwrap_err();

        assert!(matches!(error, DialError::Timeout { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_told() {
        let dialer = Dialer {
            host: "nowhere.invalid".to_owned(),
            target: Uri::from_static("http://nowhere.invalid:80/"),
            port: 80,
            tls: None,
            egress: Egress::direct(),
            limit: Duration::from_secs(60),
            known: Mutex::new(None),
        };

        let error = dialer.dial().await.unwrap_err();

        assert!(matches!(error, DialError::Resolve { .. }), "{error:?}");
    }
}
