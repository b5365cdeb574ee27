//! A caller can make Google refuse and quote whatever they like: no key suffers, and each request
//! costs one.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::raw::{Answer, Ask};
use common::serving::{MODEL, Potluck, generate, key, keys_seen, prompt, sim, stream};
use gemini_sim::samples::{self, Sample};
use gemini_sim::{Act, Rule, Sim};
use serde_json::{Value, json};

/// So many requests, as the promise says.
const REQUESTS: usize = 1000;
/// A probe of a doubted key would be on its way by then.
const PROBES: Duration = Duration::from_millis(500);
const HTML: &str = "text/html; charset=UTF-8";
const JSON: &str = "application/json; charset=UTF-8";
const INFO: &str = "type.googleapis.com/google.rpc.ErrorInfo";

#[test]
fn a_thousand_refused_requests_leave_every_key_in_service_and_cost_a_thousand_attempts() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);
    let all = samples::all();
    let asks = asks();
    assert_ne!(all.len() % QUOTING.len(), 0, "the requests would meet few of the pairs");
    for n in 0..REQUESTS {
        let (way, sample) = (n % QUOTING.len(), &all[n % all.len()]);
        let (status, kind, body) = QUOTING[way](sample);
        refuse(&sim, status, kind, body);

        let answer = potluck.ask(asks[n % asks.len()].clone());

        let what = format!("request {n}, way {way}, {}: {answer:?}", sample.name);
        assert_eq!((answer.status, answer.attempts()), (status, 1), "{what}");
        assert!(!names_a_key(&answer), "{what}");
        assert!(answer.error().is_object(), "an error that SDKs can read: {what}");
    }
    std::thread::sleep(PROBES);
    assert_eq!(sim.counters().requests, REQUESTS as u64);
    assert_all_serve(&sim, &potluck);
}

#[test]
fn a_page_instead_of_an_answer_blames_no_key() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);
    for (status, sample) in [400, 403, 404].into_iter().zip(samples::all()).cycle().take(30) {
        let page = format!("<!DOCTYPE html><html><b>{}</b></html>", message(sample));
        refuse(&sim, status, HTML, page.into());

        let answer = potluck.generate(&key(1), "hello");

        assert!((400..=503).contains(&answer.status), "{answer:?}");
        assert_eq!(answer.attempts(), 1);
        assert!(!answer.text().contains("html"), "{answer:?}");
    }
    std::thread::sleep(PROBES);
    assert_eq!(sim.counters().requests, 30);
    assert_all_serve(&sim, &potluck);
}

#[test]
fn words_of_another_status_or_place_are_no_marks() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);
    let told = |message: &str| json!({ "error": { "code": 0, "message": message } });
    let word = |word: &str| json!({ "error": { "code": word, "message": "x" } });
    let leaked = "Your API key was reported as leaked. Please use another API key.";
    let denied = "Your project has been denied access. Please contact support.";
    let spent = "Resource has been exhausted (e.g. check quota).";
    let cases = [
        (404, told("API key not valid. Please pass a valid API key.")),
        (403, told("API key expired. Please renew the API key.")),
        (400, told(leaked)),
        (404, told(leaked)),
        (400, told(denied)),
        (400, told(spent)),
        (403, told(spent)),
        (404, told("Your prepayment credits are depleted.")),
        (403, told("Your project has exceeded its monthly spending cap.")),
        (404, told("The caller does not have permission")),
        (400, word("authentication")),
        (403, word("authentication")),
        (400, word("payment_required")),
        (404, word("permission_denied")),
        (400, word("quota_exceeded")),
        (404, word("rate_limit_exceeded")),
    ];
    let asked = cases.len() as u64;
    for (status, body) in cases {
        refuse(&sim, status, JSON, body.clone());

        let answer = potluck.generate(&key(1), "hello");

        assert_eq!((answer.status, answer.attempts()), (status, 1), "{body}");
    }
    std::thread::sleep(PROBES);
    assert_eq!(sim.counters().requests, asked);
    assert_all_serve(&sim, &potluck);
}

