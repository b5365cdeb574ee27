//! Both sides together: what a caller does reaches the upstream, and the other way round.

#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::wire::{
    AnyBody, Ask as _, House, RawServer, full, read_head, read_to_end, say_ok, soon,
};
use crate::transport::listen::{Door, Handler, Limits, Peer, bind, serve};
use crate::transport::{Answer, BodyError, Shutdown, Upstream, Workers};

type Made = Answer<Incoming, UnsyncBoxBody<Bytes, BodyError>>;

fn proxy_to(upstream: Upstream<Incoming>) -> impl Handler + Sync {
    move |request: Request<Incoming>, _: Peer| {
        let upstream = upstream.clone();
        async move {
            match upstream.ask(request, || None).await {
                Ok(response) => response.map(Made::Passed),
                Err(_) => {
                    let mut response = Response::new(Made::whole("no answer"));
                    *response.status_mut() = StatusCode::BAD_GATEWAY;
                    response
                }
            }
        }
    }
}

fn house_before(server: &RawServer) -> House {
    let upstream = Upstream::new(super::wire::config(server.origin())).unwrap();
    House::open(Limits::default(), proxy_to(upstream))
}

const POST: &[u8] = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";

#[tokio::test]
async fn a_call_passes_both_ways() {
    let server = RawServer::start(|_, mut stream| async move {
        while let Some(head) = read_head(&mut stream).await {
            assert!(head.starts_with("POST /x HTTP/1.1\r\n"), "{head}");
            let mut body = [0; 5];
            stream.read_exact(&mut body).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n").await.unwrap();
            stream.write_all(&body).await.unwrap();
        }
    })
    .await;
    let house = house_before(&server);
    let mut caller = house.connect().await;

    for _ in 0..3 {
        caller.write_all(POST).await.unwrap();
        soon(read_head(&mut caller)).await.unwrap();
        let mut body = [0; 5];
        soon(caller.read_exact(&mut body)).await.unwrap();
        assert_eq!(&body, b"hello");
    }

    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_caller_who_leaves_frees_the_upstream_in_every_phase() {
    for answer in
        ["", "HTTP/1.1 200 OK\r\n\r\ndata", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"]
    {
        let (tell, mut told) = mpsc::unbounded_channel();
        let server = RawServer::start(move |_, mut stream| {
            let tell = tell.clone();
            async move {
                read_head(&mut stream).await.unwrap();
                stream.read_exact(&mut [0; 5]).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
                tell.send("asked").unwrap();
                read_to_end(&mut stream).await;
                tell.send("closed").unwrap();
            }
        })
        .await;
        let house = house_before(&server);
        let mut caller = house.connect().await;
        caller.write_all(POST).await.unwrap();
        assert_eq!(soon(told.recv()).await, Some("asked"));
        if !answer.is_empty() {
            soon(read_head(&mut caller)).await.unwrap();
        }

        drop(caller);

        assert_eq!(soon(told.recv()).await, Some("closed"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_cut_answer_leaves_as_a_cut_answer() {
    let server = RawServer::start(|_, mut stream| async move {
        read_head(&mut stream).await.unwrap();
        stream.read_exact(&mut [0; 5]).await.unwrap();
        let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
        stream.write_all(answer).await.unwrap();
    })
    .await;
    let house = house_before(&server);

    let answer = house.ask(POST).await;

    assert!(answer.ends_with("4\r\nhalf\r\n"), "no last chunk: {answer:?}");
}

#[tokio::test]
async fn the_first_chunk_leaves_before_the_second_comes() {
    let (tell, mut told) = mpsc::unbounded_channel::<()>();
    let tell = Arc::new(tell);
    let (go, gate) = tokio::sync::watch::channel(0);
    let server = RawServer::start(move |_, mut stream| {
        let (tell, mut gate) = (tell.clone(), gate.clone());
        async move {
            read_head(&mut stream).await.unwrap();
            stream.read_exact(&mut [0; 5]).await.unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                .await
                .unwrap();
            for n in 1..=3 {
                gate.wait_for(|reached| *reached >= n).await.unwrap();
                stream.write_all(b"1\r\nx\r\n").await.unwrap();
            }
            tell.send(()).unwrap();
        }
    })
    .await;
    let house = house_before(&server);
    let mut caller = house.connect().await;
    caller.write_all(POST).await.unwrap();
    soon(read_head(&mut caller)).await.expect("the head alone");

    for n in 1..=3 {
        go.send(n).unwrap();
        let mut chunk = [0; 6];
        soon(caller.read_exact(&mut chunk)).await.unwrap();
        assert_eq!(&chunk, b"1\r\nx\r\n");
    }
    soon(told.recv()).await.unwrap();
}

#[tokio::test]
async fn workers_share_the_connections_evenly() {
    let threads = Arc::new(Mutex::new(HashSet::new()));
    let seen = threads.clone();
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let door = Door { listener, tls: None, limits: Limits::default(), trusted: vec![] };
    let shutdown = Shutdown::new();
    let stop = shutdown.clone();
    let served = tokio::spawn(async move {
        let workers = Workers::start(2).unwrap();
        let make = |number| {
            let seen = seen.clone();
            move |request: Request<Incoming>, peer: Peer| {
                let name = std::thread::current().name().map(str::to_owned);
                assert_eq!(name, Some(format!("worker-{number}")));
                seen.lock().insert(name);
                say_ok(request, peer)
            }
        };
        serve(door, &workers, make, stop).await.unwrap();
        tokio::task::spawn_blocking(move || drop(workers)).await.unwrap();
    });

    let mut held = vec![];
    for _ in 0..4 {
        let mut caller = TcpStream::connect(address).await.unwrap();
        caller.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        soon(read_head(&mut caller)).await.unwrap();
        held.push(caller);
    }

    assert_eq!(threads.lock().len(), 2);
    shutdown.begin();
    soon(served).await.unwrap();
}

#[tokio::test]
async fn a_connection_may_leave_http_behind() {
    let house = House::open(Limits::default(), |request: Request<Incoming>, _: Peer| async {
        tokio::spawn(async move {
            let upgraded = hyper::upgrade::on(request).await.unwrap();
            let mut io = TokioIo::new(upgraded);
            let mut word = [0; 4];
            io.read_exact(&mut word).await.unwrap();
            io.write_all(&word).await.unwrap();
        });
        let mut response: Response<AnyBody> = Response::new(full(""));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert("upgrade", "echo".parse().unwrap());
        response.headers_mut().insert("connection", "upgrade".parse().unwrap());
        response
    });
    let mut caller = house.connect().await;
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nping";

    caller.write_all(request).await.unwrap();

    assert!(soon(read_head(&mut caller)).await.unwrap().starts_with("HTTP/1.1 101 "));
    assert_eq!(read_to_end(&mut caller).await, "ping");
}

#[tokio::test]
async fn a_slow_caller_still_gets_every_byte_before_the_cut() {
    const SENT: usize = 16 << 20;
    let server = RawServer::start(|_, mut stream| async move {
        read_head(&mut stream).await.unwrap();
        stream.read_exact(&mut [0; 5]).await.unwrap();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", SENT + 1);
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b'x'; SENT]).await.unwrap();
    })
    .await;
    let house = house_before(&server);
    let mut caller = house.connect().await;
    caller.write_all(POST).await.unwrap();
    soon(read_head(&mut caller)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;

    assert_eq!(read_to_end(&mut caller).await.len(), SENT);
}

#[tokio::test]
async fn answers_made_here_have_their_length() {
    for (body, length) in [(Made::empty(), 0), (Made::whole(""), 0), (Made::whole("four"), 4)] {
        assert_eq!(body.size_hint().exact(), Some(length));
        assert_eq!(body.is_end_stream(), length == 0);
        assert_eq!(body.collect().await.unwrap().to_bytes().len() as u64, length);
    }
}
