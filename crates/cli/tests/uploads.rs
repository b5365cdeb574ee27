//! Uploads and downloads: URLs on our host that only we can give out, and bodies that only pass.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::Write;

use common::raw::{Answer, Ask};
use common::scripted::{Scripted, chunk, chunked, write};
use common::serving::{MODEL, Potluck, config, key, keys_seen, prompt, sim};
use gemini_sim::{Act, Rule, Sim};
use serde_json::{Value, json};

const PART: usize = 256 << 10;

fn start_ask(key: &str, length: usize) -> Ask {
    Ask::post("/upload/v1beta/files")
        .header("x-goog-api-key", key)
        .header("x-goog-upload-protocol", "resumable")
        .header("x-goog-upload-command", "start")
        .header("x-goog-upload-header-content-length", &length.to_string())
        .header("x-goog-upload-header-content-type", "text/plain")
        .json(&json!({ "file": { "displayName": "notes" } }))
}

/// Starts an upload; the path and query of the URL it is to go to.
fn start(potluck: &Potluck, key: &str, length: usize) -> String {
    let answer = potluck.ask(start_ask(key, length));
    assert_eq!((answer.status, answer.served_by()), (200, "own"), "{answer:?}");
    let url = answer.header("x-goog-upload-url").unwrap();
    assert_eq!(answer.header("x-goog-upload-control-url"), Some(url));
    assert_eq!(answer.header("x-goog-upload-status"), Some("active"));
    assert!(answer.header("x-goog-upload-chunk-granularity").is_some());
    let base = potluck.url();
    url.strip_prefix(&base).unwrap_or_else(|| panic!("{url} is not on {base}")).to_owned()
}

fn part(target: &str, command: &str, offset: usize, body: &[u8]) -> Ask {
    Ask::post(target)
        .header("x-goog-upload-command", command)
        .header("x-goog-upload-offset", &offset.to_string())
        .body(body)
}

/// Sends a file in parts without any key, as the Python SDK does.
fn send(potluck: &Potluck, target: &str, content: &[u8]) -> Answer {
    let parts: Vec<&[u8]> = content.chunks(PART).collect();
    let mut last = None;
    for (number, bytes) in parts.iter().enumerate() {
        let end = number + 1 == parts.len();
        let command = if end { "upload, finalize" } else { "upload" };
        let answer = potluck.ask(part(target, command, number * PART, bytes));
        let status = if end { "final" } else { "active" };
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("x-goog-upload-status"), Some(status), "{answer:?}");
        last = Some(answer);
    }
    last.unwrap()
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

/// Uploads a file and gives its name.
fn upload(potluck: &Potluck, key: &str, content: &[u8]) -> String {
    let target = start(potluck, key, content.len());
    let answer = send(potluck, &target, content);
    answer.json()["file"]["name"].as_str().unwrap().to_owned()
}

#[test]
fn a_file_goes_up_in_parts_that_carry_no_key() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);
    let content = content(2 * PART + 1000);

    let target = start(&potluck, &key(2), content.len());
    let answer = send(&potluck, &target, &content);

    let file = answer.json()["file"].clone();
    assert_eq!(file["sizeBytes"], content.len().to_string());
    let uri = file["uri"].as_str().unwrap();
    assert!(uri.starts_with("https://generativelanguage.googleapis.com/"), "{uri}");
    for arrival in &sim.log()[1..] {
        assert_eq!(arrival.key, None, "{arrival:?}");
        assert!(arrival.path.starts_with("/upload/v1beta/files"));
        let query = arrival.query.as_deref().unwrap();
        assert!(query.contains("upload_id=") && !query.contains("potluck"), "{query}");
        assert_eq!(arrival.header("authorization"), None);
    }
    let name = file["name"].as_str().unwrap();
    let down = potluck.get(&format!("/v1beta/{name}:download?alt=media"), Some(&key(2)));
    assert_eq!(down.body, content);
}

