//! What is never pooled: everything bound to a project, everything unknown, and what a caller
//! insists on.

use std::collections::BTreeSet;

use gemini_sim::{Act, Rule};
use serde_json::{Value, json};

use crate::common::raw::Ask;
use crate::common::serving::{MODEL, Potluck, generate, key, keys_seen, prompt, sim, stream};
use crate::shares;

/// A plain prompt with something beside it.
fn with(field: &str, value: Value) -> Value {
    let mut body = prompt("hello");
    body[field] = value;
    body
}

/// A prompt with one more part.
fn part(part: Value) -> Value {
    json!({ "contents": [{ "role": "user", "parts": [{ "text": "see" }, part] }] })
}

fn file(uri: &str) -> Value {
    part(json!({ "fileData": { "mimeType": "image/png", "fileUri": uri } }))
}

#[test]
fn bodies_that_point_at_state_or_cost_more_go_with_the_own_key_once() {
    let google = "https://generativelanguage.googleapis.com/v1beta/files/abc";
    let bodies = [
        file(google),
        part(json!({ "file_data": { "mime_type": "image/png", "file_uri": google } })),
        file("gs://bucket/object"),
        file("https://storage.googleapis.com/bucket/object"),
        file("https://drive.google.com/file/d/x"),
        file("files/abc"),
        with("cachedContent", json!("cachedContents/abc")),
        with("cached_content", json!("cachedContents/abc")),
        with("model", json!("tunedModels/mine")),
        with(
            "tools",
            json!([{ "fileSearch": { "fileSearchStoreNames": ["fileSearchStores/x"] } }]),
        ),
        with("tools", json!([{ "file_search": { "file_search_store_names": ["x"] } }])),
        with("store", json!(true)),
        with("serviceTier", json!("priority")),
        with("service_tier", json!("flex")),
        with("webhookConfig", json!({ "uris": ["https://me.example"] })),
        with("continuationToken", json!("abc")),
        with("generationOutputConfig", json!({ "outputUriPrefix": "gs://x" })),
        with("someFieldOfTomorrow", json!(1)),
        with("generationConfig", json!({ "someFieldOfTomorrow": 1 })),
        with("tools", json!([{ "someToolOfTomorrow": {} }])),
        part(json!({ "somePartOfTomorrow": {} })),
    ];
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);
    // Whatever Google says, it is the caller's.
    for act in [None, Some("high_demand"), Some("quota_free_per_minute_tokens")] {
        sim.clear_rules();
        act.map(|name| sim.rule(Rule::always(Act::Sample(name.into()))));
        for body in &bodies {
            let ask = Ask::post(&format!("/v1beta/models/{MODEL}:generateContent"));
            let answer = potluck.ask(ask.header("x-goog-api-key", &key(2)).json(body));
            assert_eq!((answer.served_by(), answer.attempts()), ("own", 1), "{body} {answer:?}");
        }
    }
    assert_eq!(keys_seen(&sim), BTreeSet::from([key(2)]));
    assert_eq!(sim.counters().requests, 3 * bodies.len() as u64);
}

#[test]
fn openai_bodies_are_read_in_their_own_words() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);
    let chat = |field: &str, value: Value| {
        let mut body =
            json!({ "model": MODEL, "messages": [{ "role": "user", "content": "hello" }] });
        body[field] = value;
        let bearer = format!("Bearer {}", key(3));
        potluck.ask(Ask::post("/v1/chat/completions").header("authorization", &bearer).json(&body))
    };
    let cached = json!({ "google": { "cached_content": "cachedContents/abc" } });
    let file = json!([{ "role": "user", "content": [{ "type": "file",
        "file": { "file_id": "file-abc" } }] }]);
    for (field, value) in [
        ("extra_body", cached),
        ("service_tier", json!("priority")),
        ("store", json!(true)),
        ("messages", file),
        ("some_field_of_tomorrow", json!({})),
    ] {
        let answer = chat(field, value);
        assert_eq!((answer.served_by(), answer.attempts()), ("own", 1), "{field} {answer:?}");
    }
    assert_eq!(keys_seen(&sim), BTreeSet::from([key(3)]));
    sim.clear_log();
    for (field, value) in [
        ("temperature", json!(0.5)),
        ("stream", json!(false)),
        ("max_tokens", json!(99)),
        ("reasoning_effort", json!("low")),
        ("store", json!(false)),
        ("user", json!("me")),
    ] {
        assert_eq!(chat(field, value).status, 200, "{field}");
    }
    assert_eq!(shares(&sim, 3), [2; 3], "plain fields are pooled");
}

#[test]
fn what_cannot_be_read_passes_as_it_is_with_the_own_key() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);
    let deep = format!("{{\"contents\":{}1{}}}", "[".repeat(500), "]".repeat(500));
    for body in [
        &b"{\"contents\": ["[..],
        b"not json",
        b"",
        b"{\"contents\":[{\"parts\":[{\"text\":\"\xff\xfe\"}]}]}",
        b"{} {}",
        deep.as_bytes(),
    ] {
        let ask = Ask::post(&format!("/v1beta/models/{MODEL}:generateContent"));
        let answer = potluck.ask(ask.header("x-goog-api-key", &key(2)).body(body));
        let arrived = sim.last().unwrap();
        assert_eq!(arrived.body_hash, gemini_sim::log::fnv(body), "byte for byte");
        assert_eq!((answer.status, answer.served_by(), answer.attempts()), (400, "own", 1));
    }
    let zipped = generate(&key(2), "hello").header("content-encoding", "gzip");
    assert_eq!(potluck.ask(zipped).served_by(), "own");
    assert_eq!(keys_seen(&sim), BTreeSet::from([key(2)]));
}

