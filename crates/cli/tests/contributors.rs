//! `/pool/me`: what a contributor sees, decides and takes back.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use common::raw::{Answer, Ask};
use common::serving::{MODEL, Potluck, config, generate, key, keys_seen, prompt, sim, stream};
use gemini_sim::{Act, KeyState, Rule, Sim};
use serde_json::{Value, json};

fn calls(sim: &Sim, number: usize) -> u64 {
    sim.counters().by_key.get(&key(number)).copied().unwrap_or(0)
}

fn call(potluck: &Potluck, caller: usize, times: usize) {
    for _ in 0..times {
        let answer = potluck.generate(&key(caller), "hello");
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

fn change(potluck: &Potluck, number: usize, patch: &Value) -> Value {
    let answer = potluck.change(&key(number), patch);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn withdraw(potluck: &Potluck, number: usize) -> Answer {
    potluck.ask(Ask::new("DELETE", "/pool/me").header("x-goog-api-key", &key(number)))
}

#[test]
fn a_contributor_sees_the_own_key_and_what_it_did() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);
    call(&potluck, 1, 4);

    let (one, two) = (potluck.me(&key(1)), potluck.me(&key(2)));

    assert!(one["id"].as_str().unwrap().starts_with("k_"), "{one}");
    assert_ne!(one["id"], two["id"]);
    assert_eq!((&one["state"], &one["cooldowns"]), (&json!("active"), &json!([])));
    assert_eq!((&one["borrowed"]["calls"], &two["lent"]["calls"]), (&json!(2), &json!(2)));
    assert_eq!(one["borrowed"]["tokens"], two["lent"]["tokens"]);
    let limits = json!({ "paused": false, "borrow": true, "lend_per_day": null,
        "lend_models": null });
    assert_eq!(one["limits"], limits);
    for number in [1, 2] {
        let text = potluck.me(&key(number)).to_string();
        assert!(!text.contains(&key(number)[4..]), "no characters of the key");
    }
    for ask in [
        Ask::get("/pool/me").query("key", &key(1)),
        Ask::get("/pool/me").header("authorization", &format!("Bearer {}", key(1))),
        Ask::get("/pool/me").header("x-api-key", &key(1)),
    ] {
        assert_eq!(potluck.ask(ask).json()["id"], one["id"]);
    }
}

#[test]
fn who_is_unknown_or_shows_nothing_is_told_so() {
    let sim = sim(0);
    let potluck = Potluck::start(&sim);

    for method in ["GET", "PATCH", "DELETE"] {
        let ask = Ask::new(method, "/pool/me").json(&json!({ "paused": true }));
        assert_eq!(potluck.ask(ask.clone()).status, 403, "{method}");
        let unknown = potluck.ask(ask.header("x-goog-api-key", &key(5)));
        assert_eq!((unknown.status, unknown.reason().as_str()), (404, "POOL_UNKNOWN_KEY"));
    }
    let put = Ask::new("PUT", "/pool/me").header("x-goog-api-key", &key(5));
    assert_eq!(potluck.ask(put).status, 405);
    assert_eq!(sim.counters().requests, 0);
}

#[test]
fn a_paused_key_serves_its_bearer_alone_and_first() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);

    let changed = change(&potluck, 2, &json!({ "paused": true }));

    assert_eq!((&changed["state"], &changed["limits"]["paused"]), (&json!("paused"), &json!(true)));
    call(&potluck, 1, 4);
    assert_eq!(calls(&sim, 2), 0);
    sim.clear_log();
    call(&potluck, 2, 4);
    assert_eq!((calls(&sim, 1), calls(&sim, 2)), (0, 4));
    sim.rule(Rule::next(1, Act::Sample("high_demand".into())).key(key(2)));
    call(&potluck, 2, 1);
    assert_eq!(potluck.get("/keycount", None).json()["keyCount"], 1);

    change(&potluck, 2, &json!({ "paused": false }));
    sim.clear_log();
    call(&potluck, 1, 4);
    assert_eq!(calls(&sim, 2), 2);
}