#[test]
fn a_file_is_used_by_its_own_project_and_by_no_other() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);
    let name = upload(&potluck, &key(2), b"some words");
    let uri = format!("https://generativelanguage.googleapis.com/v1beta/{name}");
    let ask = |key: &str| {
        let mut body = prompt("what is this?");
        let part = json!({ "fileData": { "fileUri": uri, "mimeType": "text/plain" } });
        body["contents"][0]["parts"].as_array_mut().unwrap().push(part);
        let target = format!("/v1beta/models/{MODEL}:generateContent");
        potluck.ask(Ask::post(&target).header("x-goog-api-key", key).json(&body))
    };
    for _ in 0..4 {
        assert_eq!((ask(&key(2)).status, ask(&key(2)).served_by()), (200, "own"));
        let other = ask(&key(3));
        assert_eq!((other.status, other.attempts()), (403, 1), "{other:?}");
    }
    let list = |key: &str| potluck.get("/v1beta/files", Some(key)).json();
    assert_eq!(list(&key(2))["files"].as_array().unwrap().len(), 1);
    assert!(list(&key(3))["files"].as_array().is_none_or(Vec::is_empty));
}

#[test]
fn questions_about_an_upload_and_its_end_pass_as_well() {
    let sim = sim(1);
    let potluck = Potluck::start(&sim);
    let target = start(&potluck, &key(1), 1000);
    assert_eq!(potluck.ask(part(&target, "upload", 0, &content(600))).status, 200);

    let query = potluck.ask(Ask::post(&target).header("x-goog-upload-command", "query"));
    assert_eq!(query.header("x-goog-upload-size-received"), Some("600"), "{query:?}");
    let with_key = part(&target, "upload", 600, &content(100)).header("x-goog-api-key", &key(1));
    assert_eq!(potluck.ask(with_key).status, 200, "the Node SDK sends its key along");
    assert_eq!(sim.last().unwrap().key, None);
    let cancel = potluck.ask(Ask::post(&target).header("x-goog-upload-command", "cancel"));
    assert_eq!(cancel.header("x-goog-upload-status"), Some("cancelled"));
    let late = potluck.ask(part(&target, "upload", 700, b"x"));
    assert_eq!(late.status, 400, "{late:?}");
}

/// The URL with one parameter's value changed.
fn changed(target: &str, name: &str, change: impl Fn(&str) -> String) -> String {
    let (path, query) = target.split_once('?').unwrap();
    let pairs = query.split('&').map(|pair| match pair.split_once('=').unwrap() {
        (known, value) if known == name => format!("{known}={}", change(value)),
        _ => pair.to_owned(),
    });
    format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}

fn flip(text: &str) -> String {
    let last = if text.ends_with('0') { '1' } else { '0' };
    format!("{}{last}", &text[..text.len() - 1])
}

#[test]
fn a_url_that_we_did_not_give_out_is_refused_here() {
    let sim = sim(1);
    let potluck = Potluck::start(&sim);
    let target = start(&potluck, &key(1), 10);
    let (path, query) = target.split_once('?').unwrap();
    let later = |text: &str| (text.parse::<u64>().unwrap() + 1).to_string();
    let bare = query.split('&').filter(|pair| !pair.starts_with("potluck_"));
    let bare = format!("{path}?{}", bare.collect::<Vec<_>>().join("&"));
    sim.clear_log();
    for (what, target) in [
        ("another upload", changed(&target, "upload_id", flip)),
        ("another signature", changed(&target, "potluck_sig", flip)),
        ("a longer life", changed(&target, "potluck_exp", later)),
        ("a past end", changed(&target, "potluck_exp", |_| "1000".into())),
        ("another path", target.replace("/upload/v1beta/files", "/upload/v1/files")),
        ("two uploads", format!("{target}&upload_id=other")),
        ("no signature", changed(&target, "potluck_sig", |_| String::new())),
        ("nothing of ours", bare.clone()),
    ] {
        let answer = potluck.ask(part(&target, "upload, finalize", 0, b"0123456789"));
        assert_eq!(answer.status, 403, "{what}: {answer:?}");
        assert_eq!(answer.header("x-should-retry"), Some("false"));
    }
    assert_eq!(sim.counters().requests, 0);
    let own = part(&bare, "upload, finalize", 0, b"0123456789");
    let answer = potluck.ask(own.header("x-goog-api-key", &key(1)));
    assert_eq!((answer.status, answer.served_by()), (200, "own"), "with a key it is an own call");
}

#[test]
fn a_url_outlives_a_restart_and_is_good_in_this_pool_alone() {
    let sim = sim(1);
    let mut potluck = Potluck::start(&sim);
    let content = content(1000);
    let target = start(&potluck, &key(1), content.len());

    potluck.restart();
    assert_eq!(Potluck::start(&sim).ask(part(&target, "upload", 0, b"x")).status, 403);
    let answer = send(&potluck, &target, &content);

    assert_eq!(answer.json()["file"]["sizeBytes"], "1000");
}

