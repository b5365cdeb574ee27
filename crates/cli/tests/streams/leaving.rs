//! A caller who leaves frees the upstream, whatever was under way.

use std::time::Duration;

use gemini_sim::{Act, Rule};

use crate::common::raw::{Ask, Conn};
use crate::common::serving::{MODEL, Potluck, generate, key, prompt, sim, stream};

/// The goal is a quarter of a second; a busy machine may be late.
const SOON: Duration = Duration::from_secs(2);

/// When a caller leaves.
#[derive(Clone, Copy, Debug)]
enum Phase {
    BeforeTheHead,
    WithinTheStream,
    WithinAnAnswer,
}

fn act(phase: Phase) -> Act {
    match phase {
        Phase::BeforeTheHead => Act::StallHead,
        Phase::WithinTheStream => Act::StallBody { after: 2 },
        Phase::WithinAnAnswer => Act::StallBody { after: 1 },
    }
}

fn open(phase: Phase, potluck: &Potluck, ask: &Ask) -> Conn {
    let mut conn = ask.open(potluck.addr());
    if matches!(phase, Phase::WithinTheStream) {
        assert_eq!(conn.head().unwrap().status, 200);
        assert!(!conn.chunk().unwrap().is_empty());
    }
    conn
}

#[test]
fn the_upstream_is_free_at_once_in_every_phase() {
    let plain = generate(&key(1), "hello");
    let streamed = stream(&key(1), "[[long 200]]");
    let own = generate(&key(1), "hello").header("x-potluck-route", "own");
    for (phase, ask) in [
        (Phase::BeforeTheHead, &plain),
        (Phase::BeforeTheHead, &streamed),
        (Phase::BeforeTheHead, &own),
        (Phase::WithinTheStream, &streamed),
        (Phase::WithinAnAnswer, &plain),
    ] {
        let sim = sim(1);
        let potluck = Potluck::joined(&sim, 1);
        sim.rule(Rule::always(act(phase)));
        let conns: Vec<Conn> = (0..20).map(|_| open(phase, &potluck, ask)).collect();
        assert!(sim.wait_until(SOON * 5, |seen| seen.in_flight == 20), "{phase:?}");

        drop(conns);

        assert!(sim.wait_until(SOON, |seen| seen.in_flight == 0), "{phase:?} {:?}", sim.counters());
        assert_eq!(sim.counters().aborted, 20, "{phase:?}");
        assert!(sim.wait_until(SOON, |seen| seen.open <= 2), "no socket is left: {phase:?}");
        sim.clear_rules();
        assert_eq!(potluck.generate(&key(1), "hello").status, 200, "the key is free again");
    }
}

#[test]
fn who_leaves_while_sending_frees_the_upstream_as_well() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    let upload = Ask::post("/v1beta/files")
        .header("x-goog-api-key", &key(1))
        .header("content-type", "application/octet-stream")
        .header("content-length", "1000000")
        .body(vec![b'x'; 1000]);
    let conn = upload.open(potluck.addr());
    assert!(sim.wait_until(SOON * 5, |seen| seen.open >= 1));
    std::thread::sleep(Duration::from_millis(100));

    drop(conn);

    assert!(sim.wait_until(SOON, |seen| seen.in_flight == 0), "{:?}", sim.counters());
    let body = prompt("hello").to_string();
    let unfinished = Ask::post(&format!("/v1beta/models/{MODEL}:generateContent"))
        .header("x-goog-api-key", &key(1))
        .header("content-length", &(body.len() + 1).to_string())
        .body(body);
    let before = sim.counters().requests;
    drop(unfinished.open(potluck.addr()));
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(sim.counters().requests, before, "half a prompt asks nobody");
}

#[test]
fn who_leaves_while_waiting_for_a_key_asks_nobody() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    let details = serde_json::json!([
        { "@type": "type.googleapis.com/google.rpc.QuotaFailure",
          "violations": [{ "quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier" }] },
        { "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.6s" }]);
    let body = serde_json::json!({ "error": { "code": 429, "message": "x",
        "status": "RESOURCE_EXHAUSTED", "details": details } });
    sim.rule(Rule::next(1, Act::Answer { status: 429, headers: vec![], body }));
    let first = generate(&key(1), "hello").open(potluck.addr());
    assert!(sim.wait_until(SOON, |seen| seen.requests == 1));
    drop(first);

    std::thread::sleep(Duration::from_millis(2500));

    assert_eq!(sim.counters().requests, 1);
}
