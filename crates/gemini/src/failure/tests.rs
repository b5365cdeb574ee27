//! The facts of every recorded error.
#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

/// Every sample of an error answer, as it stands in the data file of this crate.
fn samples() -> Vec<(String, u16, Value)> {
    let all: Value = serde_json::from_str(include_str!("../../data/gemini-errors.json")).unwrap();
    let sample = |one: &Value| {
        let status = one["http_status"].as_u64().unwrap_or(0) as u16;
        (one["name"].as_str().unwrap().to_owned(), status, one["body"].clone())
    };
    all.as_array().unwrap().iter().map(sample).collect()
}

fn sample(name: &str) -> Failure {
    let (_, status, body) = samples().into_iter().find(|(found, ..)| found == name).unwrap();
    match body {
        Value::String(text) => read(status, None, text.as_bytes()),
        other => read(status, None, other.to_string().as_bytes()),
    }
}

#[test]
fn every_sample_is_readable() {
    for (name, status, body) in samples() {
        if status < 400 {
            continue;
        }
        let failure = sample(&name);
        assert_eq!(failure.html, name == "html_sorry_page", "{name}");
        assert_eq!(failure.readable, !failure.html, "{name}");
        let error = if body.is_array() { &body[0]["error"] } else { &body["error"] };
        let message = error["message"].as_str().unwrap_or_default();
        assert_eq!(failure.message, message, "{name}");
        let reason = error["details"].as_array().into_iter().flatten();
        let reason = reason.filter_map(|detail| detail["reason"].as_str()).next();
        assert_eq!(failure.reason.as_deref(), reason, "{name}");
        assert_eq!(failure.code.is_some(), name.starts_with("interactions") || status == 402);
    }
}

#[test]
fn a_suspended_project_is_named() {
    let failure = sample("consumer_suspended_2026");
    assert_eq!(failure.reason.as_deref(), Some("CONSUMER_SUSPENDED"));
    assert_eq!(failure.consumer.as_deref(), Some("projects/123456789012"));
}

#[test]
fn quotas_come_with_window_limit_and_delay() {
    for name in ["quota_free_per_day", "openai_compat_quota"] {
        let failure = sample(name);
        assert_eq!(failure.quotas.len(), 1, "{name}");
        assert!(failure.quotas[0].id.contains("PerDay"), "{name}");
        assert_eq!(failure.quotas[0].limit, Some(20), "{name}");
        assert_eq!(failure.quotas[0].model.as_deref(), Some("gemini-3.5-flash"), "{name}");
        assert_eq!(failure.retry_delay, Some(Duration::from_secs(38)), "{name}");
    }
    let failure = sample("quota_free_per_minute_tokens");
    assert_eq!(failure.quotas[0].limit, Some(250_000));
}

#[test]
fn a_limit_of_zero_is_known_with_and_without_its_lines() {
    for name in ["quota_limit_zero", "quota_free_three_violations_retryinfo"] {
        let failure = sample(name);
        assert!(failure.quotas.len() > 2, "{name}");
        assert!(failure.quotas.iter().all(|quota| quota.limit == Some(0)), "{name}");
    }
}

#[test]
fn one_quota_without_a_limit_stays_unknown() {
    let body = br#"{"error":{"code":429,"message":"x","status":"RESOURCE_EXHAUSTED","details":[
        {"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"XPerDay"}]}]}}"#;
    assert_eq!(read(429, None, body).quotas[0].limit, None);
}

#[test]
fn two_quotas_of_one_window_may_well_run_out_together() {
    let body = br#"{"error":{"code":429,"message":"x","status":"RESOURCE_EXHAUSTED","details":[
        {"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[
        {"quotaId":"RequestsPerMinute"},{"quotaId":"InputTokensPerMinute"}]}]}}"#;
    assert!(read(429, None, body).quotas.iter().all(|quota| quota.limit.is_none()));
}

#[test]
fn the_older_gateway_shape_is_a_quota_too() {
    let body = br#"{"error":{"code":429,"message":"x","status":"RESOURCE_EXHAUSTED","details":[
        {"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"RATE_LIMIT_EXCEEDED","domain":"googleapis.com",
        "metadata":{"consumer":"projects/1","quota_limit":"RequestsPerMinute","quota_metric":"m","quota_limit_value":"0"}}]}}"#;
    let failure = read(429, None, body);
    assert_eq!(failure.quotas[0].limit, Some(0));
    assert_eq!(failure.quotas[0].id, "RequestsPerMinute");
}

#[test]
fn a_reason_of_another_domain_is_none() {
    let body = br#"{"error":{"details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo",
        "reason":"API_KEY_INVALID","domain":"example.com","metadata":{"consumer":"projects/1"}}]}}"#;
    let failure = read(400, None, body);
    assert_eq!((failure.reason, failure.consumer), (None, None));
}

#[test]
fn a_delay_is_found_in_the_message_of_a_quota_alone() {
    let body = |status: &str| {
        format!(r#"{{"error":{{"message":"Please retry in 1.5s.","status":"{status}"}}}}"#)
    };
    let found = read(429, None, body("RESOURCE_EXHAUSTED").as_bytes());
    assert_eq!(found.retry_delay, Some(Duration::from_millis(1500)));
    let other = read(400, None, body("INVALID_ARGUMENT").as_bytes());
    assert_eq!(other.retry_delay, None);
}

#[test]
fn pages_and_strange_bodies_are_no_errors_of_ours() {
    assert!(read(429, Some(b"text/html; charset=UTF-8"), b"sorry").html);
    assert!(read(503, None, b"\n <html>").html);
    let cases: [&[u8]; 6] = [b"", b"{}", b"[]", b"null", b"{\"error\":\"x\"}", b"[[[["];
    for body in cases {
        let failure = read(500, None, body);
        assert!(!failure.readable && !failure.html && failure.message.is_empty());
    }
    let long = format!(r#"{{"error":{{"message":"{}"}}}}"#, "x".repeat(BODY_MAX));
    assert!(!read(500, None, long.as_bytes()).readable);
}

#[test]
fn a_late_error_brings_its_own_status() {
    let failure = read_late(br#"{"error":{"code":499,"message":"m","status":"CANCELLED"}}"#);
    assert_eq!(failure.status, 499);
    assert_eq!(read_late(b"?").status, 500);
}

#[test]
fn close_frames_are_errors() {
    let cases = [
        (1007, "API key expired. Please renew the API key.", 400),
        (1008, "models/x is not found", 403),
        (1011, "You exceeded your current quota, please check your plan and", 429),
        (1011, "Internal error encountered.", 500),
        (1012, "", 503),
    ];
    for (code, reason, status) in cases {
        let failure = read_close(code, reason);
        assert_eq!((failure.status, failure.message.as_str()), (status, reason));
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(body: Vec<u8>, kind: Option<Vec<u8>>) {
        read(500, kind.as_deref(), &body);
    }
}
