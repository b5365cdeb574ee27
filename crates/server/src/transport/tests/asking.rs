//! What the upstream sees of a request, and what becomes of answers that come in odd ways.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use bytes::Bytes;
use futures_util::stream;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, StreamBody};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::wire::{AnyBody, Ask as _, PATIENCE, RawServer, full, get, post, read_head, soon};
use crate::transport::{Asking, Upstream, Why};

/// Answers with everything that came, once `until` has come.
async fn echoing(until: &'static str) -> RawServer {
    RawServer::start(move |_, mut stream| async move {
        let mut came = Vec::new();
        while !came.ends_with(until.as_bytes()) {
            came.push(stream.read_u8().await.unwrap());
        }
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", came.len());
        stream.write_all(&[head.as_bytes(), &came].concat()).await.unwrap();
        tokio::time::sleep(PATIENCE).await;
    })
    .await
}

fn in_pieces(pieces: &'static [&'static str]) -> Request<AnyBody> {
    let frames = pieces.iter().map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes()))));
    let body = StreamBody::new(stream::iter(frames));
    Request::put("/x").body(BodyExt::boxed_unsync(body)).unwrap()
}

async fn seen(request: Request<AnyBody>, until: &'static str) -> String {
    let server = echoing(until).await;
    let answer = soon(server.upstream().ask(request, || None)).await.unwrap();
    let seen = soon(answer.into_body().collect()).await.unwrap().to_bytes();
    String::from_utf8(seen.to_vec()).unwrap().replace(&server.address.to_string(), "HOST")
}

#[tokio::test]
async fn a_body_of_known_length_follows_its_head() {
    let seen = seen(post("four"), "four").await;

    assert_eq!(seen, "POST / HTTP/1.1\r\nhost: HOST\r\ncontent-length: 4\r\n\r\nfour");
}

#[tokio::test]
async fn a_body_of_unknown_length_goes_in_chunks() {
    let cases: [(&[&str], &str); 4] = [
        (&[], "0\r\n\r\n"),
        (&["one"], "3\r\none\r\n0\r\n\r\n"),
        (
            &["one", "", "twenty bytes of text."],
            "3\r\none\r\n15\r\ntwenty bytes of text.\r\n0\r\n\r\n",
        ),
        (&["", ""], "0\r\n\r\n"),
    ];
    for (pieces, body) in cases {
        let seen = seen(in_pieces(pieces), "0\r\n\r\n").await;

        let head = "PUT /x HTTP/1.1\r\nhost: HOST\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(seen, format!("{head}{body}"), "{pieces:?}");
    }
}

#[tokio::test]
async fn a_get_never_goes_in_chunks() {
    let mut request = in_pieces(&["one"]);
    *request.method_mut() = Method::GET;

    let seen = seen(request, "\r\n\r\n").await;

    assert_eq!(seen, "GET /x HTTP/1.1\r\nhost: HOST\r\n\r\n");
}

#[tokio::test]
async fn a_query_without_a_path_is_asked_of_the_root() {
    let server = echoing("\r\n\r\n").await;
    let upstream: Upstream<AnyBody> = server.upstream();
    let (method, target) = (Method::GET, PathAndQuery::from_static("?a=b"));
    let asking = Asking { method: &method, target: &target, fields: &HeaderMap::new() };

    let answer = soon(upstream.send(asking, full(""), || None)).await.unwrap();

    let seen = soon(answer.into_body().collect()).await.unwrap().to_bytes();
    assert!(seen.starts_with(b"GET /?a=b HTTP/1.1\r\n"), "{seen:?}");
}

/// Bytes that tell when the last handle to them is gone.
struct Telling(Vec<u8>, Arc<AtomicBool>);

impl AsRef<[u8]> for Telling {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.1.store(true, SeqCst);
    }
}

