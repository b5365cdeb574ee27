//! Access tokens.

use serde_json::{Value, json};

use super::{operate, token, was_shown};
use crate::common::raw::Ask;
use crate::common::serving::{MODEL, Potluck, generate, key, keys_seen, prompt, sim};

const CHAT: &str = "/v1beta/openai/chat/completions";

fn listed(potluck: &Potluck) -> Vec<Value> {
    let told = operate(potluck, "GET", "/tokens", &Value::Null);
    assert_eq!(told.status, 200, "{told:?}");
    told.json()["tokens"].as_array().unwrap().clone()
}

#[test]
fn a_token_is_taken_wherever_a_key_is_and_never_sent_to_google() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);
    let (token, _) = token(&potluck, &json!({ "name": "a classroom" }));
    let target = format!("/v1beta/models/{MODEL}:generateContent");
    let plain = |ask: Ask| ask.json(&prompt("hello"));
    let chat = json!({ "model": MODEL, "messages": [{ "role": "user", "content": "hello" }] });
    let bearer = format!("Bearer {token}");
    for ask in [
        plain(Ask::post(&target).header("x-goog-api-key", &token)),
        plain(Ask::post(&target).header("x-api-key", &token)),
        plain(Ask::post(&target).header("authorization", &bearer)),
        plain(Ask::post(&target).query("key", &token)),
        Ask::post(CHAT).header("authorization", &bearer).json(&chat),
        Ask::get("/v1beta/models").header("x-goog-api-key", &token),
        Ask::get("/v1/models").header("authorization", &bearer),
    ] {
        let answer = potluck.ask(ask.clone());
        assert_eq!((answer.status, answer.served_by()), (200, "pool"), "{ask:?} {answer:?}");
        assert_eq!(answer.header("x-potluck-key"), Some("none"));
    }
    assert_eq!(sim.log().len(), 7);
    assert!(keys_seen(&sim).len() > 1, "the pool serves, not one key");
    assert!(!was_shown(&sim, &token[4..]));
    assert!(!potluck.log().contains(&token[4..]));
    let list = sim.log().into_iter().find(|seen| seen.path == "/v1beta/models").unwrap();
    assert_eq!(list.query.as_deref(), Some("pageSize=1000"), "no page follows");
}

#[test]
fn what_belongs_to_a_project_is_out_of_a_token_s_reach() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);
    let (token, _) = token(&potluck, &json!({ "name": "x" }));
    let target = format!("/v1beta/models/{MODEL}:generateContent");
    let with = |more: Value| {
        let mut body = prompt("x");
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Ask::post(&target).json(&body)
    };
    let file = json!({ "fileData": { "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/a" } });
    for ask in [
        Ask::get("/v1beta/files"),
        Ask::get("/v1beta/models?pageToken=x"),
        Ask::post("/v1beta/cachedContents").json(&json!({})),
        Ask::post(&format!("/v1beta/models/{MODEL}:batchGenerateContent")).json(&json!({})),
        Ask::post("/upload/v1beta/files").header("x-goog-upload-protocol", "resumable"),
        Ask::get("/v1beta/something/of/tomorrow"),
        Ask::get("/download/v1beta/files/a:download"),
        with(json!({ "cachedContent": "cachedContents/1" })),
        with(json!({ "contents": [{ "parts": [file] }] })),
        with(json!({ "somethingOfTomorrow": 1 })),
        with(json!({})).header("x-potluck-route", "own"),
        with(json!({})).query("fields", "candidates"),
        Ask::get("/pool/me"),
        Ask::new("PATCH", "/pool/me").json(&json!({ "paused": true })),
        Ask::new("DELETE", "/pool/me"),
    ] {
        let answer = potluck.ask(ask.clone().header("x-goog-api-key", &token));
        assert_eq!(answer.status, 403, "{ask:?} {answer:?}");
        assert_eq!(answer.reason(), "POOL_NEEDS_OWN_KEY", "{ask:?}");
    }
    let both = generate(&key(1), "x").query("key", &token);
    assert_eq!(potluck.ask(both).reason(), "POOL_KEY_CONFLICT");
    let path = format!("/v1beta/models/{token}:generateContent");
    let in_path = Ask::post(&path).header("x-goog-api-key", &token).json(&prompt("x"));
    assert_eq!(potluck.ask(in_path).status, 400);
    assert_eq!(sim.log().len(), 0, "nothing went upstream");
}

