//! Answers while they stream: cut, silent, abandoned, unread.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::wire::{
    AnyBody, Ask as _, PATIENCE, RawServer, config, get, read_head, read_to_end, soon,
};
use crate::transport::{BodyError, Upstream};

async fn saying(answer: &'static str, then_stay: bool) -> RawServer {
    RawServer::start(move |_, mut stream| async move {
        read_head(&mut stream).await.unwrap();
        stream.write_all(answer.as_bytes()).await.unwrap();
        if then_stay {
            read_to_end(&mut stream).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_cut_answer_never_looks_whole() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0x0\r\n\r\n",
    ] {
        let server = saying(answer, false).await;

        let response = soon(server.upstream().ask(get("/"), || None)).await.unwrap();
        let error = soon(response.into_body().collect()).await.err();

        assert!(matches!(error, Some(BodyError::Cut(_))), "{answer:?}: {error:?}");
    }
}

#[tokio::test]
async fn what_came_before_a_cut_is_handed_over_first() {
    let server = saying("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", false).await;

    let mut body = soon(server.upstream().ask(get("/"), || None)).await.unwrap().into_body();

    let first = soon(body.frame()).await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "half");
    assert!(soon(body.frame()).await.unwrap().is_err());
    assert!(soon(body.frame()).await.is_none());
}

#[tokio::test]
async fn a_silent_answer_is_told_as_silent() {
    let server = saying("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", true).await;
    let mut config = config(server.origin());
    config.idle_stream = Duration::from_millis(50);
    let upstream: Upstream<AnyBody> = Upstream::new(config).unwrap();

    let response = soon(upstream.ask(get("/"), || None)).await.unwrap();
    let error = soon(response.into_body().collect()).await.err();

    assert!(matches!(error, Some(BodyError::Silent)), "{error:?}");
}

/// Tells on a channel what happens to its connection, after sending `answer`.
async fn telling(answer: &'static str) -> (RawServer, mpsc::UnboundedReceiver<&'static str>) {
    let (tell, told) = mpsc::unbounded_channel();
    let server = RawServer::start(move |_, mut stream| {
        let tell = tell.clone();
        async move {
            read_head(&mut stream).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            tell.send("asked").unwrap();
            read_to_end(&mut stream).await;
            tell.send("closed").unwrap();
        }
    })
    .await;
    (server, told)
}

#[tokio::test]
async fn whoever_leaves_before_the_head_frees_the_upstream() {
    let (server, mut told) = telling("").await;
    let upstream = server.upstream();

    tokio::select! {
        _ = upstream.ask(get("/"), || None) => panic!("there was no answer"),
        event = told.recv() => assert_eq!(event, Some("asked")),
    }

    assert_eq!(soon(told.recv()).await, Some("closed"));
}

#[tokio::test]
async fn whoever_leaves_within_the_body_frees_the_upstream() {
    let (server, mut told) = telling("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
    let upstream = server.upstream();
    let mut body = soon(upstream.ask(get("/"), || None)).await.unwrap().into_body();
    soon(body.frame()).await.unwrap().unwrap();
    assert_eq!(soon(told.recv()).await, Some("asked"));

    drop(body);

    assert_eq!(soon(told.recv()).await, Some("closed"));
    assert_eq!(upstream.waiting(), 0);
}

#[tokio::test]
async fn an_unread_answer_stops_the_upstream() {
    let written = Arc::new(AtomicUsize::new(0));
    let counter = written.clone();
    let server = RawServer::start(move |_, mut stream| {
        let counter = counter.clone();
        async move {
            read_head(&mut stream).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            while stream.write_all(&[0; 16384]).await.is_ok() {
                counter.fetch_add(16384, SeqCst);
            }
        }
    })
    .await;

    let mut body = soon(server.upstream().ask(get("/"), || None)).await.unwrap().into_body();
    soon(body.frame()).await.unwrap().unwrap();
    let mut before = usize::MAX;
    soon(async {
        while written.load(SeqCst) != before {
            before = written.load(SeqCst);
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    })
    .await;

    // What fits into the kernel's buffers on both sides, and no more.
    assert!(before < 32 << 20, "{before}");
    assert!(soon(body.frame()).await.unwrap().is_ok(), "the rest still comes");
}

fn endless_request() -> (mpsc::UnboundedSender<&'static str>, Request<AnyBody>) {
    let (more, pieces) = mpsc::unbounded_channel::<&'static str>();
    let pieces = stream::unfold(pieces, |mut pieces| async {
        let piece = pieces.recv().await?;
        Some((Ok(Frame::data(Bytes::from_static(piece.as_bytes()))), pieces))
    });
    let body = BodyExt::boxed_unsync(StreamBody::new(pieces));
    (more, Request::post("/").body(body).unwrap())
}

#[tokio::test]
async fn an_answer_may_come_before_the_request_has_ended() {
    let server = saying("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno", true).await;
    let upstream = server.upstream();
    let (_more, request) = endless_request();

    let response = soon(upstream.ask(request, || None)).await.unwrap();

    assert_eq!(response.status(), 413);
    assert_eq!(soon(response.into_body().collect()).await.unwrap().to_bytes(), "no");
    assert_eq!(upstream.waiting(), 0, "half a request lies in that connection");
}

#[tokio::test]
async fn a_request_goes_on_while_its_answer_streams() {
    let server = RawServer::start(|_, mut stream| async move {
        read_head(&mut stream).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nready").await.unwrap();
        let mut chunk = [0; 8];
        stream.read_exact(&mut chunk).await.unwrap();
        stream.write_all(&chunk[3..6]).await.unwrap();
    })
    .await;
    let (more, request) = endless_request();

    let mut body = soon(server.upstream().ask(request, || None)).await.unwrap().into_body();
    assert_eq!(soon(body.frame()).await.unwrap().unwrap().into_data().unwrap(), "ready");
    more.send("abc").unwrap();

    assert_eq!(soon(body.frame()).await.unwrap().unwrap().into_data().unwrap(), "abc");
}

#[tokio::test]
async fn every_way_to_split_a_stream_gives_the_same_bytes() {
    let whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
        5\r\nhello\r\n1;x=y\r\n \r\n5\r\nworld\r\n0\r\nX-T: 1\r\n\r\n";
    for cut in 1..whole.len() {
        let server = RawServer::start(move |_, mut stream| async move {
            read_head(&mut stream).await.unwrap();
            stream.set_nodelay(true).unwrap();
            stream.write_all(&whole[..cut]).await.unwrap();
            tokio::task::yield_now().await;
            stream.write_all(&whole[cut..]).await.unwrap();
            tokio::time::sleep(PATIENCE).await;
        })
        .await;
        let upstream = server.upstream();

        let response = soon(upstream.ask(get("/"), || None)).await.unwrap();
        let body = soon(response.into_body().collect()).await.unwrap().to_bytes();

        assert_eq!(body, "hello world", "cut at {cut}");
        assert_eq!(upstream.waiting(), 1, "cut at {cut}");
    }
}
