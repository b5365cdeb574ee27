//! Bad input gets a clear error in the caller's dialect, and Google sees nothing of it.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::Read;
use std::time::Duration;

use common::raw::{Answer, Ask, Conn};
use common::serving::{MODEL, Potluck, generate, key, prompt, sim, stream};
use gemini_sim::{Act, Rule, Sim, log::fnv};
use serde_json::{Value, json};

/// Sends these bytes; the answer, and whether the connection ended with it.
fn raw(potluck: &Potluck, bytes: &[u8]) -> (Answer, bool) {
    let mut conn = Conn::to(potluck.addr());
    conn.socket().set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    conn.write(bytes);
    let answer = conn.answer();
    (answer, conn.is_closed())
}

fn path() -> String {
    format!("/v1beta/models/{MODEL}:generateContent")
}

/// A request of these lines between the request line and the body.
fn request(lines: &[&str], body: &str) -> Vec<u8> {
    let lines = lines.concat();
    let key = key(1);
    format!("POST {} HTTP/1.1\r\nx-goog-api-key: {key}\r\n{lines}\r\n{body}", path()).into_bytes()
}

fn requests(sim: &Sim) -> u64 {
    sim.counters().requests
}

/// An error of ours: Google's shape, and a word for machines.
fn is_ours(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    let error = answer.error();
    assert_eq!(error["code"], status, "{answer:?}");
    assert!(answer.reason().starts_with("POOL_"), "{answer:?}");
    let info = &error["details"][0];
    assert_eq!(info["@type"], "type.googleapis.com/google.rpc.ErrorInfo");
    assert_eq!(info["domain"], "potluck");
    assert_eq!(answer.header("content-type"), Some("application/json; charset=UTF-8"));
    assert!(answer.header("x-request-id").is_some());
}

#[test]
fn bodies_beyond_the_limit_are_413_with_a_length_or_without() {
    let sim = sim(1);
    let args = ["--max-body=100KB", "--max-kept-bodies=10MB"];
    let potluck = Potluck::with(&sim.url(), &args);
    potluck.join(&sim, [1]);
    let large = "x".repeat(200_000);

    let told = potluck.generate(&key(1), &large);
    is_ours(&told, 413);
    assert_eq!(told.header("x-should-retry"), Some("false"));

    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let lines = ["host: x\r\n", "transfer-encoding: chunked\r\n"];
    let untold = request(&lines, &format!("{}0\r\n\r\n", chunk.repeat(3)));
    is_ours(&raw(&potluck, &untold).0, 413);

    let announced = request(&["host: x\r\n", "content-length: 99999999999\r\n"], "");
    is_ours(&raw(&potluck, &announced).0, 413);
    assert_eq!(requests(&sim), 0);
    let own = Ask::post("/upload/v1beta/files").header("x-goog-api-key", &key(1));
    let own = own.header("x-goog-upload-protocol", "raw").body(large);
    assert_eq!(potluck.ask(own).status, 200, "uploads are not meant");
}

#[test]
fn heads_and_targets_beyond_the_limits_are_431_and_414() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    let many: String = (0..150).map(|n| format!("x-header-{n}: 1\r\n")).collect();
    let wide = format!("x-wide: {}\r\n", "x".repeat(40_000));
    for lines in [many, wide] {
        let (answer, closed) = raw(&potluck, &request(&["host: x\r\n", &lines], ""));
        assert_eq!((answer.status, closed), (431, true));
    }
    for length in [9_000, 70_000] {
        let ask = generate(&key(1), "x").query("pageToken", &"x".repeat(length));
        let (answer, closed) = raw(&potluck, &ask.bytes(potluck.addr()));
        assert!(matches!(answer.status, 414 | 431), "{length}: {}", answer.status);
        assert!(closed);
        if length < 30_000 {
            is_ours(&answer, 414);
        }
    }
    assert_eq!(requests(&sim), 0);
    assert_eq!(potluck.generate(&key(1), "x").status, 200);
}

