//! Every recorded error names its verdict, and no caller's words make one.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{collections::BTreeMap, time::Duration};

use potluck_core::{
    Reason, Verdict,
    verdict::{Facts, Stage, judge},
};
use potluck_gemini::{
    Family,
    failure::{self, Failure},
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// What each sample says, as `Debug` writes it. A new sample needs a line in `verdicts.json`, which
/// the suite of promises reads too.
fn expected() -> BTreeMap<String, String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/verdicts.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn every_sample_has_the_verdict_that_its_marks_say() {
    let mut expected = expected();
    for sample in samples() {
        let name = sample["name"].as_str().unwrap().to_owned();
        let verdict = format!("{:?}", judged(&sample));
        let wanted = expected.remove(&name);
        assert_eq!(Some(verdict), wanted, "{name}: a sample without a line, or a wrong verdict");
    }
    assert!(expected.is_empty(), "lines without a sample: {expected:?}");
}

#[test]
fn a_callers_words_in_an_error_hurt_no_key() {
    let mut judged = 0;
    for mark in known_marks() {
        for status in [400, 403, 404, 409, 413] {
            for echo in echoes(&mark) {
                let verdict = head(&error(status, &echo));
                assert_eq!(verdict, Verdict::CallerFault, "{status} {echo:?}");
                judged += 1;
            }
        }
    }
    assert!(judged > 1000);
}

#[test]
fn marks_in_foreign_details_are_none() {
    for reason in ["API_KEY_INVALID", "CONSUMER_SUSPENDED", "SERVICE_DISABLED"] {
        for domain in ["example.com", "potluck", "googleapis.com.evil.example", ""] {
            let info = json!({ "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": reason, "domain": domain });
            let body = json!({ "error": { "code": 400, "message": "no", "details": [info] } });
            assert_eq!(head(&read(400, &body)), Verdict::CallerFault, "{domain} {reason}");
        }
    }
}

#[test]
fn a_whole_message_counts_only_with_its_own_status() {
    let leaked = "Your API key was reported as leaked. Please use another API key.";
    assert_eq!(head(&error(403, leaked)), Verdict::PerhapsDead(Reason::Leaked));
    assert_eq!(head(&error(400, leaked)), Verdict::CallerFault);
    let place = "User location is not supported for the API use.";
    assert_eq!(head(&error(403, place)), Verdict::CallerFault);
}

#[test]
fn varying_parts_of_marks_are_held_to_plain_words() {
    let closed = [
        "This model models/gemini-2.0-flash is no longer available to new users.",
        "This model models/gemini-2.0-flash-lite is no longer available to new users. Please \
         update your code to use a newer model for the latest features and improvements.",
    ];
    for message in closed {
        assert_eq!(head(&error(404, message)), Verdict::ModelClosed, "{message}");
    }
    let not_closed = [
        "This model models/a b is no longer available to new users.",
        "This model models/ is no longer available to new users.",
        "This model models/x is no longer available to new users. And more.",
        "models/This model models/x is no longer available to new users. is not found",
    ];
    for message in not_closed {
        assert_eq!(head(&error(404, message)), Verdict::CallerFault, "{message}");
    }
    let depleted = "Your prepayment credits are depleted. Please go to AI Studio at \
                    https://ai.studio/projects to manage your project and billing.";
    assert_eq!(head(&error(429, depleted)), Verdict::Billing);
    let quoted = "Your prepayment credits are depleted. \"you said\"";
    assert_eq!(head(&error(429, quoted)), Verdict::Unnamed);
}

#[test]
fn a_prompt_that_outgrows_a_minute_is_told_from_a_spent_minute() {
    let sample = samples().into_iter().find(|s| s["name"] == "quota_free_per_minute_tokens");
    let failure = read(429, &sample.unwrap()["body"]);
    let sized = |prompt_tokens| judge(&failure, Facts { prompt_tokens, ..facts(Stage::Head) });
    assert_eq!(sized(199_999), Verdict::Minute(Duration::from_secs(27)));
    assert_eq!(sized(200_000), Verdict::TooLarge(250_000));
}

#[test]
fn methods_that_take_no_keys_say_nothing_about_keys() {
    let body = json!({ "error": { "code": 401, "status": "UNAUTHENTICATED",
        "message": "API keys are not supported by this API.",
        "details": [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "CREDENTIALS_MISSING", "domain": "googleapis.com" }] } });
    let failure = read(401, &body);
    assert_eq!(head(&failure), Verdict::CallerFault);
    let plain = error(401, "Unauthorized");
    let other = Facts { family: Family::Other, ..facts(Stage::Head) };
    assert_eq!(judge(&plain, other), Verdict::CallerFault);
    assert_eq!(head(&plain), Verdict::PerhapsDead(Reason::Unauthenticated));
}

