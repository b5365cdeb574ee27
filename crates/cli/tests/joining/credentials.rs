//! How a key may be shown, and what of a caller's request reaches Google.

use gemini_sim::Arrival;
use serde_json::json;

use crate::common::raw::Ask;
use crate::common::serving::{MODEL, Potluck, generate, key, prompt, sim};
use crate::{chat, requests};

/// The credentials that an arrival carries, each with its place.
fn credentials(arrival: &Arrival) -> Vec<(String, String)> {
    let names = ["authorization", "x-goog-api-key", "x-api-key", "cookie", "x-goog-user-project"];
    let in_head = arrival.headers.iter().filter(|(name, _)| names.contains(&name.as_str()));
    let query = arrival.query.as_deref().unwrap_or_default();
    let in_query = query.split('&').filter_map(|pair| pair.split_once('='));
    let in_query = in_query.filter(|(name, _)| name.contains("key") || name.contains("token"));
    let in_query = in_query.map(|(name, value)| (name.to_owned(), value.to_owned()));
    in_head.cloned().chain(in_query).collect()
}

fn pair(name: &str, value: &str) -> Vec<(String, String)> {
    vec![(name.to_owned(), value.to_owned())]
}

/// The four ways to show a key.
fn showing(ask: &Ask, way: usize, key: &str) -> Ask {
    match way {
        0 => ask.clone().header("x-goog-api-key", key),
        1 => ask.clone().query("key", key),
        2 => ask.clone().header("authorization", &format!("Bearer {key}")),
        _ => ask.clone().header("x-api-key", key),
    }
}

#[test]
fn a_key_may_be_shown_in_four_ways_and_reaches_google_in_the_one_place_of_its_route() {
    let sim = sim(8);
    let potluck = Potluck::start(&sim);
    let native = format!("/v1beta/models/{MODEL}:generateContent");
    for way in 0..4 {
        let key = key(way + 1);
        let ask = showing(&Ask::post(&native).json(&prompt("hi")), way, &key);
        assert_eq!(potluck.ask(ask).header("x-potluck-key"), Some("stored"), "way {way}");
        assert_eq!(credentials(&sim.last().unwrap()), pair("x-goog-api-key", &key), "way {way}");
    }
    for way in 0..4 {
        let key = key(way + 5);
        let path = "/v1beta/openai/chat/completions";
        let answer = potluck.ask(showing(&chat(path), way, &key));
        assert_eq!(answer.header("x-potluck-key"), Some("stored"), "way {way} {answer:?}");
        let bearer = format!("Bearer {key}");
        assert_eq!(credentials(&sim.last().unwrap()), pair("authorization", &bearer), "way {way}");
    }
}

#[test]
fn one_key_in_two_places_is_one_key_and_two_keys_are_a_conflict() {
    let sim = sim(2);
    let potluck = Potluck::start(&sim);

    let bearer = |key: &str| format!("Bearer {key}");
    let same = generate(&key(1), "x").header("authorization", &bearer(&key(1)));
    assert_eq!(potluck.ask(same).status, 200);
    assert_eq!(credentials(&sim.last().unwrap()), pair("x-goog-api-key", &key(1)));

    let before = requests(&sim);
    for other in [
        generate(&key(1), "x").header("authorization", &bearer(&key(2))),
        generate(&key(1), "x").query("key", &key(2)),
        generate(&key(1), "x").header("x-api-key", &key(2)),
        generate(&key(1), "x").header("x-goog-api-key", &key(2)),
    ] {
        let answer = potluck.ask(other);
        assert_eq!((answer.status, answer.reason().as_str()), (400, "POOL_KEY_CONFLICT"));
    }
    assert_eq!(requests(&sim), before);
}

#[test]
fn what_cannot_be_a_key_never_leaves() {
    let sim = sim(0);
    let potluck = Potluck::start(&sim);

    for text in [
        "ya29.a0AfB_byCxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "sk-proj-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "auth_tokens/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "short",
    ] {
        let answer = potluck.generate(text, "hi");
        assert_eq!((answer.status, answer.reason().as_str()), (400, "POOL_NOT_A_KEY"), "{text}");
        assert!(!answer.text().contains(text));
    }
    // It has the mark of what is given out here.
    let admin = potluck.generate(&potluck.admin_token(), "hi");
    assert_eq!((admin.status, admin.reason().as_str()), (401, "POOL_UNKNOWN_TOKEN"));
    assert_eq!(requests(&sim), 0);
}