#[test]
fn who_does_not_borrow_is_served_with_the_own_key_alone() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);
    change(&potluck, 2, &json!({ "borrow": false }));

    call(&potluck, 2, 6);

    assert_eq!(keys_seen(&sim), BTreeSet::from([key(2)]));
    sim.set_state(&key(2), KeyState::Sample("quota_free_per_day".into()));
    let spent = potluck.generate(&key(2), "hello");
    assert_eq!((spent.status, spent.attempts()), (429, 1), "{spent:?}");
    sim.set_state(&key(2), KeyState::Good);
    sim.clear_log();
    call(&potluck, 1, 6);
    assert!(!keys_seen(&sim).contains(&key(2)), "it rests for the day");
}

#[test]
fn a_days_loans_are_counted_and_no_more_are_made_across_a_restart_either() {
    let sim = sim(2);
    let mut potluck = Potluck::joined(&sim, 2);
    change(&potluck, 2, &json!({ "lend_per_day": 5 }));
    call(&potluck, 1, 6);
    assert_eq!(calls(&sim, 2), 3);

    potluck.restart();
    assert_eq!(potluck.me(&key(2))["limits"]["lend_per_day"], 5);
    call(&potluck, 1, 10);

    assert_eq!(calls(&sim, 2), 5, "three before, two after");
    call(&potluck, 2, 4);
    assert!(calls(&sim, 2) > 5, "its own calls are not meant");
    change(&potluck, 2, &json!({ "lend_per_day": 0 }));
    sim.clear_log();
    call(&potluck, 1, 4);
    assert_eq!(calls(&sim, 2), 0);
    change(&potluck, 2, &json!({ "lend_per_day": null }));
    call(&potluck, 1, 4);
    assert_eq!(calls(&sim, 2), 2);
}

#[test]
fn a_loan_that_served_nobody_is_not_counted() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);
    change(&potluck, 2, &json!({ "lend_per_day": 2 }));
    sim.rule(Rule::next(3, Act::Sample("high_demand".into())).key(key(2)));

    call(&potluck, 1, 30);

    let served = potluck.me(&key(2))["lent"]["calls"].as_u64().unwrap();
    assert_eq!((calls(&sim, 2), served), (3 + 2, 2));
}

#[test]
fn limits_outlive_a_restart() {
    let sim = sim(2);
    let mut potluck = Potluck::joined(&sim, 2);
    let limits = json!({ "paused": false, "borrow": false, "lend_per_day": 7,
        "lend_models": ["models/gemini-2.5-pro", "gemini-2.5-flash-lite"] });
    let changed = change(&potluck, 2, &limits);
    call(&potluck, 1, 3);
    let before = potluck.me(&key(1));

    potluck.restart();

    let after = potluck.me(&key(2));
    assert_eq!(after["limits"], changed["limits"]);
    let models = json!(["gemini-2.5-pro", "gemini-2.5-flash-lite"]);
    assert_eq!(after["limits"]["lend_models"], models);
    assert_eq!(after["limits"]["borrow"], false);
    for field in ["id", "borrowed", "lent"] {
        assert_eq!(potluck.me(&key(1))[field], before[field], "{field}");
    }
}

#[test]
fn a_patch_that_makes_no_sense_changes_nothing() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    let before = potluck.me(&key(1));
    let many: Vec<String> = (0..100).map(|n| format!("model-{n}")).collect();
    for patch in [
        json!({ "pause": true }),
        json!({ "paused": "yes" }),
        json!({ "paused": true, "lend_per_day": -1 }),
        json!({ "paused": true, "lend_per_day": 1.5 }),
        json!({ "paused": true, "lend_models": "gemini" }),
        json!({ "paused": true, "lend_models": [""] }),
        json!({ "paused": true, "lend_models": many }),
        json!([]),
    ] {
        let answer = potluck.change(&key(1), &patch);
        assert_eq!((answer.status, answer.reason().as_str()), (400, "POOL_REFUSED"), "{patch}");
    }
    let ask = Ask::new("PATCH", "/pool/me").header("x-goog-api-key", &key(1));
    for body in [b"{".to_vec(), b"".to_vec(), vec![b' '; 1 << 20]] {
        assert_eq!(potluck.ask(ask.clone().body(body)).status, 400);
    }
    assert_eq!(potluck.me(&key(1)), before);
}