#[test]
fn a_cut_close_reason_is_still_a_mark() {
    let quota = "You exceeded your current quota, please check your plan and billing details. \
                 For more information on this error, head to: https://";
    let close = |reason: &str| judge(&failure::read_close(1011, reason), facts(Stage::Close));
    assert_eq!(close(&quota[..123]), Verdict::Unnamed);
    assert_eq!(close("The service is currently unavailable."), Verdict::Trouble);
}

proptest! {
    #[test]
    fn no_message_alone_kills_a_key(status in 400u16..600, message in ".{0,200}") {
        let verdict = head(&error(status, &message));
        prop_assert!(!matches!(verdict, Verdict::KeyDead(_)), "{verdict:?}");
        if matches!(status, 400 | 403 | 404) {
            prop_assert_eq!(verdict, Verdict::CallerFault);
        }
    }
}

/// What callers may get Google to say around their words.
fn echoes(mark: &str) -> Vec<String> {
    vec![
        format!("Invalid value at 'contents[0].parts[0].text': {mark}"),
        format!("models/{mark} is not found for API version v1beta, or is not supported."),
        format!("{mark} is not a valid role."),
        format!("Invalid JSON payload received. Unknown name \"{mark}\": Cannot find field."),
        format!(" {mark}"),
        format!("{mark}\n"),
        format!("{mark}{mark}"),
        mark.to_lowercase(),
        mark.to_uppercase(),
    ]
}

/// Every word in the samples by which keys are judged.
fn known_marks() -> Vec<String> {
    let mut marks = Vec::new();
    for sample in samples() {
        collect(&sample["body"], &mut marks);
    }
    marks.retain(|mark| mark.len() > 3);
    marks.sort();
    marks.dedup();
    marks
}

fn collect(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Array(list) => list.iter().for_each(|one| collect(one, into)),
        Value::Object(fields) => fields.values().for_each(|one| collect(one, into)),
        _ => {}
    }
}

fn samples() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../gemini/data/gemini-errors.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn judged(sample: &Value) -> Verdict {
    let body = &sample["body"];
    let Some(status) = sample["http_status"].as_u64() else {
        let code = body["ws_close_code"].as_u64().unwrap() as u16;
        let close = failure::read_close(code, body["reason"].as_str().unwrap());
        return judge(&close, facts(Stage::Close));
    };
    match body.as_str() {
        Some(stream) if status == 200 => {
            let error = stream.split("\r\n\r\n").flat_map(|part| part.split("\n\n"));
            let error = error.filter(|part| part.contains("\"error\"")).last().unwrap();
            let late = failure::read_late(error.trim_start_matches("data: ").as_bytes());
            judge(&late, facts(Stage::Within))
        }
        Some(page) => head(&failure::read(status as u16, Some(b"text/html"), page.as_bytes())),
        None => head(&read(status as u16, body)),
    }
}

fn head(failure: &Failure) -> Verdict {
    judge(failure, facts(Stage::Head))
}

fn facts(stage: Stage) -> Facts {
    Facts { family: Family::Generate, prompt_tokens: 100, stage }
}

fn error(status: u16, message: &str) -> Failure {
    read(status, &json!({ "error": { "code": status, "message": message } }))
}

fn read(status: u16, body: &Value) -> Failure {
    failure::read(status, Some(b"application/json"), body.to_string().as_bytes())
}