#[test]
fn one_host_and_only_one() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    let length = "content-length: 2\r\n";
    for lines in [
        vec![length],
        vec!["host: a\r\n", "host: b\r\n", length],
        vec!["host: a\r\n", "host: a\r\n", length],
        vec!["host: \r\n", length],
        vec!["host: a b\r\n", length],
        vec!["host: user@a\r\n", length],
        vec!["host: a/b\r\n", length],
    ] {
        let (answer, closed) = raw(&potluck, &request(&lines, "{}"));
        assert_eq!((answer.status, closed), (400, true), "{lines:?} {answer:?}");
        is_ours(&answer, 400);
    }
    assert_eq!(requests(&sim), 0);
}

#[test]
fn framing_that_two_servers_could_read_apart_reaches_google_as_one_request_or_none() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    let smuggled = format!(
        "0\r\n\r\nGET /v1beta/files HTTP/1.1\r\nhost: x\r\nx-goog-api-key: {}\r\n\r\n",
        key(1)
    );
    for lines in [
        vec!["transfer-encoding: chunked\r\n", "content-length: 5\r\n"],
        vec!["content-length: 5\r\n", "transfer-encoding: chunked\r\n"],
        vec!["transfer-encoding: gzip, chunked\r\n"],
        vec!["transfer-encoding: chunked, identity\r\n"],
        vec!["transfer-encoding: xchunked\r\n"],
        vec!["transfer-encoding: chunked\r\n", "transfer-encoding: chunked\r\n"],
        vec!["transfer-encoding: chunked\r\n", "transfer-encoding: identity\r\n"],
        vec!["transfer-encoding:\x0bchunked\r\n"],
        vec!["transfer-encoding : chunked\r\n"],
        vec!["content-length: 5\r\n", "content-length: 6\r\n"],
        vec!["content-length: 5, 6\r\n"],
        vec!["content-length: +5\r\n"],
        vec!["content_length: 3\r\n", "content-length: 5\r\n"],
    ] {
        sim.clear_log();
        let lines = [vec!["host: x\r\n"], lines].concat();
        let (answer, closed) = raw(&potluck, &request(&lines, &smuggled));
        assert!(closed, "{lines:?} {answer:?}");
        assert!(requests(&sim) <= 1, "{lines:?}: {:?}", sim.log());
        assert_eq!(answer.status, 400, "{lines:?} {answer:?}");
        assert!(sim.log().iter().all(|one| one.method == "POST"), "{lines:?}");
    }
}

#[test]
fn this_is_no_forward_proxy() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    let (connect, closed) =
        raw(&potluck, b"CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n");
    assert_eq!((connect.status, closed), (405, true));
    let line = |target: &str| {
        format!("GET {target} HTTP/1.1\r\nhost: here\r\nx-goog-api-key: {}\r\n\r\n", key(1))
    };
    for target in [
        "http://example.com/v1beta/models",
        "https://generativelanguage.googleapis.com/v1beta/models",
        "ftp://here/v1beta/models",
        "example.com:80",
        "*",
    ] {
        let (answer, closed) = raw(&potluck, line(target).as_bytes());
        assert_eq!((answer.status, closed), (400, true), "{target} {answer:?}");
    }
    assert_eq!(requests(&sim), 0);
    let (own, _) = raw(&potluck, line("http://here/v1beta/models").as_bytes());
    assert_eq!(own.status, 200, "its own absolute form is a path");
}

