//! The life of one request: noted, perhaps hit by a rule, admitted, answered.

use std::{convert::identity, io, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::sleep;

use crate::{
    answer::{Answer, Steps},
    call::{Call, Reply},
    compat, control,
    credential::{self, Shown},
    faults,
    line::Line,
    log::Arrival,
    native,
    passage::Passage,
    path::{Path, Tree},
    problem::Problem,
    rule::Act,
    world::World,
};

/// So much of a body is kept: Google's own limit for inline requests, and some.
const BODY_KEPT: usize = 128 * 1024 * 1024;

/// Larger bodies are refused, but for uploads.
const INLINE_LIMIT: u64 = 100 * 1024 * 1024;

/// Where a request came from.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The world.
    pub world: Arc<World>,
    /// The connection's line.
    pub line: Arc<Line>,
    /// The connection's number.
    pub connection: u64,
    /// Over TLS.
    pub tls: bool,
    /// The caller's address.
    pub address: String,
}

/// A body as it came.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// What is kept of it.
    pub bytes: Bytes,
    /// How long it was.
    pub len: u64,
}

/// Answers one request.
///
/// # Errors
/// When the connection is to end without an answer, or the caller did not finish.
pub async fn handle(peer: Peer, mut request: Request<Incoming>) -> io::Result<Response<Steps>> {
    if request.uri().path().starts_with("/sim/") {
        return control::answer(&peer.world, request).await;
    }
    let path = Path::parse(request.uri().path(), request.uri().query());
    let shown = Shown::read(request.headers(), &path);
    let passage = note(&peer, &request, &path, &shown);
    if path.tree == Tree::Socket {
        return crate::live::open(peer, request, path, shown, passage).await;
    }
    let received = receive(request.body_mut()).await?;
    let model = asked_model(&path, &received.bytes);
    let act = {
        let mut state = peer.world.state();
        let (uri, method) = (request.uri().path(), request.method().as_str());
        let act = state.rules.take(shown.any(), model.as_deref(), uri, method);
        if let Some(entry) = state.log.entry(passage.id()) {
            entry.body(&received.bytes);
            entry.body_len = received.len;
            entry.model = model;
            entry.fault = act.as_ref().map(Act::name);
        }
        act
    };
    if !peer.world.config.latency.is_zero() {
        sleep(peer.world.config.latency).await;
    }
    let key = shown.any().unwrap_or_default();
    let scripted = faults::before(act.as_ref(), &peer, key, path.shape()).await;
    let scripted = match scripted {
        Ok(scripted) => scripted,
        Err(error) => {
            passage.done();
            return Err(error);
        }
    };
    let (parts, _) = request.into_parts();
    let gzip = peer.world.config.gzip && accepts_gzip(&parts.headers);
    let answer = match scripted {
        Some(answer) => answer,
        None => respond(&peer, parts, path, received, &shown),
    };
    peer.world.head(passage.id(), answer.status.as_u16(), shown.any());
    Ok(faults::play(act, answer, gzip, &peer, passage))
}

fn note(peer: &Peer, request: &Request<Incoming>, path: &Path, shown: &Shown) -> Passage {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = request.headers().iter();
    let arrival = Arrival {
        connection: peer.connection,
        tls: peer.tls,
        at_ms: peer.world.now_ms(),
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().map(str::to_owned),
        headers: headers.map(|(name, value)| (name.to_string(), text(value))).collect(),
        key: shown.any().map(str::to_owned),
        model: path.model().map(str::to_owned),
        ..Arrival::default()
    };
    let id = peer.world.arrived(arrival);
    Passage::new(Arc::clone(&peer.world), id)
}

async fn receive(body: &mut Incoming) -> io::Result<Received> {
    let mut kept = BytesMut::new();
    let mut len = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(io::Error::other)?;
        let Ok(data) = frame.into_data() else { continue };
        len += data.len() as u64;
        let room = BODY_KEPT - kept.len();
        kept.extend_from_slice(&data[..data.len().min(room)]);
    }
    Ok(Received { bytes: kept.freeze(), len })
}

/// The model named in the path, or, on compatible routes, in the body.
fn asked_model(path: &Path, body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Named {
        model: Option<String>,
    }
    if path.tree != Tree::Compat {
        return path.model().map(str::to_owned);
    }
    let model = serde_json::from_slice::<Named>(body).ok()?.model?;
    Some(model.strip_prefix("models/").unwrap_or(&model).to_owned())
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let value = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| value.contains("gzip"))
}

/// Scheme and host as the caller named them, or the public ones that were set.
#[must_use]
pub fn base(peer: &Peer, headers: &HeaderMap) -> String {
    if let Some(url) = &peer.world.config.public_url {
        return url.trim_end_matches('/').to_owned();
    }
    let scheme = if peer.tls { "https" } else { "http" };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    format!("{scheme}://{}", host.unwrap_or("localhost"))
}

fn respond(
    peer: &Peer,
    parts: http::request::Parts,
    path: Path,
    received: Received,
    shown: &Shown,
) -> Answer {
    let shape = path.shape();
    let reply = || -> Reply {
        if path.tree == Tree::Elsewhere {
            return Err(Problem::nothing_here());
        }
        if path.tree == Tree::Upload && path.param("upload_id").is_some() {
            return crate::upload::part(&peer.world, &path, &parts, &received);
        }
        if path.tree == Tree::Download && path.param("ticket").is_some() {
            return crate::files::ticket(&peer.world, &path, &parts.headers);
        }
        if path.tree != Tree::Upload && received.len > INLINE_LIMIT {
            return Err(Problem::new(
                400,
                format!("Request payload size exceeds the limit: {INLINE_LIMIT} bytes."),
            ));
        }
        let key = credential::admit(&peer.world, shown, &path, &peer.address)?;
        let base = base(peer, &parts.headers);
        let call = Call {
            world: Arc::clone(&peer.world),
            path: path.clone(),
            method: parts.method.clone(),
            headers: parts.headers.clone(),
            body: received.bytes.clone(),
            body_len: received.len,
            key,
            base,
        };
        match path.tree {
            Tree::Compat => compat::answer(&call),
            Tree::Upload => crate::upload::start(&call),
            Tree::Download => crate::files::download(&call),
            _ => native::answer(&call),
        }
    };
    let failed = |problem: Problem| problem.answer(shape);
    reply().map_or_else(failed, identity)
}

/// So long a stalled answer sleeps at a time.
pub const FOR_EVER: Duration = Duration::from_secs(86_400);
