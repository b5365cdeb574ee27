//! How a key joins: by its own first request, and only by Google's word.
//!
//! `credentials`: how a key may be shown, and what of a caller's request reaches Google.

#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod credentials;

use std::collections::BTreeSet;

use common::raw::{Answer, Ask};
use common::serving::{MODEL, Potluck, generate, key, keys_seen, prompt, sim};
use gemini_sim::{Act, KeyState, Rule, Sim};
use serde_json::{Value, json};

fn chat(path: &str) -> Ask {
    let body = json!({ "model": MODEL, "messages": [{ "role": "user", "content": "hello" }] });
    Ask::post(path).json(&body)
}

fn requests(sim: &Sim) -> u64 {
    sim.counters().requests
}

#[test]
fn a_first_call_is_its_own_proof_and_stores_the_key() {
    let sim = sim(1);
    let potluck = Potluck::start(&sim);

    let first = potluck.generate(&key(1), "hello");
    let second = potluck.generate(&key(1), "hello again");

    assert_eq!((first.status, first.served_by(), first.attempts()), (200, "own", 1), "{first:?}");
    assert_eq!(first.header("x-potluck-key"), Some("stored"));
    assert_eq!(second.header("x-potluck-key"), Some("known"));
    assert_ne!(first.header("x-request-id").unwrap(), second.header("x-request-id").unwrap());
    assert_eq!(potluck.me(&key(1))["state"], "active");
}

#[test]
fn every_method_that_google_authenticates_proves_a_key_and_no_other_does() {
    let sim = sim(9);
    let potluck = Potluck::start(&sim);
    let model = |verb: &str| format!("/v1beta/models/{MODEL}:{verb}");
    let embed = |verb: &str| format!("/v1/models/gemini-embedding-001:{verb}");
    let content = json!({ "content": { "parts": [{ "text": "x" }] } });
    let batch = json!({ "requests": [{ "model": "models/gemini-embedding-001",
        "content": { "parts": [{ "text": "x" }] } }] });
    for (number, ask, stored) in [
        (1, Ask::post(&model("generateContent")).json(&prompt("x")), true),
        (2, Ask::post(&model("streamGenerateContent")).json(&prompt("x")), true),
        (3, Ask::post(&model("countTokens")).json(&prompt("x")), true),
        (4, Ask::post(&embed("embedContent")).json(&content), true),
        (5, Ask::post(&embed("batchEmbedContents")).json(&batch), true),
        (6, Ask::get("/v1beta/models"), true),
        (7, Ask::get(&format!("/v1beta/models/{MODEL}")), true),
        (8, Ask::get("/v1beta/files"), false),
        (9, Ask::get("/v1beta/cachedContents"), false),
    ] {
        let answer = potluck.ask(ask.header("x-goog-api-key", &key(number)));

        let mark = if stored { "stored" } else { "not-stored" };
        assert_eq!((answer.status, answer.header("x-potluck-key")), (200, Some(mark)), "{number}");
    }
}

#[test]
fn no_key_is_refused_in_googles_words_and_nothing_goes_upstream() {
    let sim = sim(0);
    let potluck = Potluck::start(&sim);
    let bare = Ask::post(&format!("/v1beta/models/{MODEL}:generateContent")).json(&prompt("hi"));
    let live = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent";
    for ask in [
        bare,
        Ask::get("/v1beta/models"),
        Ask::get("/v1beta/files/abc"),
        Ask::post("/upload/v1beta/files"),
        chat("/v1beta/openai/chat/completions"),
        Ask::get(live),
    ] {
        let answer = potluck.ask(ask);
        assert_eq!(answer.status, 403, "{answer:?}");
        assert_eq!(answer.error()["status"], "PERMISSION_DENIED");
        let message = answer.error()["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with("Method doesn't allow unregistered callers"), "{message}");
    }
    assert_eq!(requests(&sim), 0);
}

#[test]
fn a_quota_failure_proves_a_key_too_and_the_pool_serves_its_call() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 1);
    sim.rule(Rule::always(Act::Sample("quota_free_per_day".into())).key(key(2)));

    let answer = potluck.generate(&key(2), "hello");

    assert_eq!((answer.status, answer.served_by(), answer.attempts()), (200, "pool", 2));
    assert_eq!(answer.header("x-potluck-key"), Some("stored"));
    let me = potluck.me(&key(2));
    assert_eq!(me["cooldowns"][0]["model"], MODEL, "{me}");
    sim.clear_log();
    for _ in 0..4 {
        assert_eq!(potluck.generate(&key(2), "again").status, 200);
    }
    assert_eq!(keys_seen(&sim), BTreeSet::from([key(1)]));
}