#[test]
fn requests_are_limited_exactly_and_told_with_a_wait() {
    let sim = sim(2);
    let mut potluck = Potluck::joined(&sim, 2);
    let minute = token(&potluck, &json!({ "name": "m", "requests_per_minute": 3 })).0;
    let day = token(&potluck, &json!({ "name": "d", "requests_per_day": 2 })).0;
    let served = |potluck: &Potluck, token: &str| potluck.generate(token, "x").status;
    // At once, so that none may slip through between look and count.
    let all: Vec<u16> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..12).map(|_| scope.spawn(|| served(&potluck, &minute))).collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(all.iter().filter(|status| **status == 200).count(), 3, "{all:?}");
    let refused = potluck.generate(&minute, "x");
    assert_eq!((refused.status, refused.reason().as_str()), (429, "POOL_TOKEN_LIMIT"));
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=61).contains(&wait), "{wait}");
    let error = refused.json();
    assert_eq!(error["error"]["status"], "RESOURCE_EXHAUSTED");
    assert!(error.to_string().contains("google.rpc.RetryInfo"), "{error}");

    assert_eq!([served(&potluck, &day), served(&potluck, &day)], [200, 200]);
    assert_eq!(served(&potluck, &day), 429);
    potluck.restart();
    let refused = potluck.generate(&day, "x");
    assert_eq!(refused.reason(), "POOL_TOKEN_LIMIT", "the day outlives a restart");
    assert!(refused.json().to_string().contains("PerDay"));
}

#[test]
fn tokens_of_text_are_counted_from_google_s_account() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    let (token, _) = token(&potluck, &json!({ "name": "t", "tokens_per_minute": 5 }));
    let first = potluck.generate(&token, "a prompt of more than five tokens, with its answer");
    assert_eq!(first.status, 200);
    let told = first.json()["usageMetadata"]["totalTokenCount"].as_u64().unwrap();
    assert!(told > 5);

    let refused = potluck.generate(&token, "x");

    assert_eq!(refused.reason(), "POOL_TOKEN_LIMIT", "{refused:?}");
    let seen = listed(&potluck).remove(0);
    assert_eq!(seen["total"], json!({ "requests": 1, "tokens": told }), "{seen}");
    assert_eq!(seen["today"], seen["total"]);
}

#[test]
fn a_revoked_expired_or_invented_token_serves_no_further_call() {
    let sim = sim(1);
    let mut potluck = Potluck::joined(&sim, 1);
    let (kept, id) = token(&potluck, &json!({ "name": "kept" }));
    let (gone, gone_id) = token(&potluck, &json!({ "name": "gone" }));
    let past = json!({ "name": "past", "expires": "2020-01-01T00:00:00Z" });
    let (past, past_id) = token(&potluck, &past);
    assert_eq!(potluck.generate(&gone, "x").status, 200);
    sim.clear_log();

    let revoke = |potluck: &Potluck, id: &str| {
        operate(potluck, "DELETE", &format!("/tokens/{id}"), &Value::Null)
    };
    assert_eq!(revoke(&potluck, &gone_id).status, 204);
    assert_eq!(revoke(&potluck, &gone_id).reason(), "POOL_UNKNOWN_ID");

    for _ in 0..2 {
        for (token, reason) in [
            (gone.as_str(), "POOL_UNKNOWN_TOKEN"),
            (&past, "POOL_TOKEN_EXPIRED"),
            ("ptk_0123456789abcdef0123456789abcdef01234567", "POOL_UNKNOWN_TOKEN"),
            ("ptk_x", "POOL_UNKNOWN_TOKEN"),
            (&potluck.admin_token(), "POOL_UNKNOWN_TOKEN"),
        ] {
            let answer = potluck.generate(token, "x");
            assert_eq!((answer.status, answer.reason().as_str()), (401, reason), "{answer:?}");
            let listing = potluck.get("/v1beta/files", Some(token));
            assert_eq!(listing.reason(), reason, "own routes as well");
        }
        assert_eq!(sim.log().len(), 0);
        potluck.restart();
    }
    assert_eq!(potluck.generate(&kept, "x").status, 200);
    let ids: Vec<_> = listed(&potluck).iter().map(|seen| seen["id"].clone()).collect();
    assert_eq!(ids, [json!(id), json!(past_id)]);
    let longer =
        operate(&potluck, "PATCH", &format!("/tokens/{past_id}"), &json!({ "expires": null }));
    assert_eq!(longer.json()["state"], "good");
    assert_eq!(potluck.generate(&past, "x").status, 200);
}

