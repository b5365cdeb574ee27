//! Stopping: nobody who was let in is cut before the deadline.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::wire::{AnyBody, House, full, read_head, read_to_end, say_ok, soon};
use crate::transport::drain::Phase;
use crate::transport::listen::{Limits, Peer};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn limits(drain_delay: Duration, grace: Duration) -> Limits {
    Limits { drain_delay, grace, ..Limits::default() }
}

/// Answers when told to; the second semaphore tells that a request has come.
fn gated(limits: Limits) -> (House, Arc<Semaphore>, Arc<Semaphore>) {
    let (go, came) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (gate, bell) = (go.clone(), came.clone());
    let house = House::open(limits, move |_: Request<Incoming>, _: Peer| {
        let (gate, bell) = (gate.clone(), bell.clone());
        async move {
            bell.add_permits(1);
            gate.acquire().await.unwrap().forget();
            Response::<AnyBody>::new(full("done"))
        }
    });
    (house, go, came)
}

#[tokio::test]
async fn a_running_answer_finishes_and_then_the_server_ends() {
    let (house, go, came) = gated(limits(Duration::ZERO, Duration::from_secs(60)));
    let mut caller = house.connect().await;
    caller.write_all(REQUEST).await.unwrap();
    soon(came.acquire()).await.unwrap().forget();

    house.shutdown.begin();
    soon(house.shutdown.reached(Phase::Closing)).await;
    assert!(TcpStream::connect(house.address).await.is_err(), "nobody new is let in");
    go.add_permits(1);

    let answer = read_to_end(&mut caller).await;
    assert!(answer.contains("connection: close"), "{answer}");
    assert!(answer.ends_with("done"), "{answer}");
    soon(house.served).await.unwrap();
}

#[tokio::test]
async fn newcomers_are_served_and_told_to_leave_until_the_door_closes() {
    let house = House::open(limits(Duration::from_secs(60), Duration::from_secs(60)), say_ok);
    let mut idle = house.connect().await;
    idle.write_all(REQUEST).await.unwrap();
    soon(read_head(&mut idle)).await.unwrap();

    house.shutdown.begin();

    let newcomer = house.ask(REQUEST).await;
    assert!(newcomer.contains("connection: close"), "{newcomer}");
    idle.write_all(REQUEST).await.unwrap();
    let known = read_to_end(&mut idle).await;
    assert!(known.contains("connection: close"), "{known}");
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_the_end() {
    let house = House::open(limits(Duration::ZERO, Duration::from_secs(600)), say_ok);
    let silent = house.connect().await;
    let mut idle = house.connect().await;
    idle.write_all(REQUEST).await.unwrap();
    soon(read_head(&mut idle)).await.unwrap();

    house.shutdown.begin();

    soon(house.served).await.unwrap();
    drop(silent);
}

#[tokio::test]
async fn the_deadline_cuts_what_is_left() {
    let (house, _go, came) = gated(limits(Duration::ZERO, Duration::from_millis(50)));
    let mut caller = house.connect().await;
    caller.write_all(REQUEST).await.unwrap();
    soon(came.acquire()).await.unwrap().forget();

    house.shutdown.begin();

    soon(house.served).await.unwrap();
    assert_eq!(read_to_end(&mut caller).await, "");
}

#[tokio::test]
async fn a_second_signal_cuts_at_once() {
    let (house, _go, came) = gated(limits(Duration::from_secs(600), Duration::from_secs(600)));
    let mut caller = house.connect().await;
    caller.write_all(REQUEST).await.unwrap();
    soon(came.acquire()).await.unwrap().forget();

    house.shutdown.begin();
    house.shutdown.cut();

    soon(house.served).await.unwrap();
    assert_eq!(read_to_end(&mut caller).await, "");
}

#[tokio::test]
async fn what_left_http_behind_is_waited_for() {
    let house = House::open(limits(Duration::ZERO, Duration::from_secs(600)), say_ok);
    let hold = house.shutdown.hold();

    house.shutdown.begin();
    soon(house.shutdown.reached(Phase::Closing)).await;
    assert!(!house.served.is_finished());
    drop(hold);

    soon(house.served).await.unwrap();
}
