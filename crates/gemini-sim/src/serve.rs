//! Sockets: accepting, TLS, and one hyper connection each.

use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::{
    handle::{Peer, handle},
    line::{Conduit, Line},
    world::World,
};

/// Google's front ends take heads of some 16 KB and more; a stand-in is no stricter.
const HEAD_LIMIT: usize = 256 * 1024;

/// Accepts until dropped.
pub async fn run(
    world: Arc<World>,
    plain: TcpListener,
    secure: Option<(TcpListener, TlsAcceptor)>,
) {
    let connections = Arc::new(AtomicU64::new(1));
    let plain = accept(Arc::clone(&world), plain, None, Arc::clone(&connections));
    match secure {
        None => plain.await,
        Some((listener, acceptor)) => {
            let secure = accept(world, listener, Some(acceptor), connections);
            tokio::join!(plain, secure);
        }
    }
}

async fn accept(
    world: Arc<World>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    connections: Arc<AtomicU64>,
) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "cannot listen"),
    };
    loop {
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let peer = Peer {
            world: Arc::clone(&world),
            line: Arc::default(),
            connection: connections.fetch_add(1, Ordering::Relaxed),
            tls: tls.is_some(),
            address: address.ip().to_string(),
        };
        tokio::spawn(connection(peer, stream, tls.clone()));
    }
}

async fn connection(peer: Peer, stream: TcpStream, tls: Option<TlsAcceptor>) {
    let _ = stream.set_nodelay(true);
    let world = Arc::clone(&peer.world);
    world.state().log.connection(true);
    let conduit = match tls {
        None => Some(Conduit::plain(stream, Arc::clone(&peer.line))),
        Some(tls) => match tls.accept(stream).await {
            Ok(stream) => Some(Conduit::tls(stream, Arc::clone(&peer.line))),
            Err(error) => {
                tracing::debug!(%error, "no TLS");
                None
            }
        },
    };
    if let Some(conduit) = conduit {
        talk(peer, conduit).await;
    }
    world.state().log.connection(false);
}

async fn talk(peer: Peer, conduit: Conduit) {
    let line: Arc<Line> = Arc::clone(&peer.line);
    let service = service_fn(move |request| handle(peer.clone(), request));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(HEAD_LIMIT)
        .max_headers(200)
        .serve_connection(TokioIo::new(conduit), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended");
    }
    drop(line);
}