#[test]
fn two_operators_at_once_lose_nothing_and_the_token_is_shown_once() {
    let sim = sim(1);
    let mut potluck = Potluck::joined(&sim, 1);
    let name = "<script>alert(1)</script> 教室 & co";
    let (secret, id) = token(&potluck, &json!({ "name": name, "models": [MODEL] }));
    let path = format!("/tokens/{id}");
    let changes = [
        json!({ "requests_per_minute": 7 }),
        json!({ "tokens_per_day": 70_000 }),
        json!({ "expires": "2099-01-01T00:00:00Z" }),
        json!({ "models": null }),
    ];
    std::thread::scope(|scope| {
        for change in &changes {
            scope.spawn(|| {
                assert_eq!(operate(&potluck, "PATCH", &path, change).status, 200);
            });
        }
    });
    let check = |potluck: &Potluck| {
        let seen = listed(potluck).remove(0);
        assert_eq!(seen["name"], name);
        assert_eq!(
            (&seen["requests_per_minute"], &seen["tokens_per_day"]),
            (&json!(7), &json!(70_000))
        );
        assert_eq!(
            (&seen["expires"], &seen["models"]),
            (&json!("2099-01-01T00:00:00Z"), &Value::Null)
        );
        assert!(!seen.to_string().contains(&secret[4..]));
    };
    check(&potluck);
    potluck.restart();
    check(&potluck);
    let data: Vec<u8> = std::fs::read_dir(potluck.data())
        .unwrap()
        .flat_map(|entry| std::fs::read(entry.unwrap().path()).unwrap_or_default())
        .collect();
    let found = |text: &str| data.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(found("教室") && !found(&secret[4..]), "a hash is all that is kept");
}

#[test]
fn a_token_for_some_models_serves_no_other() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    let (token, _) = token(&potluck, &json!({ "name": "x", "models": ["models/gemini-2.5-pro"] }));
    sim.clear_log();
    let answer = potluck.generate(&token, "x");
    assert_eq!((answer.status, answer.reason().as_str()), (403, "POOL_TOKEN_MODEL"));
    let chat = json!({ "model": MODEL, "messages": [{ "role": "user", "content": "x" }] });
    let chat = Ask::post(CHAT).header("authorization", &format!("Bearer {token}")).json(&chat);
    assert!(String::from_utf8_lossy(&potluck.ask(chat).body).contains("POOL_TOKEN_MODEL"));
    assert_eq!(sim.log().len(), 0);
    let other = Ask::post("/v1beta/models/gemini-2.5-pro:generateContent");
    let other = other.header("x-goog-api-key", &token).json(&prompt("x"));
    assert_eq!(potluck.ask(other).status, 200);
}

#[test]
fn a_pool_in_parts_serves_tokens_from_all_of_them() {
    let sim = sim(8);
    let potluck = Potluck::with(&sim.url(), &["--parts", "4"]);
    super::add(&potluck, 1..=8);
    for number in 0..4 {
        let (token, _) = token(&potluck, &json!({ "name": format!("{number}") }));
        for _ in 0..3 {
            let answer = potluck.generate(&token, "x");
            assert_eq!((answer.status, answer.served_by()), (200, "pool"), "{answer:?}");
        }
    }
}

#[test]
fn what_was_answered_outlives_a_kill() {
    let sim = sim(1);
    let mut potluck = Potluck::joined(&sim, 1);
    let crash = |potluck: &mut Potluck| {
        potluck.signal("-KILL");
        potluck.end();
        potluck.start_again();
    };
    let (token, id) = token(&potluck, &json!({ "name": "x" }));
    let path = format!("/tokens/{id}");
    crash(&mut potluck);
    assert_eq!(potluck.generate(&token, "x").status, 200);

    let models = json!({ "models": [] });
    assert_eq!(operate(&potluck, "PATCH", &path, &models).status, 200);
    crash(&mut potluck);
    assert_eq!(potluck.generate(&token, "x").reason(), "POOL_TOKEN_MODEL");

    assert_eq!(operate(&potluck, "DELETE", &path, &Value::Null).status, 204);
    crash(&mut potluck);
    assert_eq!(potluck.generate(&token, "x").reason(), "POOL_UNKNOWN_TOKEN");
}