#[test]
fn urls_are_on_the_host_that_callers_know() {
    let sim = sim(1);
    let args = ["--trusted-proxy=127.0.0.0/8"];
    let seen = Potluck::with(&sim.url(), &args);
    let url = |potluck: &Potluck, ask: Ask| {
        potluck.ask(ask).header("x-goog-upload-url").unwrap().to_owned()
    };
    let named = || start_ask(&key(1), 10).header("host", "pool.example:8443");
    assert!(url(&seen, named()).starts_with("http://pool.example:8443/upload/"));
    let behind = named().header("x-forwarded-proto", "https");
    assert!(url(&seen, behind).starts_with("https://pool.example:8443/upload/"));

    let told = Potluck::with(&sim.url(), &["--public-url=https://gemini.example.org"]);
    let given = url(&told, named().header("x-forwarded-proto", "http"));
    let target = given.strip_prefix("https://gemini.example.org").unwrap();
    assert_eq!(send(&told, target, b"0123456789").status, 200);
}

#[test]
fn a_signature_is_never_logged() {
    let sim = sim(1);
    let potluck = Potluck::with(&sim.url(), &["--log=trace"]);
    let target = start(&potluck, &key(1), 10);
    let signature = target.split("potluck_sig=").nth(1).unwrap().split('&').next().unwrap();
    send(&potluck, &target, b"0123456789");
    potluck.ask(part(&changed(&target, "upload_id", flip), "upload", 0, b"x"));

    assert_eq!(signature.len(), 64);
    assert!(!potluck.log().contains(signature));
    assert!(!potluck.log().contains(&key(1)));
}

fn peak_kib(potluck: &Potluck) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", potluck.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_large_part_passes_without_being_held() {
    const LENGTH: usize = 120 << 20;
    let sim = sim(1);
    let potluck = Potluck::start(&sim);
    let target = start(&potluck, &key(1), LENGTH);
    let before = peak_kib(&potluck);

    let mut conn = common::raw::Conn::to(potluck.addr());
    let head = part(&target, "upload, finalize", 0, b"");
    let head = head.header("content-length", &LENGTH.to_string());
    conn.ask(&head);
    let piece = content(1 << 20);
    for _ in 0..LENGTH / piece.len() {
        conn.socket().write_all(&piece).unwrap();
    }
    let answer = conn.answer();

    assert_eq!(answer.json()["file"]["sizeBytes"], LENGTH.to_string(), "{answer:?}");
    let grown = peak_kib(&potluck) - before;
    assert!(grown < 32 << 10, "{grown} KiB more for a body that only passes");
}

#[test]
fn a_download_follows_its_redirect_inside_without_the_key() {
    let sim = sim(1);
    let potluck = Potluck::start(&sim);
    let content = content(5000);
    let name = upload(&potluck, &key(1), &content);
    let target = format!("/v1beta/{name}:download?alt=media");
    sim.clear_log();

    let whole = potluck.get(&target, Some(&key(1)));
    let ranged = Ask::get(&target).header("x-goog-api-key", &key(1)).header("range", "bytes=10-19");
    let ranged = potluck.ask(ranged);

    assert_eq!((whole.status, &whole.body), (200, &content));
    assert_eq!((ranged.status, &ranged.body[..]), (206, &content[10..20]));
    assert_eq!(ranged.header("content-range"), Some("bytes 10-19/5000"));
    let log = sim.log();
    assert_eq!(log.len(), 4);
    for hop in [&log[1], &log[3]] {
        assert!(hop.path.starts_with("/download/"), "{hop:?}");
        assert_eq!((&hop.key, hop.header("x-goog-api-key")), (&None, None));
    }
}

#[test]
fn a_redirect_that_leads_elsewhere_or_nowhere_is_an_honest_error() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    let round = format!("{}/v1beta/files/abc:download", sim.url());
    for to in [
        "https://evil.example/x",
        "http://169.254.169.254/latest/meta-data",
        "https://127.0.0.1:1/x",
        "file:///etc/passwd",
        "//evil.example/x",
        &round,
    ] {
        sim.clear_rules();
        sim.clear_log();
        sim.rule(Rule::always(Act::Redirect { to: to.into(), status: 302 }));
        let answer = potluck.get("/v1beta/files/abc:download?alt=media", Some(&key(1)));
        assert_eq!((answer.status, answer.reason().as_str()), (502, "POOL_UPSTREAM"), "{to}");
        assert!(sim.counters().requests <= 4, "at most three redirects");
        assert_eq!(answer.header("location"), None);
    }
}

