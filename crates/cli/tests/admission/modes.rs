//! Pools that are open to invited keys, or to none.

use serde_json::{Value, json};

use super::{add, operate, token, was_shown};
use crate::common::raw::{Answer, Ask};
use crate::common::serving::{MODEL, Potluck, generate, key, sim};

/// Makes an invite: its code, and its id.
fn invite(potluck: &Potluck, body: &Value) -> (String, String) {
    let told = operate(potluck, "POST", "/invites", body);
    assert_eq!(told.status, 200, "{told:?}");
    let told = told.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&told["code"]), text(&told["about"]["id"]))
}

fn with(potluck: &Potluck, number: usize, code: &str) -> Answer {
    potluck.ask(generate(&key(number), "x").header("x-potluck-invite", code))
}

fn used(potluck: &Potluck) -> Vec<u64> {
    let told = operate(potluck, "GET", "/invites", &Value::Null).json();
    let all = told["invites"].as_array().unwrap().iter();
    all.map(|invite| invite["used"].as_u64().unwrap()).collect()
}

#[test]
fn an_unknown_key_comes_once_with_an_invite_and_then_without() {
    let sim = sim(4);
    let mut potluck = Potluck::with(&sim.url(), &["--admission", "invite"]);
    let (code, _) = invite(&potluck, &json!({ "name": "朋友 <b>", "uses": 2 }));

    let refused = potluck.generate(&key(1), "x");
    assert_eq!((refused.status, refused.reason().as_str()), (403, "POOL_NEEDS_INVITE"));
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("x-potluck-invite"));
    assert_eq!(with(&potluck, 1, "pti_0123456789abcdef").reason(), "POOL_NEEDS_INVITE");
    assert_eq!(sim.log().len(), 0, "nothing went upstream");

    assert_eq!(with(&potluck, 1, &code).header("x-potluck-key"), Some("stored"));
    assert_eq!(with(&potluck, 1, &code).header("x-potluck-key"), Some("known"));
    assert_eq!(potluck.generate(&key(1), "x").status, 200);
    assert_eq!(used(&potluck), [1], "a known key uses none");
    potluck.restart();
    assert_eq!(used(&potluck), [1]);
    assert_eq!(with(&potluck, 2, &code).header("x-potluck-key"), Some("stored"));
    let late = with(&potluck, 3, &code);
    assert_eq!((late.status, late.reason().as_str()), (403, "POOL_NEEDS_INVITE"));
    assert_eq!(used(&potluck), [2]);
    assert!(!was_shown(&sim, &code[4..]) && !was_shown(&sim, "x-potluck-invite"));
    assert!(!potluck.log().contains(&code[4..]));
}

#[test]
fn a_call_that_brings_no_key_to_the_table_uses_no_invite() {
    let sim = sim(1);
    let potluck = Potluck::with(&sim.url(), &["--admission", "invite"]);
    let (code, _) = invite(&potluck, &json!({ "name": "one" }));
    let shown = |ask: Ask| ask.header("x-potluck-invite", &code);

    let bad = shown(generate("AIzaSyNobodyNobodyNobodyNobodyNobody000", "x"));
    assert_eq!(potluck.ask(bad).status, 400, "Google does not know it");
    let own = shown(Ask::get("/v1beta/files").header("x-goog-api-key", &key(1)));
    assert_eq!(potluck.ask(own).status, 200, "it proves nothing");
    assert_eq!(used(&potluck), [0]);

    assert_eq!(with(&potluck, 1, &code).header("x-potluck-key"), Some("stored"));
}

#[test]
fn as_many_keys_as_an_invite_is_for_join_however_many_come_at_once() {
    let sim = sim(12);
    let potluck = Potluck::with(&sim.url(), &["--admission", "invite"]);
    let (code, _) = invite(&potluck, &json!({ "name": "three", "uses": 3 }));
    let stored = std::thread::scope(|scope| {
        let asked: Vec<_> = (1..=12)
            .map(|number| {
                let (potluck, code) = (&potluck, &code);
                scope.spawn(move || with(potluck, number, code))
            })
            .collect();
        let joined = asked.into_iter().map(|one| one.join().unwrap());
        joined.filter(|answer| answer.header("x-potluck-key") == Some("stored")).count()
    });
    assert_eq!((stored, used(&potluck)), (3, vec![3]));
    let count = operate(&potluck, "GET", "/status", &Value::Null).json();
    assert_eq!(count["keys"]["serving"], 3);
}

#[test]
fn an_expired_or_revoked_invite_lets_nobody_in() {
    let sim = sim(2);
    let potluck = Potluck::with(&sim.url(), &["--admission", "invite"]);
    let past = json!({ "name": "past", "expires": "2020-01-01T00:00:00Z" });
    let (past, _) = invite(&potluck, &past);
    let (gone, id) = invite(&potluck, &json!({ "name": "gone" }));
    let path = format!("/invites/{id}");
    assert_eq!(operate(&potluck, "DELETE", &path, &Value::Null).status, 204);
    assert_eq!(operate(&potluck, "DELETE", &path, &Value::Null).reason(), "POOL_UNKNOWN_ID");
    for code in [past, gone, "é".to_owned(), String::new()] {
        assert_eq!(with(&potluck, 1, &code).reason(), "POOL_NEEDS_INVITE", "{code}");
    }
    assert_eq!(sim.log().len(), 0);
}

