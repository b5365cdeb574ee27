//! Live sockets: the opening. What is wrong with a key or a setup is told in a close frame, after
//! the first message, as Google does.

use std::{io, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol::Role},
};

use crate::{
    answer::{Answer, Step, Steps},
    call::Call,
    credential::{self, Shown},
    faults,
    handle::{Peer, base},
    key::Key,
    passage::Passage,
    path::{Path, Tree},
    problem::Problem,
    rule::Act,
    session::{self, Kind, Session},
};

/// Answers the opening of a socket.
///
/// # Errors
/// When the connection is to end without an answer.
pub async fn open(
    peer: Peer,
    mut request: Request<Incoming>,
    path: Path,
    shown: Shown,
    passage: Passage,
) -> io::Result<Response<Steps>> {
    let before = |act: &Act| !act.within_socket();
    let uri = request.uri().path().to_owned();
    let act = peer.world.state().rules.take_if(shown.any(), None, &uri, "GET", before);
    if let Some(entry) = peer.world.state().log.entry(passage.id()) {
        entry.fault = act.as_ref().map(Act::name);
    }
    let shape = path.shape();
    match faults::before(act.as_ref(), &peer, shown.any().unwrap_or_default(), shape).await {
        Ok(None) => {}
        Ok(Some(answer)) => return Ok(refused(answer, act, &peer, passage)),
        Err(error) => {
            passage.done();
            return Err(error);
        }
    }
    let accept = request.headers().get(header::SEC_WEBSOCKET_KEY);
    let accept = accept.map(|key| derive_accept_key(key.as_bytes()));
    let (Some(kind), Some(accept)) = (Kind::of(&path.version), accept) else {
        let answer = Problem::nothing_here().answer(path.shape());
        return Ok(refused(answer, None, &peer, passage));
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let accept = HeaderValue::from_str(&accept).map_err(io::Error::other)?;
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    faults::dress(&mut headers);

    let key = admitted(&peer, &shown, &path, kind);
    let upgrading = hyper::upgrade::on(&mut request);
    peer.world.head(passage.id(), 101, shown.any());
    let call = call(&peer, request.headers().clone(), &path);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrading.await else { return };
        let io = TokioIo::new(upgraded);
        let socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
        let mut session = Session::new(socket, kind, call, Arc::clone(&peer.line), passage.id());
        let shown = shown.any().unwrap_or_default();
        if session::run(&mut session, key, shown, &uri).await {
            passage.done();
        }
    });
    let mut response = Response::new(Steps::new(Vec::<Step>::new(), None, None));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = headers;
    Ok(response)
}

fn refused(answer: Answer, act: Option<Act>, peer: &Peer, passage: Passage) -> Response<Steps> {
    peer.world.head(passage.id(), answer.status.as_u16(), None);
    faults::play(act, answer, false, peer, passage)
}

/// A call in whose name the socket's turns are answered; its key comes with the setup.
fn call(peer: &Peer, headers: HeaderMap, path: &Path) -> Call {
    let version = if path.version.contains("v1alpha") { "v1alpha" } else { "v1beta" };
    let base = base(peer, &headers);
    Call {
        world: Arc::clone(&peer.world),
        path: Path::parse(&format!("/{version}/models/live:bidiGenerateContent"), None),
        method: Method::GET,
        headers,
        body: Bytes::new(),
        body_len: 0,
        key: Key::new("", 0),
        base,
    }
}

fn admitted(peer: &Peer, shown: &Shown, path: &Path, kind: Kind) -> Result<Key, Problem> {
    if kind == Kind::Constrained {
        let name = shown.token.as_deref().or(shown.query.as_deref()).unwrap_or_default();
        let state = peer.world.state();
        let item = state.shelf.any(name).filter(|_| name.starts_with("auth_tokens/"));
        let refuse = || Problem::new(401, "Request had invalid authentication credentials.");
        let project = item.ok_or_else(refuse)?.project;
        let key = state.keys.values().find(|key| key.project == project);
        return key.cloned().ok_or_else(refuse);
    }
    let mut as_native = path.clone();
    as_native.tree = Tree::Native;
    as_native.verb = Some("BidiGenerateContent".to_owned());
    credential::admit(&peer.world, shown, &as_native, &peer.address)
}