/// A way to make Google quote: the status, the content type, the body.
type Quoting = fn(&Sample) -> (u16, &'static str, Value);

const QUOTING: [Quoting; 11] = [
    |s| (400, JSON, error(400, &format!("Invalid value at 'contents': \"{}\"", message(s)), &[])),
    |s| (404, JSON, error(404, &format!("models/{} is not found", message(s)), &[])),
    |s| {
        let told = "You do not have permission to access the File";
        (403, JSON, error(403, &format!("{told} {} or it may not exist.", message(s)), &[]))
    },
    |s| (400, JSON, error(400, &format!("{} (quoted)", message(s)), &[])),
    |s| (400, JSON, error(400, &body(s), &[])),
    |s| {
        let field = json!({ "field": message(s), "description": body(s) });
        let kind = "type.googleapis.com/google.rpc.BadRequest";
        (400, JSON, error(400, "bad", &[json!({ "@type": kind, "fieldViolations": [field] })]))
    },
    |s| {
        let info = json!({ "@type": INFO, "reason": reason(s), "domain": "example.com",
            "metadata": { "service": body(s), "domain": "googleapis.com", "reason": reason(s) } });
        (403, JSON, error(403, &format!("It says: {}", message(s)), &[info]))
    },
    |s| {
        let help = json!({ "@type": "type.googleapis.com/google.rpc.Help",
            "reason": reason(s), "domain": "googleapis.com", "message": message(s) });
        let debug = json!({ "@type": "type.googleapis.com/google.rpc.DebugInfo",
            "detail": body(s), "reason": reason(s), "domain": "googleapis.com" });
        (404, JSON, error(404, "none such", &[help, debug]))
    },
    |s| {
        let quota = json!({ "@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [
            { "quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaValue": "0" },
            { "quotaId": "GenerateContentInputTokensPerModelPerMinute-FreeTier" }] });
        let retry = json!({ "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": "3600s" });
        (400, JSON, error(400, &format!("> {}", message(s)), &[quota, retry]))
    },
    |s| {
        let inner =
            json!({ "code": 403, "message": "none", "error": s.body["error"], "errors": [s.body] });
        (403, JSON, json!({ "error": inner, "details": s.body["error"]["details"] }))
    },
    |s| (404, HTML, format!("<html><title>Error 404</title>{}", body(s)).into()),
];

fn error(code: u16, message: &str, details: &[Value]) -> Value {
    json!({ "error": { "code": code, "message": message, "status": "X", "details": details } })
}

fn body(sample: &Sample) -> String {
    sample.body.as_str().map_or_else(|| sample.body.to_string(), str::to_owned)
}

fn message(sample: &Sample) -> String {
    let body = if sample.body.is_array() { &sample.body[0] } else { &sample.body };
    let said = body["error"]["message"].as_str().or(body["reason"].as_str());
    said.unwrap_or("API_KEY_INVALID CONSUMER_SUSPENDED").to_owned()
}

/// A reason that would be one, were it Google's.
fn reason(sample: &Sample) -> String {
    let details = sample.body["error"]["details"].as_array().cloned().unwrap_or_default();
    let reason = details.iter().find_map(|detail| detail["reason"].as_str());
    reason.unwrap_or("API_KEY_INVALID").to_owned()
}

/// The next request meets this.
fn refuse(sim: &Sim, status: u16, kind: &str, body: Value) {
    let headers = vec![("content-type".to_owned(), kind.to_owned())];
    sim.rule(Rule::next(1, Act::Answer { status, headers, body }));
}

/// One request of each kind, shown with one key.
fn asks() -> Vec<Ask> {
    let mine = |ask: Ask| ask.header("x-goog-api-key", &key(1));
    let content = json!({ "content": { "parts": [{ "text": "x" }] } });
    let cached = json!({ "contents": [], "cachedContent": "cachedContents/mine" });
    let chat = json!({ "model": MODEL, "messages": [{ "role": "user", "content": "hello" }] });
    let talk = json!({ "model": MODEL, "input": "hello" });
    vec![
        generate(&key(1), "hello"),
        stream(&key(1), "hello"),
        mine(Ask::post(&format!("/v1/models/{MODEL}:countTokens")).json(&prompt("hello"))),
        mine(Ask::post("/v1beta/models/gemini-embedding-001:embedContent").json(&content)),
        mine(Ask::post("/v1beta/openai/chat/completions").json(&chat)),
        mine(Ask::post("/v1/chat/completions").json(&chat)),
        mine(Ask::get("/v1beta/models")),
        mine(Ask::get("/v1beta/models/none-such")),
        mine(Ask::get("/v1beta/files/somebodys")),
        mine(Ask::post(&format!("/v1beta/models/{MODEL}:generateContent")).json(&cached)),
        generate(&key(1), "hello").header("x-potluck-route", "own"),
        mine(Ask::post("/v1beta/models/none-such:generateContent").json(&prompt("hello"))),
        mine(Ask::post("/v1beta/interactions").json(&talk)),
        mine(Ask::post("/v1beta/none/such").json(&json!({}))),
        mine(Ask::post("/upload/v1beta/files").header("x-goog-upload-command", "start")),
        mine(Ask::new("DELETE", "/v1beta/cachedContents/somebodys")),
    ]
}

fn names_a_key(answer: &Answer) -> bool {
    let text = answer.text();
    (1..=3).any(|number| text.contains(&key(number)[8..]))
}

fn assert_all_serve(sim: &Sim, potluck: &Potluck) {
    let summary = potluck.get("/pool", None).json();
    assert_eq!(summary["keys"]["serving"], 3, "{summary}");
    for number in 1..=3 {
        let me = potluck.me(&key(number));
        assert_eq!((&me["state"], &me["cooldowns"]), (&json!("active"), &json!([])), "{me}");
    }
    let metrics = potluck.get("/metrics", None).text();
    for line in metrics.lines().filter(|line| line.starts_with("potluck_cooldowns_total")) {
        assert!(line.ends_with(" 0"), "{line}");
    }
    sim.clear_log();
    for _ in 0..3 {
        assert_eq!(potluck.generate(&key(1), "hello").status, 200);
    }
    assert_eq!(keys_seen(sim), BTreeSet::from([key(1), key(2), key(3)]));
}
