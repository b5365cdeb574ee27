//! A stop cuts nobody short who ends within the grace, and ends by itself.

#![allow(clippy::unwrap_used)]

mod common;

#[allow(dead_code)]
#[path = "live/client.rs"]
mod client;

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use client::{BIDI, SERVICE, Said, complete, knock};
use common::raw::{Answer, Ask, Conn};
use common::serving::{MODEL, Potluck, config, generate, key, sim, stream};
use gemini_sim::{Act, Config, Rule, Sim};
use serde_json::json;

/// Callers are served as ever for so long after the signal; the rest of the half second that is
/// promised is for a machine with other things to do.
const AS_EVER: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(20);
const STREAMS: usize = 40;
const CALLERS: usize = 8;

#[test]
fn a_stop_under_load_fails_no_call_and_cuts_no_stream() {
    // A stream takes some two seconds: longer than the door stays open, shorter than the grace.
    let gap = Duration::from_millis(60);
    let sim = Sim::start(Config { event_gap: gap, ..config(4) }).unwrap();
    let mut potluck = Potluck::joined(&sim, 4);
    let addr = potluck.addr();
    let signalled = &OnceLock::new();
    let (whole, calls) = thread::scope(|scope| {
        let streams: Vec<_> =
            (0..STREAMS).map(|n| scope.spawn(move || streamed(addr, n))).collect();
        let callers: Vec<_> = (0..CALLERS)
            .map(|n| scope.spawn(move || call_on(addr, 1 + n % 4, signalled)))
            .collect();
        assert!(sim.wait_until(PATIENCE, |seen| seen.requests > (STREAMS + CALLERS * 4) as u64));

        signalled.set(Instant::now()).unwrap();
        potluck.signal("-TERM");

        let whole = streams.into_iter().map(|stream| stream.join().unwrap()).count();
        let calls: Vec<_> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
        (whole, calls)
    });
    assert_eq!(whole, STREAMS);
    assert_eq!(potluck.end(), Some(0), "{}", potluck.log());
    assert!(potluck.log().contains("stopped"), "{}", potluck.log());
    assert!(calls.iter().all(|calls| *calls > 0), "{calls:?}");
    assert!(sim.wait_until(PATIENCE, |seen| seen.in_flight == 0));
    assert_eq!(sim.counters().aborted, 0, "{:?}", sim.counters());
}

/// Takes a stream to its end.
fn streamed(addr: SocketAddr, n: usize) {
    let text = "[[long 200]]";
    let compat = json!({ "model": MODEL, "stream": true,
        "messages": [{ "role": "user", "content": text }] });
    let (ask, end) = match n % 2 {
        0 => (stream(&key(1 + n % 4), text), "\"finishReason\""),
        _ => (Ask::post("/v1/chat/completions").json(&compat), "data: [DONE]"),
    };
    let ask =
        if n % 2 == 1 { ask.header("authorization", &format!("Bearer {}", key(2))) } else { ask };

    let answer = ask.send(addr);

    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.whole && answer.text().contains(end), "stream {n}: {answer:?}");
    assert!(answer.chunks.len() > 10, "it is a long one: {answer:?}");
}

/// Calls until the server says that it stops; each call that began before that must be served.
/// Gives how many were.
fn call_on(addr: SocketAddr, number: usize, signalled: &OnceLock<Instant>) -> usize {
    let ask = generate(&key(number), "hello");
    let mut served = 0;
    let mut conn = None;
    loop {
        let late = signalled.get().is_some_and(|at| at.elapsed() > AS_EVER);
        let answer = one_call(&mut conn, addr, &ask);
        match answer {
            Some(answer) => {
                assert_eq!((answer.status, answer.whole), (200, true), "{answer:?}");
                served += 1;
                if answer.header("connection") == Some("close") {
                    conn = None;
                }
            }
            None if late => return served,
            None => panic!(
                "a call failed, {:?} after the signal",
                signalled.get().map(Instant::elapsed)
            ),
        }
        if late {
            return served;
        }
    }
}

fn one_call(conn: &mut Option<Conn>, addr: SocketAddr, ask: &Ask) -> Option<Answer> {
    if conn.is_none() {
        *conn = Some(Conn::let_in(addr).ok()?);
    }
    let conn = conn.as_mut()?;
    conn.ask(ask);
    conn.answered()
}

