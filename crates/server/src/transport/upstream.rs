//! Sending requests to the one origin.
//!
//! Rule: an answer is read in the task that passes it on (see `upstream_body`). A waiting
//! connection that dies under a request is the upstream's right, not a failure: the request is
//! sent again on a fresh one where that is safe.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::uri::{Authority, Scheme};
use http::{HeaderValue, Response, Uri};
use rustls::pki_types::ServerName;
use tokio::sync::Mutex;
use tokio::time::sleep;

use super::dial::Dialer;
use super::egress::Egress;
use super::error::{DialError, SendError, Sent, Why};
use super::link::{Asking, Failed, Link, Outgoing};
use super::stream::Stream;
use super::tls::{self, TlsError};
use super::upstream_body::UpstreamBody;
use super::waiting::Waiting;

/// How long a connection waits for its next request. Google keeps them open for four minutes,
/// what lies between (proxies, address translation) often for little more than one.
const WAIT_LIMIT: Duration = Duration::from_secs(60);

/// How often a worker looks for connections that have waited too long. One may wait for this much
/// longer, which hurts nobody.
const SWEEP: Duration = Duration::from_secs(2);

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

    /// Sends a request and waits for the answer's head, however long that takes. When a waiting
    /// connection dies under it and some of it may have been read, it is sent again if `again`
    /// makes its body anew.
    pub async fn send(
        &self,
        asking: Asking<'_>,
        body: B,
        mut again: impl FnMut() -> Option<B>,
    ) -> Result<Response<UpstreamBody<B>>, SendError> {
        others_first().await;
        let mut body = Some(body);
        while let Some(link) = self.waiting.take() {
            match self.exchange(link, &asking, &mut body).await {
                Ok(response) => return Ok(response),
                Err(Tried::Unsent) => {}
                Err(Tried::Failed(error)) => {
                    let anew = if error.is_stale() { again() } else { None };
                    body = Some(anew.ok_or(error)?);
                    break;
                }
            }
        }
        let link = Box::pin(self.fresh()).await?;
        self.exchange(link, &asking, &mut body).await.map_err(|tried| match tried {
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

    /// Closes waiting connections that have had their time.
    pub fn sweep(&self) {
        self.waiting.sweep();
    }

    /// Sweeps now and then for ever: a task of the runtime on which the requests are.
    pub async fn keep_swept(self) {
        loop {
            sleep(SWEEP).await;
            self.sweep();
        }
    }

    /// Connections that wait for a request.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    async fn fresh(&self) -> Result<Box<Link<B>>, SendError> {
        let stream = self.origin.dialer.dial().await.map_err(SendError::nothing_sent)?;
        Ok(Link::new(stream))
    }

    async fn exchange(
        &self,
        mut link: Box<Link<B>>,
        asking: &Asking<'_>,
        body: &mut Option<B>,
    ) -> Result<Response<UpstreamBody<B>>, Tried> {
        let response = link.exchange(asking, body, &self.origin.host).await?;
        let idle_limit = self.origin.idle_stream;
        Ok(response.map(|()| UpstreamBody::new(link, self.waiting.clone(), idle_limit)))
    }
}

impl<B: Outgoing> Clone for Upstream<B> {
    fn clone(&self) -> Self {
        Upstream { origin: self.origin.clone(), waiting: self.waiting.clone() }
    }
}

/// Lets every task of this thread that is ready have its turn, once.
///
/// Why: a busy worker thus reads all the requests that have come before it sends the first of them
/// on, and sends them one upon the other. What runs many times in a row stays in the caches, and
/// who is written to is woken once for many pieces: waking up costs the writer more than writing
/// does. A worker with nothing else to do goes on at once.
async fn others_first() {
    let mut waited = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A request on one connection that led nowhere.
enum Tried {
    /// Nothing was written; the body is where it was.
    Unsent,
    Failed(SendError),
}

impl SendError {
    /// What a waiting connection looks like that the upstream had closed.
    fn is_stale(&self) -> bool {
        matches!(self.why, Why::Reset(_))
    }
}

impl From<Failed> for Tried {
    fn from(failed: Failed) -> Tried {
        let why = match failed {
            Failed::Unsent => return Tried::Unsent,
            Failed::Reset(source) => Why::Reset(source),
            Failed::Malformed(source) => Why::BadAnswer(source),
            Failed::RequestBody(source) => Why::RequestBody(source),
        };
        Tried::Failed(SendError { why, sent: Sent::Perhaps })
    }
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