/// Makes a video; the operation once it is done.
fn video(potluck: &Potluck, key: &str) -> Value {
    let model = "veo-3.1-generate-preview";
    let body = json!({ "instances": [{ "prompt": "a bird" }] });
    let ask = Ask::post(&format!("/v1beta/models/{model}:predictLongRunning"));
    let begun = potluck.ask(ask.header("x-goog-api-key", key).json(&body));
    assert_eq!((begun.status, begun.served_by()), (200, "own"), "{begun:?}");
    let name = begun.json()["name"].as_str().unwrap().to_owned();
    let done = potluck.get(&format!("/v1beta/{name}"), Some(key));
    assert!(done.whole, "{done:?}");
    done.json()
}

fn video_uri(operation: &Value) -> String {
    let samples = &operation["response"]["generateVideoResponse"]["generatedSamples"];
    samples[0]["video"]["uri"].as_str().unwrap_or_else(|| panic!("{operation}")).to_owned()
}

#[test]
fn a_video_is_shown_on_our_host_and_asked_for_on_googles() {
    let sim: Sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);

    let uri = video_uri(&video(&potluck, &key(2)));

    let target = uri.strip_prefix(&potluck.url()).unwrap_or_else(|| panic!("{uri}"));
    // @ai-sdk/google follows it on its base URL, with the key as a parameter.
    let film = potluck.ask(Ask::get(target).query("key", &key(2)));
    assert_eq!(film.status, 200, "{film:?}");
    assert!(film.body.starts_with(b"\0\0\0\x18ftyp"));

    let more = json!({ "instances": [{ "prompt": "more", "video": { "uri": uri } }] });
    let ask = Ask::post("/v1beta/models/veo-3.1-generate-preview:predictLongRunning");
    potluck.ask(ask.header("x-goog-api-key", &key(2)).json(&more));
    let arrived = sim.last().unwrap().body_head;
    assert!(arrived.contains(&sim.url()) && !arrived.contains(&potluck.url()), "{arrived}");
    assert_eq!(keys_seen(&sim).into_iter().collect::<Vec<_>>(), [key(2)]);
}

#[test]
fn a_video_is_shown_on_our_host_however_its_operation_is_framed() {
    for (padding, mapped) in [(10, true), (200 << 10, true), (3 << 20, false)] {
        let upstream = Scripted::start(move |came, to| {
            let host = came.header("host").unwrap();
            let uri = format!("http://{host}/v1beta/files/abc:download?alt=media");
            let video = json!({ "uri": uri, "padding": "x".repeat(padding) });
            write(to, chunked("application/json"));
            for piece in json!({ "done": true, "video": video }).to_string().as_bytes().chunks(9000)
            {
                write(to, chunk(piece));
            }
            write(to, chunk(b""))
        });
        let potluck = Potluck::with(&upstream.url(), &[]);

        let answer = potluck.get("/v1beta/models/veo/operations/abc", Some(&key(1)));

        assert!(answer.whole, "{padding}");
        let video = &answer.json()["video"];
        assert_eq!(video["padding"].as_str().unwrap().len(), padding);
        let base = if mapped { potluck.url() } else { upstream.url() };
        assert!(video["uri"].as_str().unwrap().starts_with(&base), "{padding} {}", video["uri"]);
    }
}

#[test]
fn a_prompt_that_names_a_file_on_our_host_is_own_and_means_googles() {
    let sim = gemini_sim::Sim::start(config(2)).unwrap();
    let potluck = Potluck::joined(&sim, 2);
    let name = upload(&potluck, &key(2), b"some words");
    for padding in [10, 40 << 10, 300 << 10] {
        let mut body = prompt(&"x".repeat(padding));
        let uri = format!("{}/v1beta/{name}", potluck.url());
        let file = json!({ "fileData": { "fileUri": uri, "mimeType": "text/plain" } });
        body["contents"][0]["parts"].as_array_mut().unwrap().insert(0, file);
        let ask = Ask::post(&format!("/v1beta/models/{MODEL}:generateContent"));

        let answer = potluck.ask(ask.header("x-goog-api-key", &key(2)).json(&body));

        assert_eq!((answer.status, answer.served_by()), (200, "own"), "{padding} {answer:?}");
        let arrived = sim.last().unwrap().body_head;
        assert!(arrived.contains(&format!("{}/v1beta/{name}", sim.url())), "{padding}");
    }
}