#[test]
fn withdrawal_ends_lending_at_once_and_the_bearer_goes_on_alone() {
    let sim = sim(3);
    let mut potluck = Potluck::joined(&sim, 3);

    let gone = withdraw(&potluck, 2);

    assert_eq!((gone.status, gone.body.len()), (204, 0), "{gone:?}");
    call(&potluck, 1, 6);
    assert_eq!(calls(&sim, 2), 0, "no further call with that key");
    assert_eq!(potluck.get("/keycount", None).json()["keyCount"], 2);
    assert_eq!(withdraw(&potluck, 2).status, 404, "there is nothing left to withdraw");
    for round in 0..2 {
        sim.clear_log();
        for _ in 0..3 {
            let answer = potluck.generate(&key(2), "hello");
            assert_eq!((answer.status, answer.served_by()), (200, "own"), "{round} {answer:?}");
            assert_eq!(answer.header("x-potluck-key"), Some("not-stored"));
        }
        assert_eq!(keys_seen(&sim), BTreeSet::from([key(2)]), "{round}");
        assert_eq!(potluck.me(&key(2))["state"], "withdrawn");
        call(&potluck, 1, 4);
        assert_eq!(calls(&sim, 2), 3, "{round}");
        potluck.restart();
    }
}

#[test]
fn a_withdrawn_key_gets_what_google_says_and_nothing_of_the_pools() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);
    assert_eq!(withdraw(&potluck, 2).status, 204);
    sim.clear_log();
    for sample in ["quota_free_per_day", "high_demand", "invalid_key", "caller_no_permission"] {
        sim.clear_rules();
        sim.rule(Rule::next(1, Act::Sample(sample.into())));
        let answer = potluck.generate(&key(2), "hello");
        assert!(answer.status >= 400 && answer.attempts() == 1, "{sample} {answer:?}");
    }
    assert_eq!(keys_seen(&sim), BTreeSet::from([key(2)]));
}

#[test]
fn a_withdrawn_key_comes_back_when_its_contributor_says_so() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);
    assert_eq!(withdraw(&potluck, 2).status, 204);

    assert_eq!(change(&potluck, 2, &json!({ "borrow": true }))["state"], "withdrawn");
    assert_eq!(potluck.generate(&key(2), "x").header("x-potluck-key"), Some("not-stored"));
    change(&potluck, 2, &json!({ "paused": false }));

    let back = potluck.generate(&key(2), "x");
    assert_eq!(back.header("x-potluck-key"), Some("stored"));
    let me = potluck.me(&key(2));
    assert_eq!((&me["state"], &me["lent"]["calls"]), (&json!("active"), &json!(0)), "erased: {me}");
    sim.clear_log();
    call(&potluck, 1, 4);
    assert_eq!(calls(&sim, 2), 2);
}

#[test]
fn withdrawal_waits_for_the_calls_that_hold_the_key_but_not_for_ever() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);
    change(&potluck, 1, &json!({ "paused": true, "lend_models": [] }));
    let slow = sim.rule(Rule::always(Act::SlowHead { ms: 700 }).key(key(2)));
    sim.rule(Rule::always(Act::Sample("high_demand".into())).key(key(1)));
    std::thread::scope(|scope| {
        let borrowed = scope.spawn(|| potluck.generate(&key(1), "hello"));
        assert!(
            sim.wait_until(Duration::from_secs(5), |seen| seen.in_flight == 1
                && seen.requests == 2)
        );

        let start = Instant::now();
        assert_eq!(withdraw(&potluck, 2).status, 204);

        assert!(start.elapsed() > Duration::from_millis(300), "{:?}", start.elapsed());
        assert_eq!(sim.counters().in_flight, 0, "nobody has the key in hand any more");
        assert_eq!(borrowed.join().unwrap().status, 200, "what ran may finish");
    });
    sim.remove_rule(slow);
}

