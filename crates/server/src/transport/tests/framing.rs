//! What an upstream must not say, and what a caller must not.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::io::AsyncWriteExt;

use super::wire::{AnyBody, Ask as _, House, RawServer, full, get, read_head, soon};
use crate::transport::listen::{Limits, Peer};
use crate::transport::{Why, check};

#[tokio::test]
async fn a_malformed_answer_is_an_error_and_its_connection_is_not_kept() {
    let bomb = format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(70_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(101));
    let endless = "HTTP/1.1 102 Processing\r\n\r\n".repeat(20_000);
    let cases = [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxyz",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nxyz",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nBad Name: 1\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "SMTP ready\r\n\r\n",
        &bomb,
        &many,
        &endless,
    ];
    for case in cases {
        let said = case.to_owned();
        let server = RawServer::start(move |_, mut stream| {
            let said = said.clone();
            async move {
                read_head(&mut stream).await.unwrap();
                let _ = stream.write_all(said.as_bytes()).await;
                read_head(&mut stream).await;
            }
        })
        .await;
        let upstream = server.upstream();

        let sent = soon(upstream.ask(get("/"), || None)).await;

        let shown = &case[..case.len().min(90)];
        let error = sent.err().unwrap_or_else(|| panic!("{shown:?} was taken for an answer"));
        assert!(matches!(error.why, Why::BadAnswer(_)), "{shown:?}: {error:?}");
        assert_eq!(upstream.waiting(), 0, "{shown:?}");
    }
}

#[tokio::test]
async fn a_few_interim_answers_are_passed_over() {
    let server = RawServer::answering(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    )
    .await;

    let response = soon(server.upstream().ask(get("/"), || None)).await.unwrap();

    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
}

/// Refuses what the guard refuses; counts and serves the rest.
fn guarded(served: Arc<AtomicUsize>) -> House {
    House::open(Limits::default(), move |request: Request<Incoming>, _: Peer| {
        let served = served.clone();
        async move {
            let Err(refusal) = check(&request) else {
                served.fetch_add(1, SeqCst);
                let body = request.into_body().collect().await.unwrap().to_bytes();
                return Response::new(full(format!("got {}", body.len())));
            };
            let mut response: Response<AnyBody> = Response::new(full(refusal.to_string()));
            *response.status_mut() = refusal.status();
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            response
        }
    })
}

/// Each must be refused with that status, and the connection closed, so that what follows in it
/// (`GET /smuggled`) is never served.
#[tokio::test]
async fn a_request_that_could_be_read_two_ways_is_refused_and_the_connection_closed() {
    let long = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(8 << 10));
    let longer = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(40 << 10));
    let big = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(33 << 10));
    let many = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: y\r\n".repeat(100));
    let cases = [
        (400, "GET / HTTP/1.1\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
        (400, "GET http://other/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
        (405, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"),
        (414, &long),
        (431, &longer),
        (431, &big),
        (431, &many),
        (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: cow, chunked\r\n\r\n0\r\n\r\n"),
        (
            400,
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
        (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"),
        (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
        (400, "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        (400, "POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 3\r\n\r\n"),
        (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n"),
        (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\n"),
        (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\nab"),
        (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2,2\r\n\r\nab"),
        (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x2\r\n\r\nab"),
        (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"),
        (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n"),
        (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nab"),
        (400, "GET / HTTP/1.1\r\nHost: a\r\n X: folded\r\n\r\n"),
        (400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"),
        (400, "GET / HTTP/3.0\r\nHost: a\r\n\r\n"),
    ];
    let served = Arc::new(AtomicUsize::new(0));
    let house = guarded(served.clone());
    for (status, case) in cases {
        let smuggling = format!("{case}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");

        let answer = house.ask(smuggling.as_bytes()).await;

        let shown = &case[..case.len().min(120)];
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{shown:?}: {answer:?}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{shown:?}: {answer:?}");
        assert_eq!(served.load(SeqCst), 0, "{shown:?}");
    }
}

/// hyper reads by the coding and closes, so a length beside it cannot hide a second request.
#[tokio::test]
async fn a_length_beside_a_coding_is_read_as_one_request_and_the_connection_closed() {
    let served = Arc::new(AtomicUsize::new(0));
    let house = guarded(served.clone());
    for fields in [
        "Content-Length: 6\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 6",
    ] {
        served.store(0, SeqCst);
        let request = format!(
            "POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        );

        let answer = house.ask(request.as_bytes()).await;

        assert!(answer.ends_with("got 0"), "{answer:?}");
        assert_eq!(served.load(SeqCst), 1, "{answer:?}");
    }
}

#[tokio::test]
async fn honest_requests_pass_the_guard() {
    let served = Arc::new(AtomicUsize::new(0));
    let house = guarded(served.clone());
    let close = "Connection: close\r\n\r\n";
    for (request, length) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n", 0),
        ("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n", 0),
        ("GET http://A:80/x HTTP/1.1\r\nHost: a:80\r\n", 0),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n", 0),
        ("GET / HTTP/1.0\r\n", 0),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n", 2),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n", 2),
    ] {
        let body = match (length, request.contains("CHUNKED")) {
            (0, _) => "",
            (_, true) => "2\r\nab\r\n0\r\n\r\n",
            (_, false) => "ab",
        };

        let answer = house.ask(format!("{request}{close}{body}").as_bytes()).await;

        assert!(answer.ends_with(&format!("got {length}")), "{request:?}: {answer:?}");
    }
}