#[test]
fn unknown_paths_are_404_with_a_hint_and_tricks_with_paths_lead_nowhere() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    for (target, hint) in [
        ("/index.html", "/v1beta/"),
        ("/favicon.ico", "/v1beta/"),
        ("/openai/chat/completions", "/v1beta/openai"),
        ("/v1/messages", "/v1beta/openai/chat/completions"),
        ("/v1beta/v1beta/models/x:generateContent", "twice"),
        ("/v1/projects/p/locations/l/publishers/google/models/m:generateContent", "Vertex"),
        ("/poolx", "/v1beta/"),
        ("/v2/models", "/v1beta/"),
    ] {
        let answer = potluck.ask(Ask::post(target).header("x-goog-api-key", &key(1)));
        is_ours(&answer, 404);
        let message = answer.error()["message"].as_str().unwrap().to_owned();
        assert!(message.contains(hint), "{target}: {message}");
        assert_eq!(answer.header("x-should-retry"), Some("false"));
    }
    for target in [
        "/v1beta/../etc/passwd",
        "/v1beta/models/../../x",
        "/v1beta/%2e%2e/x",
        "/v1beta/models/..%2f..%2fx:generateContent",
        "/v1beta/models/a\\b:generateContent",
        "/v1beta/./models",
        "/v1beta/models/%00:generateContent",
        "/v1beta/models/%0d%0ax:generateContent",
    ] {
        let answer = potluck.ask(Ask::get(target).header("x-goog-api-key", &key(1)));
        assert!(matches!(answer.status, 400 | 404), "{target} {answer:?}");
    }
    assert_eq!(requests(&sim), 0, "{:?}", sim.log());
}

#[test]
fn every_dialect_reads_its_own_kind_of_error() {
    let sim = sim(0);
    let potluck = Potluck::start(&sim);
    let chat = Ask::post("/v1beta/openai/chat/completions").json(&json!({ "model": MODEL }));

    let native = potluck.ask(Ask::post(&path()));
    let compat = potluck.ask(chat);
    let alias = potluck.ask(Ask::post("/v1/chat/completions").json(&json!({})));
    let unknown = potluck.ask(Ask::post("/v1beta/openai/responses"));
    let interactions = potluck.ask(Ask::post("/v1beta/interactions").json(&json!({})));

    assert!(native.json()["error"]["code"].is_u64());
    for answer in [&compat, &alias, &unknown] {
        assert!(answer.json()[0]["error"]["code"].is_u64(), "{answer:?}");
    }
    assert_eq!(interactions.status, 403);
    assert_eq!(interactions.json()["error"]["code"], "permission_denied", "{interactions:?}");
    for answer in [native, compat, alias, unknown, interactions] {
        assert_eq!(answer.header("x-should-retry"), Some("false"), "{answer:?}");
    }
}

#[test]
fn googles_errors_go_back_without_keys_projects_and_addresses() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    for sample in [
        "invalid_key_with_debuginfo",
        "consumer_suspended_2026",
        "service_disabled",
        "api_key_service_blocked",
        "api_key_ip_address_blocked",
        "quota_old_gateway",
        "billing_disabled",
        "location_unsupported_with_debuginfo",
    ] {
        for own in [true, false] {
            sim.clear_rules();
            sim.rule(Rule::next(1, Act::Sample(sample.into())));
            let way = if own { "own" } else { "pool" };
            let answer = potluck.ask(generate(&key(1), "x").header("x-potluck-route", way));
            let text = answer.text();
            assert!(answer.status >= 400, "{sample}");
            for secret in [key(1).as_str(), "12345678", "projects/1", "DebugInfo", "127.0.0.1"] {
                assert!(!text.contains(secret), "{sample} {way} {secret}: {text}");
            }
            potluck.ask(generate(&key(1), "revive me"));
        }
    }
}

#[test]
fn what_a_retry_helps_against_says_when_and_the_rest_says_that_it_does_not() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    sim.rule(Rule::next(1, Act::Sample("quota_free_per_minute_tokens".into())));
    potluck.generate(&key(1), "x");

    let resting = potluck.generate(&key(1), "x");
    is_ours(&resting, 429);
    assert!(resting.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(resting.header("x-should-retry"), None);

    sim.rule(Rule::always(Act::CutBeforeHead { rst: true }));
    let own = generate(&key(1), "x").header("x-potluck-route", "own");
    let nothing = potluck.ask(own);
    is_ours(&nothing, 502);
    assert_eq!(nothing.header("x-should-retry"), None);
}