#[test]
fn a_running_stream_outlives_the_withdrawal_of_its_key() {
    let gap = Duration::from_millis(40);
    let sim = Sim::start(gemini_sim::Config { event_gap: gap, ..config(1) }).unwrap();
    let potluck = Potluck::joined(&sim, 1);
    let mut conn = stream(&key(1), "[[long 200]]").open(potluck.addr());
    assert_eq!(conn.head().unwrap().status, 200);
    let mut text = conn.chunk().unwrap();

    assert_eq!(withdraw(&potluck, 1).status, 204);

    loop {
        let chunk = conn.chunk().expect("the stream goes on");
        if chunk.is_empty() {
            break;
        }
        text.extend(chunk);
    }
    assert!(String::from_utf8_lossy(&text).contains("finishReason"));
}

#[test]
fn long_cooldowns_and_dead_keys_outlive_a_restart() {
    let sim = sim(4);
    let mut potluck = Potluck::joined(&sim, 4);
    sim.set_state(&key(2), KeyState::Sample("quota_free_per_day".into()));
    sim.set_state(&key(3), KeyState::Depleted);
    sim.set_state(&key(4), KeyState::Suspended);
    call(&potluck, 1, 8);
    let before: Vec<Value> = (2..=4).map(|number| potluck.me(&key(number))).collect();
    assert_eq!(before[0]["cooldowns"][0]["model"], MODEL);
    (2..=4).for_each(|number| assert!(sim.set_state(&key(number), KeyState::Good)));

    potluck.restart();
    sim.clear_log();
    call(&potluck, 1, 8);

    assert_eq!(keys_seen(&sim), BTreeSet::from([key(1)]));
    for (number, before) in (2..=4).zip(&before) {
        let after = potluck.me(&key(number));
        assert_eq!(after["state"], before["state"], "{number}");
        let ends = |me: &Value| -> Vec<i64> {
            let rests = me["cooldowns"].as_array().unwrap();
            let until = rests.iter().map(|rest| rest["until"].as_str().unwrap().parse().unwrap());
            until.map(|until: jiff::Timestamp| until.as_second()).collect()
        };
        let pairs: Vec<_> = ends(&after).into_iter().zip(ends(before)).collect();
        assert_eq!(pairs.len(), before["cooldowns"].as_array().unwrap().len(), "{number}");
        assert!(pairs.iter().all(|(one, other)| one.abs_diff(*other) <= 2), "{number} {pairs:?}");
    }
    let count = Ask::post("/v1beta/models/gemini-2.5-flash-lite:generateContent");
    let count = count.header("x-goog-api-key", &key(1)).json(&prompt("x"));
    (0..4).for_each(|_| assert_eq!(potluck.ask(count.clone()).status, 200));
    assert!(calls(&sim, 2) > 0, "the day is spent for one model alone");
    assert_eq!(potluck.ask(generate(&key(4), "back")).served_by(), "own");
}

#[test]
fn a_key_that_comes_back_at_once_is_there_to_stay() {
    let sim = sim(4);
    let mut potluck = Potluck::joined(&sim, 4);
    for number in 1..=4 {
        assert_eq!(withdraw(&potluck, number).status, 204);
        change(&potluck, number, &json!({"paused": false}));
        let back = potluck.generate(&key(number), "hello again");
        assert_eq!(back.header("x-potluck-key"), Some("stored"), "{back:?}");
    }

    // What was to be written behind has been written by then.
    std::thread::sleep(Duration::from_secs(1));
    potluck.restart();

    for number in 1..=4 {
        let known = potluck.generate(&key(number), "still here");
        assert_eq!(known.header("x-potluck-key"), Some("known"), "{known:?}");
    }
}
