//! Sending requests to the one origin.
//!
//! Rule: an answer is read in the task that passes it on (see `upstream_body`). A waiting
//! connection that dies under a request is the upstream's right, not a failure: the request is
//! sent again on a fresh one where that is safe.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, Version};
use rustls::pki_types::ServerName;
use tokio::sync::Mutex;

use super::dial::Dialer;
use super::egress::Egress;
use super::error::{DialError, SendError, Sent, Why};
use super::link::{Failed, Link, Outgoing};
use super::stream::Stream;
use super::tls::{self, TlsError};
use super::upstream_body::{GONE, UpstreamBody};
use super::waiting::Waiting;

/// How long a connection waits for its next request. Google keeps them open for four minutes,
/// what lies between (proxies, address translation) often for little more than one.
const WAIT_LIMIT: Duration = Duration::from_secs(60);

/// Where and how to reach the origin.
#[derive(Debug, Clone)]
pub struct UpstreamConfig {
    /// Scheme (`http` or `https`) and authority; a path is not allowed.
    pub origin: Uri,
    /// One more certificate authority to trust, PEM.
    pub extra_ca: Option<Vec<u8>>,
    /// The way out.
    pub egress: Egress,
    /// The deadline for a new connection, TLS included.
    pub connect_timeout: Duration,
    /// Silence within an answer's body before it counts as broken.
    pub idle_stream: Duration,
}

/// An origin that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not `http://host` or `https://host`.
    #[error("the upstream must be http://host[:port] or https://host[:port], nothing more")]
    Origin,
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The client of one origin, for requests with bodies of type `B`. Cheap to clone.
pub struct Upstream<B: Outgoing> {
    origin: Arc<Origin>,
    waiting: Arc<Waiting<B>>,
}

struct Origin {
    dialer: Dialer,
    host: HeaderValue,
    idle_stream: Duration,
}

impl<B: Outgoing> Upstream<B> {
    /// A client for `config.origin`. Connects to nothing yet.
    pub fn new(config: UpstreamConfig) -> Result<Upstream<B>, ConfigError> {
        let authority = origin_authority(&config.origin)?;
        let secure = config.origin.scheme() == Some(&Scheme::HTTPS);
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let bare = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = if secure {
            let name = ServerName::try_from(bare.clone()).map_err(|_| ConfigError::Origin)?;
            Some((tls::client(config.extra_ca.as_deref())?, name))
        } else {
            None
        };
        let target = format!("https://{}:{port}/", authority.host());
        let origin = Origin {
            host: HeaderValue::from_str(authority.as_str()).map_err(|_| ConfigError::Origin)?,
            dialer: Dialer {
                host: bare,
                target: target.parse().map_err(|_| ConfigError::Origin)?,
                port,
                tls,
                egress: config.egress,
                limit: config.connect_timeout,
                known: Mutex::new(None),
            },
            idle_stream: config.idle_stream,
        };
        Ok(Upstream { origin: Arc::new(origin), waiting: Arc::new(Waiting::new(WAIT_LIMIT)) })
    }

    /// The same origin with waiting connections of its own: one for each worker, so that no
    /// connection ever wakes another worker's thread.
    pub fn sibling(&self) -> Upstream<B> {
        Upstream { origin: self.origin.clone(), waiting: Arc::new(Waiting::new(WAIT_LIMIT)) }
    }

    /// Sends `request` and waits for the answer's head, however long that takes. Host, target form,
    /// version and framing are set here. When a waiting connection dies under it and some of it may have
    /// been read, it is sent again if `again` makes it anew.
    pub async fn send(
        &self,
        request: Request<B>,
        mut again: impl FnMut() -> Option<Request<B>>,
    ) -> Result<Response<UpstreamBody<B>>, SendError> {
        let mut request = Some(request);
        self.prepare(&mut request);
        while let Some(link) = self.waiting.take() {
            match self.exchange(link, &mut request).await {
                Ok(response) => return Ok(response),
                Err(Tried::Unsent) => {}
                Err(Tried::Failed(error)) => {
                    let anew = if error.is_stale() { again() } else { None };
                    request = Some(anew.ok_or(error)?);
                    self.prepare(&mut request);
                    break;
                }
            }
        }
        let link = Box::pin(self.fresh()).await?;
        self.exchange(link, &mut request).await.map_err(|tried| match tried {
            Tried::Unsent => SendError::nothing_sent(Why::Reset("it closed at once".into())),
            Tried::Failed(error) => error,
        })
    }

    /// A fresh connection that speaks no HTTP yet, for protocols of their own.
    pub async fn connect(&self) -> Result<Stream, DialError> {
        self.origin.dialer.dial().await
    }

