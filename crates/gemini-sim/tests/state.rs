//! What belongs to projects: files and their uploads, caches, operations.

#![allow(clippy::unwrap_used)]

mod support;

use gemini_sim::Sim;
use serde_json::{Value, json};
use support::{Got, KEY, OTHER, ask, sim, with_key};

const COMMAND: &str = "x-goog-upload-command";
const OFFSET: &str = "x-goog-upload-offset";

fn start(sim: &Sim) -> String {
    let headers = [
        ("x-goog-api-key", KEY),
        ("x-goog-upload-protocol", "resumable"),
        (COMMAND, "start"),
        ("x-goog-upload-header-content-type", "text/plain"),
    ];
    let body = br#"{"file":{"displayName":"note"}}"#;
    let got = ask(sim, "POST", "/upload/v1beta/files", &headers, body);
    assert_eq!(got.header("x-goog-upload-status"), Some("active"));
    let url = got.header("x-goog-upload-url").unwrap().to_owned();
    url.strip_prefix(&sim.url()).unwrap().to_owned()
}

fn send(sim: &Sim, target: &str, command: &str, offset: &str, body: &[u8]) -> Got {
    ask(sim, "POST", target, &[(COMMAND, command), (OFFSET, offset)], body)
}

fn uploaded(sim: &Sim) -> Value {
    let target = start(sim);
    assert_eq!(send(sim, &target, "upload", "0", b"hello ").status, 200);
    let done = send(sim, &target, "upload, finalize", "6", b"world");
    assert_eq!(done.header("x-goog-upload-status"), Some("final"));
    done.json()["file"].clone()
}

#[test]
fn parts_of_uploads_carry_no_key_but_their_place() {
    let sim = sim();
    let target = start(&sim);

    assert_eq!(send(&sim, &target, "upload", "0", b"hello ").status, 200);
    assert_eq!(send(&sim, &target, "upload", "3", b"lo").status, 400, "wrong offset");
    let asked = send(&sim, &target, "query", "", b"");
    assert_eq!(asked.header("x-goog-upload-size-received"), Some("6"));
    let done = send(&sim, &target, "upload, finalize", "6", b"world");
    let file = &done.json()["file"];

    assert_eq!((&file["sizeBytes"], &file["state"]), (&json!("11"), &json!("ACTIVE")));
    let uri = file["uri"].as_str().unwrap();
    assert!(uri.starts_with("https://generativelanguage.googleapis.com/v1beta/files/"));
    assert_eq!(send(&sim, &target, "upload", "11", b"more").status, 400, "it is over");
    let cancelled = start(&sim);
    let got = send(&sim, &cancelled, "cancel", "", b"");
    assert_eq!(got.header("x-goog-upload-status"), Some("cancelled"));
    assert_eq!(send(&sim, "/upload/v1beta/files?upload_id=none", "upload", "0", b"").status, 404);
}

#[test]
fn uploads_in_one_go_work_too() {
    let sim = sim();
    let key = ("x-goog-api-key", KEY);
    let raw = [key, ("x-goog-upload-protocol", "raw"), ("content-type", "text/csv")];
    let got = ask(&sim, "POST", "/upload/v1beta/files", &raw, b"a,b");
    assert_eq!(got.json()["file"]["mimeType"], "text/csv");

    let body =
        b"--XX\r\ncontent-type: application/json\r\n\r\n{\"file\":{\"displayName\":\"d\"}}\r\n\
        --XX\r\nContent-Type: text/plain\r\n\r\nhello\r\n--XX--\r\n";
    let parts = [
        key,
        ("x-goog-upload-protocol", "multipart"),
        ("content-type", "multipart/related; boundary=XX"),
    ];
    let file = ask(&sim, "POST", "/upload/v1beta/files", &parts, body).json()["file"].clone();
    assert_eq!((&file["sizeBytes"], &file["displayName"]), (&json!("5"), &json!("d")));
    assert_eq!(file["mimeType"], "text/plain");
}

