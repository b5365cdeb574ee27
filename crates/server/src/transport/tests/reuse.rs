//! Connections to the upstream: kept, found dead, never kept by mistake.

#![allow(clippy::unwrap_used)]

use std::future::Future as _;
use std::task::{Context, Waker};
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt;
use tokio::io::AsyncWriteExt;

use super::wire::{AnyBody, Ask as _, PATIENCE, RawServer, get, post, read_head, soon};
use crate::transport::{Sent, Why};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const OK_CHUNKED: &str =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    for answer in [OK, OK_CHUNKED, "HTTP/1.1 204 No Content\r\n\r\n"] {
        let server = RawServer::answering(answer).await;
        let upstream = server.upstream();

        for _ in 0..3 {
            let response = soon(upstream.ask(get("/"), || None)).await.unwrap();
            response.into_body().collect().await.unwrap();
        }

        assert_eq!(server.accepted(), 1, "{answer:?}");
        assert_eq!(upstream.waiting(), 1, "{answer:?}");
    }
}

#[tokio::test]
async fn whoever_is_ready_has_a_turn_before_a_request_takes_a_connection() {
    let server = RawServer::answering(OK).await;
    let upstream = server.upstream();
    soon(upstream.ask(get("/"), || None)).await.unwrap().into_body().collect().await.unwrap();

    let mut asking = Box::pin(upstream.ask(get("/"), || None));
    let mut waiting = Vec::new();
    for _ in 0..2 {
        assert!(asking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        waiting.push(upstream.waiting());
    }

    assert_eq!(waiting, [1, 0], "taken at the second turn");
    assert_eq!(soon(asking).await.unwrap().status(), 200);
}

#[tokio::test]
async fn siblings_share_no_connection() {
    let server = RawServer::answering(OK).await;
    let upstream = server.upstream();
    soon(upstream.ask(get("/"), || None)).await.unwrap().into_body().collect().await.unwrap();

    let sibling = upstream.sibling();
    soon(sibling.ask(get("/"), || None)).await.unwrap().into_body().collect().await.unwrap();

    assert_eq!(server.accepted(), 2);
}

/// Answers once on each connection and drops the second request unanswered.
async fn forgetful() -> RawServer {
    RawServer::start(|number, mut stream| async move {
        read_head(&mut stream).await.unwrap();
        stream.write_all(OK.as_bytes()).await.unwrap();
        if number == 0 {
            read_head(&mut stream).await;
        } else {
            tokio::time::sleep(PATIENCE).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_request_that_killed_its_reused_connection_is_sent_again_if_it_can_be_made_again() {
    let server = forgetful().await;
    let upstream = server.upstream();
    soon(upstream.ask(get("/"), || None)).await.unwrap().into_body().collect().await.unwrap();
    let mut made = 0;

    let response = soon(upstream.ask(post(""), || {
        made += 1;
        Some(post(""))
    }))
    .await
    .unwrap();

    assert_eq!(response.status(), 200);
    assert_eq!((made, server.accepted()), (1, 2));
}

#[tokio::test]
async fn a_request_that_cannot_be_made_again_is_not_repeated_once_it_may_have_been_read() {
    let server = forgetful().await;
    let upstream = server.upstream();
    soon(upstream.ask(get("/"), || None)).await.unwrap().into_body().collect().await.unwrap();

    let error = soon(upstream.ask(post(""), || None)).await.err().unwrap();

    assert_eq!(error.sent, Sent::Perhaps);
    assert!(matches!(error.why, Why::Reset(_)), "{error:?}");
    assert_eq!(server.accepted(), 1);
}

/// Answers once on each connection and closes it.
async fn fleeting() -> RawServer {
    RawServer::start(|_, mut stream| async move {
        read_head(&mut stream).await.unwrap();
        stream.write_all(OK.as_bytes()).await.unwrap();
    })
    .await
}

#[tokio::test]
async fn a_connection_closed_while_it_waited_is_noticed_before_it_is_used() {
    let server = fleeting().await;
    let upstream = server.upstream();
    soon(upstream.ask(get("/"), || None)).await.unwrap().into_body().collect().await.unwrap();
    soon(async {
        while upstream.waiting() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            upstream.sweep();
        }
    })
    .await;

    let again = soon(upstream.ask(post(""), || None)).await;

    assert_eq!(again.unwrap().status(), 200);
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn a_connection_closed_in_a_quiet_time_is_let_go_without_a_request() {
    let server = fleeting().await;
    let upstream = server.upstream();
    soon(upstream.ask(get("/"), || None)).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(upstream.waiting(), 1);

    tokio::spawn(upstream.clone().keep_swept());

    soon(async {
        while upstream.waiting() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// Neither a farewell nor words out of turn reach a caller: the request goes elsewhere, unsent.
#[tokio::test]
async fn a_connection_gone_bad_while_it_waited_gives_its_request_back() {
    for farewell in ["", "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"] {
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let server = RawServer::start(move |_, mut stream| {
            let tell = tell.clone();
            async move {
                read_head(&mut stream).await.unwrap();
                stream.write_all(OK.as_bytes()).await.unwrap();
                tokio::time::sleep(Duration::from_millis(50)).await;
                stream.write_all(farewell.as_bytes()).await.unwrap();
                drop(stream);
                let _ = tell.send(());
            }
        })
        .await;
        let upstream = server.upstream();
        soon(upstream.ask(get("/"), || None)).await.unwrap().into_body().collect().await.unwrap();
        soon(told.recv()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(upstream.waiting(), 1);

        let again = soon(upstream.ask(post("x"), || None)).await;

        assert_eq!(again.unwrap().status(), 200, "{farewell:?}");
        assert_eq!(server.accepted(), 2, "{farewell:?}");
    }
}

#[tokio::test]
async fn a_connection_that_must_not_be_kept_is_not() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\nunasked",
    ] {
        let server = RawServer::answering(answer).await;
        let upstream = server.upstream();

        for _ in 0..2 {
            let response = soon(upstream.ask(get("/"), || None)).await.unwrap();
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
        }

        assert_eq!(server.accepted(), 2, "{answer:?}");
    }
}

#[tokio::test]
async fn a_refused_connection_is_told_as_nothing_sent() {
    let server = RawServer::answering(OK).await;
    let upstream = server.upstream();
    drop(server);
    tokio::task::yield_now().await;

    let error = soon(upstream.ask(get("/"), || None)).await.err().unwrap();

    assert_eq!(error.sent, Sent::Nothing);
    assert!(error.is_dial(), "{error:?}");
}

#[tokio::test]
async fn the_upstream_sees_its_own_name_and_a_path() {
    let server = RawServer::start(|_, mut stream| async move {
        let head = read_head(&mut stream).await.unwrap();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{head}", head.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let mut request = get("http://elsewhere.example/a?b=c");
    request.headers_mut().append("host", "one.example".parse().unwrap());
    request.headers_mut().append("host", "two.example".parse().unwrap());

    let response = soon(server.upstream().ask(request, || None)).await.unwrap();

    let seen = response.into_body().collect().await.unwrap().to_bytes();
    let seen = String::from_utf8(seen.to_vec()).unwrap();
    assert!(seen.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{seen}");
    assert_eq!(seen.matches("host:").count(), 1, "{seen}");
    assert!(seen.contains(&format!("host: {}\r\n", server.address)), "{seen}");
}

#[tokio::test]
async fn a_request_is_framed_by_its_body_and_not_by_the_callers_words() {
    let server = RawServer::start(|_, mut stream| async move {
        while let Some(head) = read_head(&mut stream).await {
            let framing = head.lines().filter(|line| {
                line.starts_with("content-length") || line.starts_with("transfer-encoding")
            });
            let framing = framing.collect::<Vec<_>>().join("|");
            let length = framing.len();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{framing}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    for (make, framing) in [
        (|| get("/"), ""),
        (|| post(""), "content-length: 0"),
        (|| post("four"), "content-length: 4"),
    ] as [(fn() -> Request<AnyBody>, &str); 3]
    {
        for (name, lie) in [("content-length", "9"), ("transfer-encoding", "chunked")] {
            let mut request = make();
            request.headers_mut().insert(name, lie.parse().unwrap());

            let response = soon(server.upstream().ask(request, || None)).await.unwrap();

            let seen = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(seen, framing, "{name}: {lie}");
        }
    }
}