#[test]
fn openai_callers_join_by_a_quota_failure_too_but_nobody_who_asked_for_the_own_key() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 1);
    sim.rule(Rule::always(Act::Sample("openai_compat_quota".into())).key(key(2)));
    sim.rule(Rule::always(Act::Sample("quota_free_per_day".into())).key(key(3)));

    let bearer = format!("Bearer {}", key(2));
    let joined = potluck.ask(chat("/v1/chat/completions").header("authorization", &bearer));
    let own = potluck.ask(generate(&key(3), "x").header("x-potluck-route", "own"));

    assert_eq!((joined.status, joined.served_by()), (200, "pool"), "{joined:?}");
    assert_eq!(joined.header("x-potluck-key"), Some("stored"));
    assert_eq!((own.status, own.attempts()), (429, 1), "{own:?}");
    assert_eq!(own.header("x-potluck-key"), Some("not-stored"));
}

#[test]
fn errors_that_are_no_proof_go_back_and_decide_nothing() {
    for sample in [
        "resource_exhausted_plain",
        "service_disabled",
        "invalid_argument_generic",
        "model_not_found",
        "high_demand",
        "spending_cap",
        "caller_no_permission",
    ] {
        let sim = sim(2);
        let potluck = Potluck::joined(&sim, 1);
        sim.rule(Rule::next(1, Act::Sample(sample.into())).key(key(2)));

        let answer = potluck.generate(&key(2), "hello");

        assert!(answer.status >= 400, "{sample}");
        assert_eq!((answer.attempts(), requests(&sim)), (1, 1), "{sample}");
        assert_eq!(answer.header("x-potluck-key"), Some("not-stored"), "{sample}");
        assert_eq!(potluck.get("/pool/me", Some(&key(2))).status, 404, "{sample}");
        assert_eq!(potluck.generate(&key(2), "x").header("x-potluck-key"), Some("stored"));
    }
}

fn refused_by_google(answer: &Answer) -> bool {
    answer.status == 400 && answer.reason() == "API_KEY_INVALID"
}

#[test]
fn a_refused_key_is_told_so_and_not_asked_again_for_a_while() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);

    let first = potluck.generate(&key(99), "let me in");
    let second = potluck.generate(&key(99), "let me in");

    assert!(refused_by_google(&first), "{first:?}");
    assert!(!first.text().contains(&key(99)), "{first:?}");
    assert_eq!((second.status, second.reason().as_str()), (400, "POOL_KEY_REFUSED"), "{second:?}");
    assert_eq!(second.header("x-should-retry"), Some("false"));
    assert_eq!(requests(&sim), 1);
    assert_eq!(potluck.get("/pool/me", Some(&key(99))).status, 404);
}

#[test]
fn refused_keys_are_limited_by_address_block_and_good_ones_are_not() {
    let sim = sim(2);
    let potluck = Potluck::with(&sim.url(), &["--trusted-proxy=127.0.0.1/32"]);
    let from = |address: &str, key: &str| {
        potluck.ask(generate(key, "x").header("x-forwarded-for", address))
    };
    assert_eq!(from("192.0.2.1", &key(1)).status, 200);
    sim.clear_log();

    for number in 100..110 {
        assert!(refused_by_google(&from("192.0.2.1", &key(number))), "{number}");
    }
    let eleventh = from("192.0.2.1", &key(110));

    assert_eq!(eleventh.reason(), "POOL_TOO_MANY_REFUSED", "{eleventh:?}");
    assert_eq!(eleventh.status, 429);
    assert!(eleventh.header("retry-after").is_some());
    assert_eq!(requests(&sim), 10);
    assert_eq!(from("192.0.2.1", &key(1)).status, 200, "a key that works is not affected");
    assert!(refused_by_google(&from("192.0.2.2", &key(111))), "another /32");
    for number in 120..130 {
        assert!(refused_by_google(&from("2001:db8:1:2::1", &key(number))), "{number}");
    }
    assert_eq!(from("2001:db8:1:2:ffff::9", &key(130)).status, 429, "the same /64");
    assert!(refused_by_google(&from("2001:db8:1:3::1", &key(131))), "another /64");
}