#[test]
fn files_belong_to_their_project() {
    let sim = sim();
    let file = uploaded(&sim);
    let name = format!("/v1beta/{}", file["name"].as_str().unwrap());
    let part = json!({"fileData": {"fileUri": file["uri"], "mimeType": "text/plain"}});
    let body = json!({"contents": [{"parts": [part]}]}).to_string();

    assert_eq!(with_key(&sim, KEY, "GET", &name, "").status, 200);
    let foreign = with_key(&sim, OTHER, "GET", &name, "");
    assert_eq!(foreign.status, 403);
    assert!(foreign.text().contains("You do not have permission to access the File "));
    assert!(with_key(&sim, KEY, "POST", support::GENERATE, &body).text().contains("11 bytes"));
    assert_eq!(with_key(&sim, OTHER, "POST", support::GENERATE, &body).status, 403);
    assert_eq!(with_key(&sim, OTHER, "GET", "/v1beta/files", "").json(), json!({}));

    let redirect = with_key(&sim, KEY, "GET", &format!("{name}:download?alt=media"), "");
    let to = redirect.header("location").unwrap().strip_prefix(&sim.url()).unwrap();
    assert_eq!(
        (redirect.status, ask(&sim, "GET", to, &[], b"").text().as_str()),
        (302, "hello world")
    );
    assert_eq!(with_key(&sim, OTHER, "DELETE", &name, "").status, 403);
    assert_eq!(with_key(&sim, KEY, "DELETE", &name, "").status, 200);
    assert_eq!(with_key(&sim, KEY, "GET", &name, "").status, 403);
}

#[test]
fn caches_belong_to_their_project_and_model() {
    let sim = sim();
    let text = "word ".repeat(2_000);
    let made = json!({"model": "models/gemini-2.5-flash", "ttl": "300s",
                      "contents": [{"role": "user", "parts": [{"text": text}]}]});
    let cache = with_key(&sim, KEY, "POST", "/v1beta/cachedContents", &made.to_string()).json();
    let body = json!({"contents": [{"parts": [{"text": "q"}]}], "cachedContent": cache["name"]});
    let ask = |key, target| with_key(&sim, key, "POST", target, &body.to_string());

    let served = ask(KEY, support::GENERATE).json();
    assert_eq!(served["usageMetadata"]["cachedContentTokenCount"], 2_500);
    assert_eq!(ask(OTHER, support::GENERATE).status, 403);
    assert_eq!(ask(KEY, "/v1beta/models/gemini-3.5-flash:generateContent").status, 400);
}

#[test]
fn the_unknown_is_not_found_in_googles_shapes() {
    let sim = sim();
    let bearer = format!("Bearer {KEY}");
    let bearer = [("authorization", bearer.as_str())];
    for (got, empty) in [
        (ask(&sim, "POST", "/v1beta/openai/responses", &bearer, b"{}"), true),
        (ask(&sim, "GET", "/", &[], b""), true),
        (with_key(&sim, KEY, "POST", "/v1beta/models/none:generateContent", support::ASK), false),
        (with_key(&sim, KEY, "GET", "/v1beta/models/none", ""), false),
    ] {
        assert_eq!((got.status, got.body.is_empty()), (404, empty), "{}", got.text());
    }
}

#[test]
fn videos_come_by_operations() {
    let sim = sim();
    let target = "/v1beta/models/veo-3.1-generate-preview:predictLongRunning";
    let begun = with_key(&sim, KEY, "POST", target, r#"{"instances":[{"prompt":"x"}]}"#).json();
    let operation = format!("/v1beta/{}", begun["name"].as_str().unwrap());

    let done = with_key(&sim, KEY, "GET", &operation, "").json();

    assert_eq!(done["done"], true);
    let samples = &done["response"]["generateVideoResponse"]["generatedSamples"];
    let uri = samples[0]["video"]["uri"].as_str().unwrap();
    let target = uri.strip_prefix(&sim.url()).unwrap();
    assert_eq!(with_key(&sim, KEY, "GET", target, "").status, 302);
    assert_eq!(with_key(&sim, OTHER, "GET", target, "").status, 403);
    assert_eq!(with_key(&sim, OTHER, "GET", &operation, "").status, 404);
}