#[test]
fn to_google_goes_an_allow_list_of_headers_and_parameters() {
    let sim = sim(1);
    let potluck = Potluck::start(&sim);
    let ask = generate(&key(1), "x")
        .query("alt", "json")
        .query("prettyPrint", "false")
        .header("cookie", "session=1")
        .header("origin", "https://page.example")
        .header("referer", "https://page.example/x")
        .header("x-forwarded-for", "192.0.2.7")
        .header("forwarded", "for=192.0.2.7")
        .header("via", "1.1 somewhere")
        .header("x-goog-user-project", "mine")
        .header("x-gemini-api-privileged-user-id", "me")
        .header("x-server-timeout", "30")
        .header("x-potluck-route", "own")
        .header("accept-encoding", "gzip, br")
        .header("accept-language", "xx")
        .header("user-agent", "tester/1")
        .header("x-goog-api-client", "gl-test/1");

    assert_eq!(potluck.ask(ask).status, 200);

    let arrival = sim.last().unwrap();
    let mut names: Vec<&str> = arrival.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let known = [
        "accept-encoding",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "x-goog-api-client",
        "x-goog-api-key",
    ];
    assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
    assert_eq!(arrival.header("user-agent"), Some("tester/1"));
    assert_ne!(arrival.header("accept-encoding"), Some("gzip, br"));
    assert_eq!(arrival.query.as_deref(), Some("alt=json&prettyPrint=false"));
}

#[test]
fn other_credentials_are_stripped_or_refused_and_tricks_with_the_answer_are_refused() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);

    for (name, value) in [("callback", "evil"), ("$callback", "evil")] {
        let answer = potluck.ask(generate(&key(1), "x").query(name, value));
        assert_eq!((answer.status, answer.reason().as_str()), (400, "POOL_REFUSED"), "{name}");
    }
    let other = generate(&key(1), "x").header("x-http-method-override", "DELETE");
    assert_eq!(potluck.ask(other).status, 400);
    assert_eq!(requests(&sim), 0);

    potluck.ask(generate(&key(1), "x").query("quotaUser", "me").query("zzz", "1"));
    for arrival in sim.log() {
        assert_eq!(credentials(&arrival), pair("x-goog-api-key", &key(1)), "{arrival:?}");
    }
}

#[test]
fn openai_clients_find_their_usual_paths() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    let embedding = json!({ "model": "gemini-embedding-001", "input": "x" });
    let image = json!({ "model": "imagen-4.0-generate-001", "prompt": "x" });
    let bearer = format!("Bearer {}", key(1));
    for (ask, arrives) in [
        (chat("/v1/chat/completions"), "/v1beta/openai/chat/completions"),
        (Ask::post("/v1/embeddings").json(&embedding), "/v1beta/openai/embeddings"),
        (Ask::post("/v1/images/generations").json(&image), "/v1beta/openai/images/generations"),
        (Ask::get("/v1/models"), "/v1beta/openai/models"),
        (Ask::get(&format!("/v1/models/{MODEL}")), &format!("/v1beta/openai/models/{MODEL}")),
    ] {
        let answer = potluck.ask(ask.header("authorization", &bearer));
        let arrival = sim.last().unwrap();
        assert_eq!(arrival.path, arrives, "{answer:?}");
        assert_eq!(credentials(&arrival), pair("authorization", &bearer));
    }
    // With the native header the same path is the native one.
    let native = potluck.get("/v1/models", Some(&key(1)));
    assert!(native.json()["models"].is_array(), "{native:?}");
    assert_eq!(sim.last().unwrap().path, "/v1/models");
}

#[test]
fn a_native_path_without_a_version_means_v1beta() {
    let sim = sim(1);
    let potluck = Potluck::start(&sim);

    let ask = Ask::post(&format!("/models/{MODEL}:generateContent"));
    let answer = potluck.ask(ask.header("x-goog-api-key", &key(1)).json(&prompt("x")));

    assert_eq!(answer.status, 200, "{answer:?}");
    let wanted = format!("/v1beta/models/{MODEL}:generateContent");
    assert_eq!(sim.last().unwrap().path, wanted);
}