#[test]
fn unknown_keys_go_nowhere_on_any_route_where_the_pool_is_closed() {
    let sim = sim(3);
    for (mode, reason) in [("closed", "POOL_CLOSED"), ("invite", "POOL_NEEDS_INVITE")] {
        let potluck = Potluck::with(&sim.url(), &["--admission", mode]);
        add(&potluck, [1]);
        assert_eq!(potluck.get("/pool", None).json()["admission"], mode);
        sim.clear_log();
        let target = format!("/v1beta/models/{MODEL}:generateContent");
        let large = json!({ "contents": [{ "parts": [{ "text": "x".repeat(3 << 20) }] }] });
        for ask in [
            generate("", "x"),
            generate("", "x").header("x-potluck-route", "own"),
            generate("", "x").query("fields", "candidates"),
            Ask::post(&target).json(&large),
            Ask::get("/v1beta/models"),
            Ask::get("/v1beta/files"),
            Ask::get("/v1beta/something/of/tomorrow"),
            Ask::post("/v1beta/cachedContents").json(&json!({})),
            Ask::post("/upload/v1beta/files")
                .header("x-goog-upload-protocol", "resumable")
                .header("x-goog-upload-command", "start"),
        ] {
            let answer = potluck.ask(ask.clone().header("x-api-key", &key(2)));
            assert_eq!((answer.status, answer.reason().as_str()), (403, reason), "{ask:?}");
        }
        assert_eq!(sim.log().len(), 0, "nothing went upstream");

        assert_eq!(potluck.generate(&key(1), "x").status, 200, "a known key is served");
        assert_eq!(potluck.get("/v1beta/files", Some(&key(1))).status, 200);
        let (token, _) = token(&potluck, &json!({ "name": "x" }));
        assert_eq!(potluck.generate(&token, "x").status, 200);
        assert_eq!(potluck.get("/pool/me", Some(&key(2))).reason(), "POOL_UNKNOWN_KEY");
    }
}

#[test]
fn who_left_a_closed_pool_is_a_stranger_and_who_was_put_out_is_not() {
    let sim = sim(2);
    let potluck = Potluck::with(&sim.url(), &["--admission", "closed"]);
    add(&potluck, [1, 2]);
    let id = potluck.me(&key(1))["id"].as_str().unwrap().to_owned();
    let out = json!({ "disabled": true });
    assert_eq!(operate(&potluck, "PATCH", &format!("/keys/{id}"), &out).status, 200);
    let own = potluck.generate(&key(1), "x");
    assert_eq!((own.status, own.served_by()), (200, "own"), "with it alone, as ever");
    let erase = format!("/keys/{id}");
    assert_eq!(operate(&potluck, "DELETE", &erase, &Value::Null).status, 204);
    assert_eq!(potluck.generate(&key(1), "x").reason(), "POOL_CLOSED", "erased is unknown");

    let leave = Ask::new("DELETE", "/pool/me").header("x-goog-api-key", &key(2));
    assert_eq!(potluck.ask(leave).status, 204);
    sim.clear_log();
    assert_eq!(potluck.generate(&key(2), "x").reason(), "POOL_CLOSED");
    assert_eq!(potluck.change(&key(2), &json!({ "paused": false })).status, 200);
    assert_eq!(potluck.generate(&key(2), "x").reason(), "POOL_CLOSED");
    assert_eq!(sim.log().len(), 0);
}

#[test]
fn no_token_and_no_code_is_logged_or_stored_in_the_clear() {
    let sim = sim(2);
    let args = ["--admission", "invite", "--log=trace"];
    let mut potluck = Potluck::with(&sim.url(), &args);
    let (code, _) = invite(&potluck, &json!({ "name": "x", "uses": 9 }));
    let (token, _) = token(&potluck, &json!({ "name": "x", "requests_per_minute": 9 }));
    assert_eq!(with(&potluck, 1, &code).status, 200);
    let target = format!("/v1beta/models/{MODEL}:generateContent");
    for ask in [
        generate(&token, "x"),
        Ask::post(&target).query("key", &token).body("{}"),
        Ask::post(&format!("/v1beta/models/{token}:generateContent")).query("key", &token),
        Ask::get(&format!("/v1beta/files/{token}")).query("key", &token),
        Ask::get(&format!("/{token}/{code}")).header("authorization", &format!("Bearer {token}")),
        generate(&code, "x"),
        generate(&key(2), "x").query("invite", &code).header("x-potluck-invite", &code[..30]),
        Ask::get(&format!("/v1beta/files/{code}")).header("x-goog-api-key", &key(1)),
    ] {
        let answer = potluck.ask(ask.clone());
        let said = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body));
        for secret in [&token, &code] {
            assert!(!said.contains(&secret[4..20]), "{ask:?} {said}");
        }
    }
    potluck.signal("-TERM");
    assert_eq!(potluck.end(), Some(0));
    let files = std::fs::read_dir(potluck.data()).unwrap();
    let files = files.flat_map(|entry| std::fs::read(entry.unwrap().path()).unwrap_or_default());
    let all = potluck.log() + &String::from_utf8_lossy(&files.collect::<Vec<u8>>());
    assert!(all.contains("class=Pooled"), "it did log all it can: {all}");
    for secret in [&token, &code] {
        assert!(!all.contains(&secret[4..20]), "{secret}");
    }
}
