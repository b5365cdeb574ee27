//! Raw sockets, and the shortest way to an [`Upstream`] or a listener in front of them.

#![allow(clippy::unwrap_used)]

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::transport::egress::Egress;
use crate::transport::listen::{Door, Handler, Limits, Peer, bind, serve};
use crate::transport::{
    Asking, Outgoing, SendError, Shutdown, Upstream, UpstreamBody, UpstreamConfig, Workers,
};

pub(super) type AnyBody = UnsyncBoxBody<Bytes, io::Error>;

/// Longer than anything here takes, short enough to fail a test rather than to hang it.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn full(text: impl Into<Bytes>) -> AnyBody {
    Full::new(text.into()).map_err(|never| match never {}).boxed_unsync()
}

pub(super) fn get(path: &str) -> Request<AnyBody> {
    Request::get(path).body(full("")).unwrap()
}

pub(super) fn post(text: &'static str) -> Request<AnyBody> {
    Request::post("/").body(full(text)).unwrap()
}

/// An upstream that takes whole requests.
pub(super) trait Ask<B: Outgoing> {
    async fn ask(
        &self,
        request: Request<B>,
        again: impl FnMut() -> Option<Request<B>>,
    ) -> Result<Response<UpstreamBody<B>>, SendError>;
}

impl<B: Outgoing> Ask<B> for Upstream<B> {
    async fn ask(
        &self,
        request: Request<B>,
        mut again: impl FnMut() -> Option<Request<B>>,
    ) -> Result<Response<UpstreamBody<B>>, SendError> {
        let (head, body) = request.into_parts();
        let target = head.uri.path_and_query().unwrap();
        let asking = Asking { method: &head.method, target, fields: &head.headers };
        self.send(asking, body, || again().map(Request::into_body)).await
    }
}

/// Never longer than [`PATIENCE`].
pub(super) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("this should not take so long")
}

/// A server that runs `talk` on each connection, numbered from 0.
pub(super) struct RawServer {
    pub(super) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl RawServer {
    pub(super) async fn start<F, T>(talk: F) -> RawServer
    where
        F: Fn(usize, TcpStream) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let counter = accepted.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(talk(counter.fetch_add(1, SeqCst), stream));
            }
        });
        RawServer { address, accepted, task }
    }

    /// Answers every request on a connection with `answer`.
    pub(super) async fn answering(answer: &'static str) -> RawServer {
        RawServer::start(move |_, mut stream| async move {
            while read_head(&mut stream).await.is_some() {
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        })
        .await
    }

    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(SeqCst)
    }

    pub(super) fn origin(&self) -> Uri {
        format!("http://{}", self.address).parse().unwrap()
    }

    pub(super) fn upstream(&self) -> Upstream<AnyBody> {
        Upstream::new(config(self.origin())).unwrap()
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) fn config(origin: Uri) -> UpstreamConfig {
    UpstreamConfig {
        origin,
        extra_ca: None,
        egress: Egress::direct(),
        connect_timeout: Duration::from_secs(5),
        idle_stream: Duration::from_secs(300),
    }
}

/// A request's head up to the empty line; `None` at the end of the connection.
pub(super) async fn read_head(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// Everything until the other side closes; a reset counts as an end.
pub(super) async fn read_to_end(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut all = Vec::new();
    let _ = soon(stream.read_to_end(&mut all)).await;
    String::from_utf8_lossy(&all).into_owned()
}

/// A listener with `handler` behind it.
pub(super) struct House {
    pub(super) address: SocketAddr,
    pub(super) shutdown: Shutdown,
    pub(super) served: JoinHandle<()>,
}

impl House {
    pub(super) fn open<S: Handler + Sync>(limits: Limits, handler: S) -> House {
        House::open_with(limits, None, handler)
    }

    pub(super) fn open_with<S: Handler + Sync>(
        limits: Limits,
        tls: Option<Arc<rustls::ServerConfig>>,
        handler: S,
    ) -> House {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::new();
        let door = Door { listener, tls, limits, trusted: vec![] };
        let stop = shutdown.clone();
        let served = tokio::spawn(async move {
            let workers = Workers::here();
            serve(door, &workers, |_| handler.clone(), stop).await.unwrap();
        });
        House { address, shutdown, served }
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends `bytes` on a connection of their own and reads until it is closed.
    pub(super) async fn ask(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        read_to_end(&mut stream).await
    }
}

/// Says `ok` to everything.
pub(super) async fn say_ok(_: Request<Incoming>, _: Peer) -> Response<AnyBody> {
    Response::new(full("ok"))
}
