//! The way out: direct, or through one proxy.
//!
//! Why: many who need this service cannot reach the upstream directly. Rule: the proxy learns
//! where we go and nothing else; what is sent runs through a tunnel, and names are resolved at its
//! far end (for `socks5` as for `socks5h`: where the way is blocked, the local resolver lies too).
//! A proxy's credentials are never printed.

use std::fmt;
use std::future::{Ready, ready};
use std::io;
use std::task::{Context, Poll};

use http::uri::Scheme;
use http::{HeaderValue, Uri};
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use super::error::DialError;

/// How connections leave this machine.
#[derive(Clone, Default)]
pub struct Egress(Way);

#[derive(Clone, Default)]
enum Way {
    #[default]
    Direct,
    Connect(Proxy<HeaderValue>),
    Socks5(Proxy<(String, String)>),
}

#[derive(Clone)]
struct Proxy<A> {
    uri: Uri,
    port: u16,
    auth: Option<A>,
}

/// A proxy's URL that cannot be used. Holds none of it, as it may name a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// Not a URL with a host.
    #[error("the egress proxy is not a URL such as socks5://host:1080 or http://host:3128")]
    NotAUrl,
    /// A kind of proxy we do not speak to.
    #[error("the egress proxy's scheme is none of http, socks5, socks5h")]
    Scheme,
}

impl Egress {
    /// No proxy.
    pub fn direct() -> Egress {
        Egress::default()
    }

    /// Through the proxy at `url`: `http://`, `socks5://` or `socks5h://`, with or without
    /// `user:password@`. `direct` means none.
    pub fn parse(url: &str) -> Result<Egress, EgressError> {
        let url = url.trim();
        if url == "direct" {
            return Ok(Egress::direct());
        }
        let spelled = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let uri: Uri = spelled.parse().map_err(|_| EgressError::NotAUrl)?;
        let kind = match uri.scheme_str() {
            Some("http") => Kind::Connect,
            Some("socks5" | "socks5h") => Kind::Socks5,
            _ => return Err(EgressError::Scheme),
        };
        let proxy = intercept(&spelled).ok_or(EgressError::NotAUrl)?;
        Ok(Egress(kind.way(&proxy)))
    }

    /// What the usual variables say about reaching `upstream`: `HTTPS_PROXY` (`HTTP_PROXY` for a
    /// plain upstream), then `ALL_PROXY`, each also in small letters, unless `NO_PROXY` names the
    /// host. An upstream on this very machine is always reached directly.
    pub fn from_env(
        variable: impl Fn(&str) -> Option<String>,
        upstream: &Uri,
    ) -> Result<Egress, EgressError> {
        let first = |names: &[&str]| {
            names.iter().find_map(|name| variable(name).filter(|value| !value.trim().is_empty()))
        };
        let plain = upstream.scheme() == Some(&Scheme::HTTP);
        let own = if plain { ["http_proxy", "HTTP_PROXY"] } else { ["HTTPS_PROXY", "https_proxy"] };
        let Some(url) = first(&own).or_else(|| first(&["ALL_PROXY", "all_proxy"])) else {
            return Ok(Egress::direct());
        };
        let excepted = first(&["NO_PROXY", "no_proxy"]).unwrap_or_default();
        if is_local(upstream) || is_excepted(&excepted, upstream) {
            return Ok(Egress::direct());
        }
        Egress::parse(&url)
    }

    /// True when no proxy is used.
    pub fn is_direct(&self) -> bool {
        matches!(self.0, Way::Direct)
    }

    /// Where TCP goes first: the proxy's host and port, `None` when direct.
    pub(super) fn first_hop(&self) -> Option<(&str, u16)> {
        match &self.0 {
            Way::Direct => None,
            Way::Connect(proxy) => Some((host(&proxy.uri), proxy.port)),
            Way::Socks5(proxy) => Some((host(&proxy.uri), proxy.port)),
        }
    }

    /// Opens the tunnel to `target` (host and port) over a connection to the first hop.
    pub(super) async fn tunnel(
        &self,
        stream: TcpStream,
        target: &Uri,
    ) -> Result<TcpStream, DialError> {
        let refused = |error: Box<dyn std::error::Error + Send + Sync>| DialError::Egress(error);
        let opened = Opened(Some(stream));
        match &self.0 {
            Way::Direct => Err(refused("there is no proxy".into())),
            Way::Connect(proxy) => {
                let mut tunnel = Tunnel::new(proxy.uri.clone(), opened);
                if let Some(auth) = &proxy.auth {
                    tunnel = tunnel.with_auth(auth.clone());
                }
                let through = tunnel.call(target.clone()).await;
                through.map(TokioIo::into_inner).map_err(|error| refused(error.into()))
            }
            Way::Socks5(proxy) => {
                let mut socks = SocksV5::new(proxy.uri.clone(), opened);
                if let Some((user, password)) = proxy.auth.clone() {
                    socks = socks.with_auth(user, password);
                }
                let through = socks.call(target.clone()).await;
                through.map(TokioIo::into_inner).map_err(|error| refused(error.into()))
            }
        }
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Way::Direct => f.write_str("Egress(direct)"),
            Way::Connect(proxy) => write!(f, "Egress(http {}:{})", host(&proxy.uri), proxy.port),
            Way::Socks5(proxy) => write!(f, "Egress(socks5 {}:{})", host(&proxy.uri), proxy.port),
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Connect,
    Socks5,
}

impl Kind {
    fn way(self, found: &Intercept) -> Way {
        let uri = found.uri().clone();
        let named = uri.port_u16();
        match self {
            Kind::Connect => {
                let auth = found.basic_auth().cloned();
                Way::Connect(Proxy { uri, port: named.unwrap_or(80), auth })
            }
            Kind::Socks5 => {
                let auth = found.raw_auth().map(|(user, pass)| (user.to_owned(), pass.to_owned()));
                Way::Socks5(Proxy { uri, port: named.unwrap_or(1080), auth })
            }
        }
    }
}

/// Host without the brackets of an IPv6 literal.
fn host(uri: &Uri) -> &str {
    uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}

/// The library's reading of a proxy URL: credentials decoded and taken out of it.
fn intercept(url: &str) -> Option<Intercept> {
    Matcher::builder().all(url).build().intercept(&Uri::from_static("https://upstream.invalid"))
}

fn is_excepted(list: &str, upstream: &Uri) -> bool {
    let any = Matcher::builder().all("http://proxy.invalid").no(list).build();
    any.intercept(upstream).is_none()
}

fn is_local(upstream: &Uri) -> bool {
    let host = host(upstream);
    host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// A connector that hands out the one connection made already.
struct Opened(Option<TcpStream>);

impl Service<Uri> for Opened {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Ready<io::Result<TokioIo<TcpStream>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let taken = self.0.take().map(TokioIo::new);
        ready(taken.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)))
    }
}