#[test]
fn a_prompt_that_merely_talks_about_state_is_pooled_byte_for_byte() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);
    let talk = "cachedContent: \"cachedContents/abc\", {\"store\": true}, fileData files/abc";
    let declared = json!([{ "functionDeclarations": [{ "name": "cachedContent", "parameters": {
        "type": "OBJECT", "properties": { "fileUri": { "type": "STRING" },
        "store": { "type": "BOOLEAN" } } } }] }]);
    let mut body = prompt(talk);
    body["tools"] = declared;
    body["generation_config"] = json!({ "responseSchema": { "cachedContent": {} } });
    let spaced = format!("  \n{}\n ", serde_json::to_string_pretty(&body).unwrap());

    for _ in 0..6 {
        let ask = Ask::post(&format!("/v1beta/models/{MODEL}:generateContent"));
        let ask = ask.header("x-goog-api-key", &key(1)).header("content-type", "application/json");
        assert_eq!(potluck.ask(ask.body(spaced.as_bytes())).status, 200);
        let arrived = sim.last().unwrap();
        assert_eq!(arrived.body_hash, gemini_sim::log::fnv(spaced.as_bytes()));
    }
    assert_eq!(shares(&sim, 3), [2; 3]);
}

#[test]
fn public_files_are_nobodys() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);
    for uri in ["https://www.youtube.com/watch?v=abc", "https://example.com/a.png"] {
        for _ in 0..3 {
            let ask = Ask::post(&format!("/v1beta/models/{MODEL}:generateContent"));
            let answer = potluck.ask(ask.header("x-goog-api-key", &key(1)).json(&file(uri)));
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }
    assert_eq!(shares(&sim, 3), [2; 3]);
}

#[test]
fn everything_that_is_bound_to_a_project_goes_with_the_own_key_once() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);
    sim.rule(Rule::always(Act::Sample("high_demand".into())));
    let model = |verb: &str| format!("/v1beta/models/{MODEL}:{verb}");
    for (method, target) in [
        ("GET", "/v1beta/files"),
        ("GET", "/v1beta/files/abc"),
        ("DELETE", "/v1beta/files/abc"),
        ("POST", "/v1beta/files:register"),
        ("GET", "/v1beta/files/abc:download?alt=media"),
        ("GET", "/download/v1beta/files/abc:download?alt=media"),
        ("GET", "/v1beta/cachedContents"),
        ("POST", "/v1beta/cachedContents"),
        ("PATCH", "/v1beta/cachedContents/abc"),
        ("POST", "/v1beta/tunedModels/abc:generateContent"),
        ("POST", "/v1beta/dynamic/abc:generateContent"),
        ("POST", &model("batchGenerateContent")),
        ("POST", &model("predictLongRunning")),
        ("POST", &model("someVerbOfTomorrow")),
        ("GET", "/v1beta/batches"),
        ("GET", "/v1beta/operations/abc"),
        ("GET", "/v1beta/models/veo/operations/abc"),
        ("POST", "/v1beta/corpora"),
        ("POST", "/v1beta/fileSearchStores"),
        ("POST", "/v1beta/interactions"),
        ("GET", "/v1beta/interactions/abc"),
        ("POST", "/v1beta/agents"),
        ("POST", "/v1alpha/auth_tokens"),
        ("GET", "/v1beta/openai/files"),
        ("POST", "/v1beta/openai/batches"),
        ("POST", "/upload/v1beta/files"),
        ("GET", "/v1beta/somethingOfTomorrow/abc"),
    ] {
        sim.clear_log();
        let answer = potluck.ask(Ask::new(method, target).header("x-goog-api-key", &key(3)));
        let seen = keys_seen(&sim);
        assert_eq!((answer.status, answer.served_by()), (503, "own"), "{target} {answer:?}");
        assert_eq!((answer.attempts(), seen), (1, BTreeSet::from([key(3)])), "{target}");
    }
}

#[test]
fn who_asks_for_the_own_key_gets_it() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);
    for ask in [
        generate(&key(2), "x"),
        stream(&key(2), "x"),
        generate(&key(2), "x").query("fields", "candidates"),
    ] {
        for _ in 0..3 {
            let ask = match ask.has_query("fields") {
                true => ask.clone(),
                false => ask.clone().header("x-potluck-route", "own"),
            };
            let answer = potluck.ask(ask);
            assert_eq!((answer.status, answer.served_by()), (200, "own"), "{answer:?}");
        }
    }
    let masked = generate(&key(2), "x").header("x-goog-fieldmask", "candidates");
    assert_eq!(potluck.ask(masked).served_by(), "own");
    assert_eq!(keys_seen(&sim), BTreeSet::from([key(2)]));
    sim.set_state(&key(2), gemini_sim::KeyState::Sample("quota_free_per_day".into()));
    let spent = potluck.ask(generate(&key(2), "x").header("x-potluck-route", "own"));
    assert_eq!((spent.status, spent.attempts()), (429, 1), "not another's for all that");
}

#[test]
fn store_false_is_added_where_the_operator_wants_it() {
    let sim = sim(1);
    let potluck = Potluck::with(&sim.url(), &["--store-false"]);
    potluck.join(&sim, [1]);

    potluck.generate(&key(1), "hello");
    let added: Value = serde_json::from_str(&sim.last().unwrap().body_head).unwrap();
    assert_eq!(added["store"], false);
    assert_eq!(added["contents"], prompt("hello")["contents"]);

    let says = Ask::post(&format!("/v1beta/models/{MODEL}:generateContent"));
    let says = says.header("x-goog-api-key", &key(1)).json(&with("store", json!(false)));
    potluck.ask(says);
    assert_eq!(sim.last().unwrap().body_head.matches("store").count(), 1);
}