#[test]
fn while_it_drains_it_says_so_and_serves_on_and_what_joins_is_kept() {
    let sim = sim(2);
    let mut potluck = Potluck::joined(&sim, 1);
    // Something that runs keeps the others' door open no longer than it is promised.
    sim.rule(Rule::next(1, Act::SlowHead { ms: 1500 }));
    let mut slow = generate(&key(1), "hello").open(potluck.addr());
    assert!(sim.wait_until(PATIENCE, |seen| seen.in_flight == 1));
    assert_eq!(potluck.get("/readyz", None).status, 200);
    let mut idle = Conn::to(potluck.addr());
    idle.ask(&Ask::get("/healthz"));
    assert_eq!(idle.answer().header("connection"), None);
    let asks = [
        (Ask::get("/readyz"), 503),
        (Ask::get("/healthz"), 200),
        (generate(&key(1), "hello"), 200),
        (generate(&key(2), "let me join"), 200),
    ];

    potluck.signal("-TERM");

    until_draining(&potluck);
    let conns: Vec<Conn> = asks.iter().map(|(ask, _)| ask.open(potluck.addr())).collect();
    for (mut conn, (_, status)) in conns.into_iter().zip(asks) {
        let answer = conn.answer();
        assert_eq!((answer.status, answer.header("connection")), (status, Some("close")));
        assert!(conn.is_closed());
    }
    assert!(idle.is_closed(), "nobody waits for an idle connection");
    let slow = slow.answer();
    assert_eq!((slow.status, slow.whole), (200, true));
    assert_eq!(potluck.end(), Some(0));
    potluck.start_again();
    assert_eq!(potluck.me(&key(2))["state"], "active");
    assert_eq!(potluck.get("/keycount", None).json()["keyCount"], 2);
}

fn until_draining(potluck: &Potluck) {
    let begun = Instant::now();
    while !potluck.log().contains("draining") {
        assert!(begun.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_second_signal_cuts_and_a_cut_stream_never_looks_whole() {
    let sim = sim(1);
    let mut potluck = Potluck::joined(&sim, 1);
    sim.rule(Rule::always(Act::StallBody { after: 2 }));
    let mut streams: Vec<Conn> = (0..4).map(|_| begun(&potluck)).collect();

    potluck.signal("-TERM");
    until_draining(&potluck);
    // Longer than the door stays open: what runs is not cut by the first signal.
    thread::sleep(Duration::from_secs(1));
    assert!(sim.counters().in_flight == 4, "{:?}", sim.counters());
    potluck.signal("-TERM");

    assert_eq!(potluck.end(), Some(0));
    streams.iter_mut().for_each(assert_cut);
    assert!(potluck.log().contains("cutting"), "{}", potluck.log());
}

#[test]
fn the_grace_ends_by_itself() {
    let sim = sim(1);
    let mut potluck = Potluck::with(&sim.url(), &["--drain-timeout=1s"]);
    potluck.join(&sim, 1..=1);
    sim.rule(Rule::always(Act::StallBody { after: 2 }));
    let mut stream = begun(&potluck);
    let asked = Instant::now();

    potluck.signal("-TERM");

    assert_eq!(potluck.end(), Some(0));
    assert!(asked.elapsed() >= Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_cut(&mut stream);
}

/// A stream whose first chunk is there.
fn begun(potluck: &Potluck) -> Conn {
    let mut conn = stream(&key(1), "[[long 200]]").open(potluck.addr());
    assert_eq!(conn.head().unwrap().status, 200);
    assert!(!conn.chunk().unwrap().is_empty());
    conn
}

/// What is left of the stream has no end.
fn assert_cut(conn: &mut Conn) {
    while let Some(chunk) = conn.chunk() {
        assert!(!chunk.is_empty(), "a cut stream ended as if it were whole");
    }
}

#[tokio::test]
async fn open_sockets_may_finish_too() {
    let sim = sim(1);
    let mut potluck = Potluck::joined(&sim, 1);
    let key = key(1);
    let target = format!("{SERVICE}{BIDI}");
    let mut client = knock(&potluck, &target, &[("x-goog-api-key", &key)]).await.unwrap();
    assert_eq!(client.set_up(json!({})).await, complete());

    potluck.signal("-TERM");

    until_draining(&potluck);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(client.ask("hello").await, "You said: hello");
    client.0.close(None).await.unwrap();
    assert!(matches!(client.said().await, Said::Closed(..) | Said::Cut));
    assert_eq!(potluck.end(), Some(0));
}