#[tokio::test]
async fn a_body_that_was_sent_is_let_go_though_its_answer_is_still_to_come() {
    let server = RawServer::start(|_, mut stream| async move {
        read_head(&mut stream).await.unwrap();
        stream.read_exact(&mut vec![0; 100_000]).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n").await.unwrap();
        tokio::time::sleep(PATIENCE).await;
    })
    .await;
    let gone = Arc::new(AtomicBool::new(false));
    let body = full(Bytes::from_owner(Telling(vec![b'x'; 100_000], gone.clone())));

    let request = Request::post("/").body(body).unwrap();
    let answer = soon(server.upstream().ask(request, || None)).await.unwrap();

    assert!(gone.load(SeqCst), "sent, and still in memory");
    drop(answer);
}

/// Promises a length and does not keep it.
struct Liar {
    promised: u64,
    piece: Option<&'static str>,
}

impl http_body::Body for Liar {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<std::io::Result<Frame<Bytes>>>> {
        let piece =
            self.piece.take().map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes()))));
        std::task::Poll::Ready(piece)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.promised)
    }
}

#[tokio::test]
async fn a_body_that_is_not_as_long_as_told_spoils_nobodys_connection() {
    for (promised, piece) in [(3, "four"), (5, "four"), (1 << 40, "four")] {
        let server = RawServer::start(|_, mut stream| async move {
            read_head(&mut stream).await.unwrap();
            tokio::time::sleep(PATIENCE).await;
        })
        .await;
        let upstream = server.upstream();
        let body = BodyExt::boxed_unsync(Liar { promised, piece: Some(piece) });

        let error = soon(upstream.ask(Request::post("/").body(body).unwrap(), || None)).await;

        let error = error.err().unwrap();
        assert!(matches!(error.why, Why::RequestBody(_)), "{promised}: {error:?}");
        assert_eq!(upstream.waiting(), 0, "{promised}");
    }
}

#[tokio::test]
async fn a_head_that_dribbles_in_is_an_answer() {
    let server = RawServer::start(|_, mut stream| async move {
        read_head(&mut stream).await.unwrap();
        stream.set_nodelay(true).unwrap();
        for byte in b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 2\r\n\r\nok" {
            stream.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(PATIENCE).await;
    })
    .await;

    let answer = soon(server.upstream().ask(get("/"), || None)).await.unwrap();

    assert_eq!(answer.headers()["x-a"], "b");
    assert_eq!(soon(answer.into_body().collect()).await.unwrap().to_bytes(), "ok");
}

#[tokio::test]
async fn an_answer_to_head_has_no_body_whatever_its_length_says() {
    let server = RawServer::answering("HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n").await;
    let upstream = server.upstream();

    for _ in 0..2 {
        let mut request = get("/");
        *request.method_mut() = Method::HEAD;
        let answer = soon(upstream.ask(request, || None)).await.unwrap();

        assert_eq!(answer.headers()["content-length"], "2000");
        assert_eq!(soon(answer.into_body().collect()).await.unwrap().to_bytes(), "");
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn another_protocol_that_nobody_asked_for_is_no_answer() {
    let server = RawServer::answering(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    )
    .await;

    let error = soon(server.upstream().ask(get("/"), || None)).await.err().unwrap();

    assert!(matches!(error.why, Why::BadAnswer(_)), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_came_before_the_upstream_stopped_reading_is_still_the_answer() {
    let server = RawServer::start(|_, mut stream| async move {
        read_head(&mut stream).await.unwrap();
        stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno").await.unwrap();
        // Reads on for a while, as a polite server does, and then no more.
        let mut some = vec![0; 1 << 20];
        let _ = stream.read_exact(&mut some).await;
    })
    .await;
    let upstream = server.upstream();
    let large = Request::post("/").body(full(vec![b'x'; 64 << 20])).unwrap();

    let answer = soon(upstream.ask(large, || None)).await.unwrap();

    assert_eq!(answer.status(), 413);
    assert_eq!(soon(answer.into_body().collect()).await.unwrap().to_bytes(), "no");
    assert_eq!(upstream.waiting(), 0);
}