#[test]
fn bodies_are_taken_in_only_while_there_is_room_for_them() {
    let sim = sim(1);
    let args = ["--max-body=400KB", "--max-kept-bodies=1000KB", "--trusted-proxy=127.0.0.1/32"];
    let potluck = Potluck::with(&sim.url(), &args);
    potluck.join(&sim, [1]);
    let body = prompt(&"x".repeat(300_000)).to_string();
    let ask = |from: &str| {
        let ask = Ask::post(&path()).header("x-goog-api-key", &key(1));
        ask.header("x-forwarded-for", from).body(body.as_bytes())
    };
    let whole = ask("192.0.2.1").bytes(potluck.addr());
    let half = |from: &str| {
        let mut conn = Conn::to(potluck.addr());
        conn.write(&ask(from).bytes(potluck.addr())[..whole.len() - 1000]);
        std::thread::sleep(Duration::from_millis(100));
        conn
    };
    let mut first = half("192.0.2.1");

    let same = potluck.ask(ask("192.0.2.1"));
    is_ours(&same, 503);
    assert_eq!(same.reason(), "POOL_BUSY");
    assert!(same.header("retry-after").is_some());
    let (_second, _third) = (half("192.0.2.2"), half("192.0.2.3"));
    assert_eq!(potluck.ask(ask("192.0.2.4")).reason(), "POOL_BUSY", "all is taken");

    first.write(&whole[whole.len() - 1000..]);
    assert_eq!(first.answer().status, 200, "who was let in is served");
    assert_eq!(potluck.ask(ask("192.0.2.1")).status, 200, "and makes room");
}

#[test]
fn chunked_bodies_and_expectations_are_served() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    let body = prompt("in pieces").to_string();
    let chunks: String = body
        .as_bytes()
        .chunks(3)
        .map(|piece| format!("{:x}\r\n{}\r\n", piece.len(), String::from_utf8_lossy(piece)))
        .collect();
    let lines = ["host: x\r\n", "transfer-encoding: chunked\r\n", "connection: close\r\n"];
    let (answer, _) = raw(&potluck, &request(&lines, &format!("{chunks}0\r\n\r\n")));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(sim.last().unwrap().body_hash, fnv(body.as_bytes()));

    let mut conn = Conn::to(potluck.addr());
    let length = format!("content-length: {}\r\n", body.len());
    conn.write(&request(&["host: x\r\n", &length, "expect: 100-continue\r\n"], ""));
    let mut told = [0; 25];
    conn.socket().read_exact(&mut told).unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    conn.write(body.as_bytes());
    assert_eq!(conn.answer().status, 200);
}

#[test]
fn an_upstream_that_frames_badly_is_not_believed_and_not_used_again() {
    for act in [
        Act::BothLengths,
        Act::StrangeEncoding,
        Act::HeaderBomb { kb: 2000 },
        Act::LengthTooShort,
        Act::Informational { count: 5 },
    ] {
        let sim = sim(1);
        let potluck = Potluck::joined(&sim, 1);
        for ask in [generate(&key(1), "x"), stream(&key(1), "[[long 50]]")] {
            sim.clear_rules();
            sim.rule(Rule::next(1, act.clone()));
            let answer = potluck.ask(ask);
            // Its whole self, an honest error, or an abort: never a part that looks whole.
            let complete = answer.status == 200 && answer.text().contains("finishReason");
            let short = matches!(act, Act::LengthTooShort);
            assert!(
                complete || short || answer.status == 502 || !answer.whole,
                "{act:?} {answer:?}"
            );
            let next = potluck.generate(&key(1), "y");
            assert_eq!(next.status, 200, "{act:?} {next:?}");
            assert!(next.text().contains("You said: y"), "{act:?} {next:?}");
        }
    }
}

#[test]
fn our_pages_take_their_methods_alone() {
    let sim = sim(0);
    let potluck = Potluck::start(&sim);
    for page in ["/keycount", "/badge.svg", "/pool", "/healthz", "/readyz", "/metrics"] {
        is_ours(&potluck.ask(Ask::post(page)), 405);
        is_ours(&potluck.ask(Ask::new("DELETE", page)), 405);
    }
    let text: Value = potluck.ask(Ask::post("/keycount")).json();
    assert!(text["error"]["message"].is_string());
}