    /// The authority every request names as its Host.
    pub fn host(&self) -> &HeaderValue {
        &self.origin.host
    }

    /// Closes waiting connections that have had their time. Call it now and then; requests do the
    /// same for what they come upon.
    pub fn sweep(&self) {
        self.waiting.sweep();
    }

    /// Connections that wait for a request.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The request's line and framing are made here, whatever the caller's were.
    fn prepare(&self, request: &mut Option<Request<B>>) {
        let Some(request) = request else { return };
        let unframed = request.body().is_end_stream()
            && [Method::POST, Method::PUT, Method::PATCH].contains(request.method());
        let headers = request.headers_mut();
        headers.insert(HOST, self.origin.host.clone());
        headers.remove(TRANSFER_ENCODING);
        headers.remove(CONTENT_LENGTH);
        if unframed {
            // hyper would leave it out, and Google answers that with 411.
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        *request.version_mut() = Version::HTTP_11;
        if request.uri().authority().is_some() {
            let path = request.uri().path_and_query().cloned();
            *request.uri_mut() = path.unwrap_or(PathAndQuery::from_static("/")).into();
        }
    }

    async fn fresh(&self) -> Result<Box<Link<B>>, SendError> {
        let stream = self.origin.dialer.dial().await.map_err(SendError::nothing_sent)?;
        let reset = |error: hyper::Error| SendError::nothing_sent(Why::Reset(error.into()));
        Link::open(stream).await.map_err(reset)
    }

    async fn exchange(
        &self,
        mut link: Box<Link<B>>,
        request: &mut Option<Request<B>>,
    ) -> Result<Response<UpstreamBody<B>>, Tried> {
        let (parts, incoming) = match link.exchange(request).await {
            Ok(response) => response.into_parts(),
            Err(Failed::Unsent) => return Err(Tried::Unsent),
            Err(Failed::Hyper(error)) => return Err(Tried::Failed(classify(error))),
            Err(Failed::Gone) => return Err(Tried::Failed(perhaps(Why::Reset(GONE.into())))),
        };
        check_framing(&parts.headers).map_err(Tried::Failed)?;
        let idle_limit = self.origin.idle_stream;
        let body = UpstreamBody::new(incoming, link, self.waiting.clone(), idle_limit);
        Ok(Response::from_parts(parts, body))
    }
}

impl<B: Outgoing> Clone for Upstream<B> {
    fn clone(&self) -> Self {
        Upstream { origin: self.origin.clone(), waiting: self.waiting.clone() }
    }
}

/// A request on one connection that led nowhere.
enum Tried {
    /// Nothing was written; the request is where it was.
    Unsent,
    Failed(SendError),
}

impl SendError {
    /// What a waiting connection looks like that the upstream had closed.
    fn is_stale(&self) -> bool {
        matches!(self.why, Why::Reset(_))
    }
}

fn perhaps(why: Why) -> SendError {
    SendError { why, sent: Sent::Perhaps }
}

fn classify(error: hyper::Error) -> SendError {
    let endless = || {
        let io = std::error::Error::source(&error)?.downcast_ref::<std::io::Error>()?;
        Some(io.kind() == std::io::ErrorKind::InvalidData)
    };
    let unreadable = error.is_parse() || error.is_parse_too_large() || endless() == Some(true);
    perhaps(if unreadable {
        Why::BadAnswer(error.into())
    } else if error.is_user() {
        Why::RequestBody(error.into())
    } else {
        Why::Reset(error.into())
    })
}

/// What hyper lets pass and a proxy must not: two ways to tell where the body ends, or a coding it
/// would have to undo to find out.
fn check_framing(headers: &HeaderMap) -> Result<(), SendError> {
    let Some(coding) = headers.get(TRANSFER_ENCODING) else { return Ok(()) };
    let single = headers.get_all(TRANSFER_ENCODING).iter().nth(1).is_none();
    if headers.contains_key(CONTENT_LENGTH) {
        return Err(perhaps(Why::BadAnswer("both Transfer-Encoding and Content-Length".into())));
    }
    if !single || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Err(perhaps(Why::BadAnswer("a Transfer-Encoding other than chunked".into())));
    }
    Ok(())
}

fn origin_authority(origin: &Uri) -> Result<Authority, ConfigError> {
    let known = origin.scheme() == Some(&Scheme::HTTP) || origin.scheme() == Some(&Scheme::HTTPS);
    let bare = origin.path_and_query().is_none_or(|path| path == "/");
    match origin.authority() {
        Some(authority) if known && bare && !authority.as_str().contains('@') => {
            Ok(authority.clone())
        }
        _ => Err(ConfigError::Origin),
    }
}