/// Lets a pooled call find out that key 2 is dead.
fn kill_second(potluck: &Potluck, sim: &Sim) {
    sim.set_state(&key(2), KeyState::Invalid);
    for _ in 0..2 {
        assert_eq!(potluck.generate(&key(1), "x").status, 200);
    }
    assert_eq!(potluck.me(&key(2))["state"], "disabled");
}

#[test]
fn a_disabled_key_buys_no_entry_and_comes_back_by_its_own_proof() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);
    kill_second(&potluck, &sim);

    let still_dead = potluck.generate(&key(2), "let me in");
    assert!(refused_by_google(&still_dead), "{still_dead:?}");
    assert_eq!(still_dead.served_by(), "own");
    // Its owner may mend it, and then waits a minute; a key that was never refused as a bearer's
    // own does not.
    let sim = self::sim(2);
    let potluck = Potluck::joined(&sim, 2);
    kill_second(&potluck, &sim);
    sim.set_state(&key(2), KeyState::Good);
    let revived = potluck.generate(&key(2), "me again");

    assert_eq!((revived.status, revived.served_by(), revived.attempts()), (200, "own", 1));
    assert_eq!(potluck.me(&key(2))["state"], "active");
    sim.clear_log();
    for _ in 0..4 {
        potluck.generate(&key(1), "x");
    }
    assert_eq!(sim.counters().by_key[&key(2)], 2);
}

#[test]
fn lists_of_models_go_with_the_own_key() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);

    for _ in 0..6 {
        let answer = potluck.get("/v1beta/models?pageSize=5", Some(&key(2)));
        assert_eq!((answer.status, answer.served_by()), (200, "own"));
        let token = answer.json()["nextPageToken"].as_str().unwrap_or_default().to_owned();
        let next = format!("/v1beta/models?pageSize=5&pageToken={token}");
        assert_eq!(potluck.get(&next, Some(&key(2))).status, 200);
    }

    assert_eq!(keys_seen(&sim), BTreeSet::from([key(2)]));
}

#[test]
fn a_first_call_with_a_large_body_streams_with_the_own_key_and_joins() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 1);
    let large = "x".repeat(3 << 20);

    let with_length = potluck.generate(&key(2), &large);

    assert_eq!((with_length.status, with_length.served_by()), (200, "own"));
    assert_eq!(with_length.header("x-potluck-key"), Some("stored"));
    assert_eq!(sim.last().unwrap().body_len, prompt(&large).to_string().len() as u64);
}

#[test]
fn many_first_calls_of_one_key_at_once_join_once() {
    let sim = sim(1);
    sim.rule(Rule::always(Act::SlowHead { ms: 100 }));
    let potluck = Potluck::start(&sim);

    let marks: Vec<String> = std::thread::scope(|scope| {
        let calls: Vec<_> =
            (0..12).map(|_| scope.spawn(|| potluck.generate(&key(1), "hello"))).collect();
        let answers = calls.into_iter().map(|call| call.join().unwrap());
        answers.map(|answer| answer.header("x-potluck-key").unwrap().to_owned()).collect()
    });

    assert!(marks.iter().all(|mark| mark == "stored" || mark == "known"), "{marks:?}");
    let count: Value = potluck.get("/keycount", None).json();
    assert_eq!(count, json!({ "keyCount": 1, "message": "success" }));
}
