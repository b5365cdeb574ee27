//! What goes over the wire: placement of credentials, framing of streams, quotas, faults.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use gemini_sim::{Act, Form, KeyState, Limits, Rule, Tier};
use support::{ASK, AUTH, GENERATE, KEY, STREAM, ask, open, sim, with_key};

#[test]
fn keys_are_taken_where_google_takes_them() {
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], u16, &'a str);
    let sim = sim();
    let header = |key: &'static str| ("x-goog-api-key", key);
    let bearer = format!("Bearer {KEY}");
    let bearer = ("authorization", bearer.as_str());
    let in_query = format!("{GENERATE}?key={KEY}");
    let auth_in_query = format!("{GENERATE}?key={AUTH}");
    let chat = "/v1beta/openai/chat/completions";
    let chat_in_query = format!("{chat}?key={KEY}");
    let body = r#"{"model":"gemini-2.5-flash","messages":[{"role":"user","content":"hi"}]}"#;
    let table: &[Row<'_>] = &[
        (GENERATE, &[header(KEY)], 200, ""),
        (GENERATE, &[header(AUTH)], 200, ""),
        (&in_query, &[], 200, ""),
        (&auth_in_query, &[], 401, "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        (GENERATE, &[bearer], 401, "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        (GENERATE, &[bearer, header(KEY)], 401, "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        (&in_query, &[header(KEY)], 401, "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        (GENERATE, &[], 403, "unregistered callers"),
        (GENERATE, &[("x-goog-api-key", "")], 403, "unregistered callers"),
        (GENERATE, &[("x-api-key", KEY)], 403, "unregistered callers"),
        (chat, &[bearer], 200, ""),
        (chat, &[bearer, header(KEY)], 400, "Multiple authentication credentials"),
        (&chat_in_query, &[], 400, "Missing or invalid Authorization header."),
        (chat, &[], 403, "unregistered callers"),
    ];
    for (target, headers, status, text) in table {
        let body = if target.starts_with(chat) { body } else { ASK };
        let got = ask(&sim, "POST", target, headers, body.as_bytes());
        assert_eq!(got.status, *status, "{target} {headers:?}: {}", got.text());
        assert!(got.text().contains(text), "{target} {headers:?}: {}", got.text());
        assert_eq!(got.json().is_array(), target.starts_with(chat) && got.status != 200);
    }
}

#[test]
fn bad_keys_are_refused_with_the_key_in_the_answer_where_google_echoes_it() {
    let sim = sim();
    for (state, status, text) in [
        (KeyState::Invalid, 400, KEY),
        (KeyState::Suspended, 403, KEY),
        (KeyState::Suspended, 403, "projects/1001"),
        (KeyState::Leaked, 403, "reported as leaked"),
        (KeyState::Blocked(Some("generateContent".into())), 403, "Service.GenerateContent"),
        (KeyState::Sample("spending_cap".into()), 429, "spending cap"),
    ] {
        assert!(sim.set_state(KEY, state.clone()));
        let got = with_key(&sim, KEY, "POST", GENERATE, ASK);
        assert_eq!(got.status, status, "{state}");
        assert!(got.text().contains(text), "{state}: {}", got.text());
    }
    assert!(sim.set_state(KEY, KeyState::Good));
    assert_eq!(with_key(&sim, KEY, "POST", GENERATE, ASK).status, 200);
}

#[test]
fn streams_are_framed_as_google_frames_them() {
    let sim = sim();
    let long = r#"{"contents":[{"parts":[{"text":"one two three four five six seven"}]}]}"#;

    let events = with_key(&sim, KEY, "POST", STREAM, long);
    let array = with_key(&sim, KEY, "POST", STREAM.trim_end_matches("?alt=sse"), long);

    assert_eq!(events.header("content-type"), Some("text/event-stream"));
    let text = events.text();
    let parts: Vec<&str> = text.split_terminator("\r\n\r\n").collect();
    assert!(parts.len() > 1 && parts.iter().all(|part| part.starts_with("data: {")), "{text}");
    assert!(parts.last().unwrap().contains("finishReason"));
    assert!(array.text().starts_with("[{") && array.text().contains("}\n,\r\n{"));
    assert_eq!(array.json().as_array().unwrap().len(), parts.len());
}

#[test]
fn quotas_are_counted_by_project_and_model_and_told_as_google_tells_them() {
    let sim = sim();
    sim.set_limits(1_001, "gemini-2.5-flash", Limits { rpm: Some(2), ..Limits::NONE });
    let status = |key| with_key(&sim, key, "POST", GENERATE, ASK).status;

    assert_eq!([status(KEY), status(AUTH), status(KEY)], [200, 200, 429], "one project");
    assert_eq!(status(support::OTHER), 200, "another project");
    let got = with_key(&sim, KEY, "POST", GENERATE, ASK).json();
    let violation = &got["error"]["details"][1]["violations"][0];
    assert_eq!(violation["quotaId"], "GenerateRequestsPerMinutePerProjectPerModel-FreeTier");
    assert_eq!(violation["quotaValue"], "2");
    sim.advance(Duration::from_secs(61));
    assert_eq!(status(KEY), 200);
}

#[test]
fn models_outside_the_free_tier_have_a_limit_of_zero() {
    let sim = sim();
    sim.add_key(gemini_sim::Key::new(KEY, 1_003).tier(Tier::Free));

    let target = "/v1beta/models/gemini-3-pro-preview:generateContent";
    let got = with_key(&sim, KEY, "POST", target, ASK);

    assert_eq!(got.status, 429);
    let violations = got.json()["error"]["details"][1]["violations"].clone();
    assert_eq!(violations[0]["quotaDimensions"]["model"], "gemini-3-pro");
    assert!(violations[0].get("quotaValue").is_none());
    assert!(got.text().contains("limit: 0, model: gemini-3-pro"));
}

#[test]
fn thought_signatures_belong_to_projects() {
    let sim = sim();
    let target = "/v1beta/models/gemini-3.5-flash:generateContent";
    let first = with_key(&sim, KEY, "POST", target, ASK).json();
    let said = first["candidates"][0]["content"].clone();
    assert!(said["parts"][0]["thoughtSignature"].is_string());
    let more = serde_json::json!({"role": "user", "parts": [{"text": "go on"}]});
    let turn = serde_json::json!({"contents": [said, more]}).to_string();

    assert_eq!(with_key(&sim, KEY, "POST", target, &turn).status, 200);
    let got = with_key(&sim, support::OTHER, "POST", target, &turn);
    assert_eq!(got.json()["error"]["message"], "Corrupted thought signature.");
}

#[test]
fn faults_happen_as_ordered() {
    let sim = sim();
    let next = |act| sim.rule(Rule::next(1, act));
    let asked = || with_key(&sim, KEY, "POST", STREAM, ASK);
    let long = r#"{"contents":[{"parts":[{"text":"one two three four five six seven"}]}]}"#;

    next(Act::Sample("high_demand".into()));
    assert_eq!(asked().status, 503);
    next(Act::CutBeforeHead { rst: true });
    assert_eq!(asked().status, 0);
    next(Act::CutBody { after: 1, rst: false });
    let got = with_key(&sim, KEY, "POST", STREAM, long);
    assert!(!got.whole && got.text().matches("data: ").count() == 1, "{got:?}");
    next(Act::MidStream { after: 1, sample: "high_demand".into(), form: Form::Bare });
    assert!(asked().text().contains("\r\n\r\n{\n  \"error\""));
    next(Act::EndBody { after: 1 });
    let got = with_key(&sim, KEY, "POST", STREAM, long);
    assert!(got.whole && !got.text().contains("finishReason"));
    next(Act::BothLengths);
    let got = asked();
    assert!(got.header("content-length").is_some() && got.header("transfer-encoding").is_some());
    next(Act::LengthTooLong);
    assert!(!asked().whole);
    next(Act::HeaderBomb { kb: 64 });
    assert!(asked().head.len() > 64_000);
    next(Act::SilentClose);
    let got = asked();
    assert!(got.whole && got.header("connection").is_none());
    next(Act::Redirect { to: "https://elsewhere/".into(), status: 302 });
    assert_eq!(asked().header("location"), Some("https://elsewhere/"));
    assert!(sim.wait_until(Duration::from_secs(1), |c| c.in_flight == 0 && c.aborted == 0));
    assert_eq!(asked().status, 200, "rules are used up");
}

#[test]
fn scripted_errors_take_the_shape_of_the_route() {
    let sim = sim();
    sim.next_sample(3, "quota_free_per_day");
    let bearer = format!("Bearer {KEY}");
    let chat = "/v1beta/openai/chat/completions";
    let compat = ask(&sim, "POST", chat, &[("authorization", &bearer)], b"{}").json();
    assert_eq!(compat[0]["error"]["code"], 429);
    let interactions = with_key(&sim, KEY, "POST", "/v1beta/interactions", "{}").json();
    assert_eq!(interactions["error"]["code"], "quota_exceeded");
    assert_eq!(with_key(&sim, KEY, "POST", STREAM, ASK).json()["error"]["code"], 429);
    let unknown = with_key(&sim, "AIzaSyUnknown", "POST", "/v1beta/interactions", "{}");
    assert_eq!((unknown.status, &unknown.json()["error"]["code"]), (401, &"authentication".into()));
}

#[test]
fn the_log_says_what_arrived_and_who_left() {
    let sim = sim();
    sim.rule(Rule::next(1, Act::StallHead));

    drop(open(&sim, "POST", GENERATE, &[("x-goog-api-key", KEY), ("x-odd", "1")], ASK.as_bytes()));

    assert!(sim.wait_until(Duration::from_secs(2), |c| c.aborted == 1 && c.in_flight == 0));
    let seen = sim.last().unwrap();
    assert_eq!((seen.path.as_str(), seen.key.as_deref()), (GENERATE, Some(KEY)));
    assert_eq!((seen.header("x-odd"), seen.body_head.as_str()), (Some("1"), ASK));
    assert!(seen.aborted_ms.is_some() && seen.status.is_none());
    assert_eq!(sim.counters().by_key[KEY], 1);
}

#[test]
fn it_is_steered_over_http() {
    let sim = sim();
    let control = |method, path: &str, body: &str| ask(&sim, method, path, &[], body.as_bytes());
    let added = control("POST", "/sim/keys", r#"{"key":"AIzaNew","project":7,"tier":"free"}"#);
    assert_eq!(added.status, 200, "{}", added.text());
    assert_eq!(with_key(&sim, "AIzaNew", "POST", GENERATE, ASK).status, 200);

    let both = control("POST", "/sim/keys", r#"[{"key":"AIzaOne"},{"key":"AIzaTwo"}]"#);
    assert_eq!(both.status, 200, "a list too: {}", both.text());

    control("PATCH", "/sim/keys", r#"{"key":"AIzaNew","state":"leaked"}"#);
    assert_eq!(with_key(&sim, "AIzaNew", "POST", GENERATE, ASK).status, 403);
    let typo = control("POST", "/sim/rules", r#"{"wen":{},"do":"stall_head"}"#);
    assert_eq!(typo.status, 400);
    control("POST", "/sim/rules", r#"{"times":1,"do":{"sample":"internal_error"}}"#);
    assert_eq!(with_key(&sim, KEY, "POST", GENERATE, ASK).status, 500);
    assert_eq!(control("GET", "/sim/log", "").json().as_array().unwrap().len(), 3);
    control("POST", "/sim/reset", "");
    assert_eq!(with_key(&sim, "AIzaNew", "POST", GENERATE, ASK).status, 400);
}

#[test]
fn gzip_comes_to_who_accepts_it() {
    let keys = [gemini_sim::Key::new(KEY, 1)];
    let config = gemini_sim::Config { gzip: true, ..gemini_sim::Config::default() }.keys(keys);
    let sim = gemini_sim::Sim::start(config).unwrap();
    let accepts = [("x-goog-api-key", KEY), ("accept-encoding", "gzip, deflate")];

    let got = ask(&sim, "POST", GENERATE, &accepts, ASK.as_bytes());

    assert_eq!(got.header("content-encoding"), Some("gzip"));
    assert_eq!(got.body[..2], [0x1f, 0x8b]);
    assert_eq!(with_key(&sim, KEY, "POST", GENERATE, ASK).header("content-encoding"), None);
}
