//! Callers that are slow on purpose.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::wire::{House, full, read_head, read_to_end, say_ok, soon};
use crate::transport::listen::{Limits, Peer};

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(600);

fn patient() -> Limits {
    Limits { first_head: LONG, head: LONG, keep_alive: LONG, stuck: LONG, ..Limits::default() }
}

#[tokio::test]
async fn whoever_says_nothing_is_let_go() {
    let house = House::open(Limits { first_head: SHORT, ..patient() }, say_ok);

    assert_eq!(house.ask(b"").await, "");
}

#[tokio::test]
async fn half_a_first_head_is_let_go() {
    let house = House::open(Limits { first_head: SHORT, ..patient() }, say_ok);

    assert_eq!(house.ask(b"GET / HTTP/1.1\r\nHost: a").await, "");
}

#[tokio::test]
async fn half_a_later_head_is_let_go() {
    let house = House::open(Limits { head: SHORT, ..patient() }, say_ok);
    let mut caller = house.connect().await;
    caller.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    soon(read_head(&mut caller)).await.unwrap();

    caller.write_all(b"GET / HT").await.unwrap();

    assert_eq!(read_to_end(&mut caller).await, "ok");
}

#[tokio::test]
async fn an_idle_connection_is_let_go() {
    let house = House::open(Limits { keep_alive: SHORT, ..patient() }, say_ok);

    let answer = house.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;

    assert!(answer.ends_with("ok"), "{answer}");
}

#[tokio::test]
async fn a_slow_answer_is_waited_for() {
    let limits = Limits { first_head: SHORT, head: SHORT, keep_alive: SHORT, ..patient() };
    let house = House::open(limits, |_: Request<Incoming>, _: Peer| async {
        tokio::time::sleep(4 * SHORT).await;
        Response::new(full("slow"))
    });

    let answer = house.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;

    assert!(answer.ends_with("slow"), "{answer}");
}

#[tokio::test]
async fn a_caller_who_reads_nothing_is_let_go() {
    let house =
        House::open(Limits { stuck: SHORT, ..patient() }, |_: Request<Incoming>, _: Peer| async {
            Response::new(full(vec![b'x'; 64 << 20]))
        });
    let mut caller = house.connect().await;
    caller.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();

    soon(async {
        while house.shutdown.open() == 0 {
            tokio::task::yield_now().await;
        }
        while house.shutdown.open() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;

    let mut got = Vec::new();
    let _ = soon(caller.read_to_end(&mut got)).await;
    assert!(got.len() < 64 << 20, "{}", got.len());
}

#[tokio::test]
async fn one_address_gets_only_so_many_connections() {
    let house = House::open(Limits { connections_per_address: 2, ..patient() }, say_ok);
    let _held = [house.connect().await, house.connect().await];

    assert_eq!(house.ask(b"").await, "", "the third is closed at once");
}
