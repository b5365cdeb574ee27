//! What must not be left in an error.
#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;
use serde_json::Value;

const KEY: &str = "AIzaSyA0123456789abcdefghijklmnopqrstuvw";

fn text(body: &str) -> String {
    let key = ApiKey::parse("AQ.Ab8RN6KxAmple-of_an.auth-key-made-up-here-0001").unwrap();
    String::from_utf8(redact(400, Dialect::Native, body.as_bytes(), &[&key])).unwrap()
}

fn message(message: &str) -> String {
    let body = serde_json::json!({"error": {"message": message}}).to_string();
    let out: Value = serde_json::from_str(&text(&body)).unwrap();
    out["error"]["message"].as_str().unwrap().to_owned()
}

#[test]
fn no_sample_keeps_a_key_a_project_or_an_address() {
    let all: Value = serde_json::from_str(include_str!("../../data/gemini-errors.json")).unwrap();
    for sample in all.as_array().unwrap() {
        let body = &sample["body"];
        let raw = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
        let out = text(&raw);
        let secrets = [
            "AIza",
            "12345678",
            "203.0.113.7",
            "key1234",
            "DebugInfo",
            "containerInfo",
            "consumer\"",
        ];
        for secret in secrets {
            assert!(!out.contains(secret), "{}: {secret} in {out}", sample["name"]);
        }
    }
}

#[test]
fn what_clients_act_on_stays_as_it_is() {
    let all: Value = serde_json::from_str(include_str!("../../data/gemini-errors.json")).unwrap();
    let quotas = all.as_array().unwrap().iter().filter(|sample| sample["http_status"] == 429);
    for sample in quotas.filter(|sample| !sample["body"].is_string()) {
        let out: Value = serde_json::from_str(&text(&sample["body"].to_string())).unwrap();
        assert_eq!(out, sample["body"], "{}", sample["name"]);
    }
}

#[test]
fn the_order_of_fields_stays() {
    let body = r#"{"error":{"code":400,"message":"m","status":"S","details":[{"b":1,"a":1.5}]}}"#;
    assert_eq!(text(body), body);
}

#[test]
fn secrets_go_in_every_form() {
    let cases = [
        (format!("key {KEY}."), "key REDACTED."),
        (format!("x{KEY}&y"), "xREDACTED&y"),
        ("AQ.Ab8RN6KxAmple-of_an.auth-key-made-up-here-0001!".into(), "REDACTED!"),
        ("AQ.Cc8RN6KxAmple-of_another_one-0001!".into(), "REDACTED!"),
        ("Consumer 'api_key:whatever' has".into(), "Consumer 'api_key:REDACTED' has"),
        ("in project 12345678 before".into(), "in project REDACTED before"),
        ("overview?project=12345678 then".into(), "overview?project=REDACTED then"),
        ("projects/my-project/locations/x".into(), "projects/REDACTED/locations/x"),
        ("IP address (203.0.113.7).".into(), "IP address (REDACTED)."),
        ("IP address 2001:db8::1.".into(), "IP address REDACTED."),
        ("version 1.2.3.4 is fine".into(), "version 1.2.3.4 is fine"),
        ("FAQ.and more".into(), "FAQ.and more"),
        ("a project for 4 people".into(), "a project for 4 people"),
    ];
    for (said, left) in cases {
        assert_eq!(message(&said), left);
    }
}

#[test]
fn a_piece_of_a_key_goes_too_wherever_it_was_cut() {
    let key = "AQ.Ab8RN6KxAmple-of_an.auth-key-made-up-here-0001";
    for from in 0..key.len() - 8 {
        for to in from + 8..=key.len() {
            let out = message(&format!("it is “{}”, says Google", &key[from..to]));
            assert_eq!(out, "it is “REDACTED”, says Google", "{from}..{to}");
        }
    }
    assert_eq!(message("Ample-of no key"), "Ample-of no key".replace("Ample-of", "REDACTED"));
    assert_eq!(message("mple-of is short"), "mple-of is short");
    assert_eq!(message("a stranger's, cut: AIzaSyA0"), "a stranger's, cut: REDACTED");
}

#[test]
fn escapes_hide_no_key() {
    let body = format!(r#"{{"error":{{"message":"\u0041IzaSyA{}"}}}}"#, &KEY[7..]);
    assert_eq!(text(&body), r#"{"error":{"message":"REDACTED"}}"#);
}

#[test]
fn what_is_no_error_in_json_is_replaced_whole() {
    for body in ["<html>AIza</html>", "{}", "[]", "\"x\"", "{\"error\":\"x\"}", "{\"error\":{"] {
        let out: Value = serde_json::from_str(&text(body)).unwrap();
        assert_eq!(out["error"]["code"], 400, "{body}");
        assert!(!out.to_string().contains("html"));
    }
    assert_eq!(text(""), "");
    assert_eq!(text(" \r\n"), "");
}

proptest! {
    #[test]
    fn a_key_never_survives(before in ".{0,20}", after in "[^0-9A-Za-z_-].{0,20}") {
        let out = message(&format!("{before}{KEY}{after}"));
        prop_assert!(!out.contains(&KEY[4..]), "{out}");
    }

    #[test]
    fn no_bytes_make_it_panic(body: Vec<u8>) {
        redact(500, Dialect::Compat, &body, &[]);
    }
}

#[test]
fn a_text_holds_a_secret_by_its_form_alone() {
    for secret in [
        "AIzaSyTestTestTestTestTestTestTestTest12",
        "mine: ptk_0123456789abcdef",
        "pti_0123456789abcdef",
        "AQ.Ab8RN6Jx_0123",
    ] {
        assert!(holds_secret(secret), "{secret}");
    }
    for plain in ["", "project 12345", "projects/alpha", "FAQ. See below", "a ptk_ of mine"] {
        assert!(!holds_secret(plain), "{plain}");
    }
}
