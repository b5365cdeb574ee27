//! Every way a stream can go, however it is cut.
#![allow(clippy::unwrap_used)]
use super::judge::HELD_MAX;
use super::*;
use proptest::prelude::*;
use serde_json::Value;

const GOOD: &str = "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"a\\\"finishReason\\\": \\\"STOP\\\"\"}],\"role\": \"model\"}}],\"usageMetadata\": {\"promptTokenCount\": 5,\"totalTokenCount\": 6}}\r\n\r\n";
const LAST: &str = "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"é\"}]},\"finishReason\": \"STOP\",\"index\": 0}],\"usageMetadata\": {\"promptTokenCount\": 5,\"candidatesTokenCount\": 7,\"thoughtsTokenCount\": 3,\"totalTokenCount\": 15}}\r\n\r\n";
const BARE: &str = "{\n  \"error\": {\n    \"code\": 503,\n    \"message\": \"The model is overloaded.\",\n    \"status\": \"UNAVAILABLE\"\n  }\n}\n";
const EVENT: &str = "data: {\"error\":{\"code\":429,\"message\":\"key AIzaSyA0123456789abcdefghijklmnopqrstuvw\",\"status\":\"RESOURCE_EXHAUSTED\"}}\r\n\r\n";
const LIST: &str =
    "data: [{\"error\":{\"code\":500,\"message\":\"m\",\"status\":\"INTERNAL\"}}]\n\n";

/// Everything a stream comes to.
#[derive(Debug, PartialEq)]
struct Run {
    out: String,
    end: Ending,
    usage: Usage,
    failed: Option<u16>,
}

fn run(framing: Framing, chunks: &[&[u8]]) -> Run {
    let mut watch = Watch::new(framing);
    let mut out = Vec::new();
    for chunk in chunks {
        match watch.push(chunk) {
            Seen::Pass => out.extend_from_slice(chunk),
            Seen::Part { before, pass } | Seen::Failed { before, pass } => {
                out.extend_from_slice(before);
                out.extend_from_slice(&chunk[..pass]);
            }
        }
    }
    if watch.end() == Ending::Whole {
        out.extend_from_slice(watch.held());
    }
    Run {
        out: String::from_utf8(out).unwrap(),
        end: watch.end(),
        usage: watch.usage(),
        failed: watch.failure().map(|failure| failure.status),
    }
}

#[test]
fn ordinary_chunks_pass_as_they_are() {
    let mut watch = Watch::new(Framing::Native);
    assert_eq!(watch.push(GOOD.as_bytes()), Seen::Pass);
    assert_eq!(watch.push(&GOOD.as_bytes()[..30]), Seen::Pass);
    assert_eq!(watch.push(&GOOD.as_bytes()[30..]), Seen::Pass);
    assert_eq!(watch.push(b"\r\n"), Seen::Pass);
    assert_eq!(watch.end(), Ending::Broken);
    assert_eq!(watch.push(LAST.as_bytes()), Seen::Pass);
    assert_eq!(watch.end(), Ending::Whole);
    let judge = watch.judge().unwrap();
    assert_eq!((judge.held.capacity(), judge.free.capacity()), (0, 0), "nothing was allocated");
}

#[test]
fn a_stream_is_whole_with_its_reason_at_its_place() {
    let event = |json: &str| format!("data: {json}\r\n\r\n");
    let cases = [
        (event(r#"{"candidates":[{"finishReason":"STOP"}]}"#), true),
        (event(r#"{"candidates":[{"index":0},{"finishReason":"MAX_TOKENS"}]}"#), true),
        (event(r#"{"candidates":[{"finishReason":1}]}"#), true),
        (event(r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#), true),
        (event(r#"{"candidates":[{"finishReason":"FINISH_REASON_UNSPECIFIED"}]}"#), false),
        (event(r#"{"candidates":[{"finishReason":null}]}"#), false),
        (event(r#"{"candidates":[{"finishReason":""}]}"#), false),
        (event(r#"{"candidates":[{"content":{"finishReason":"STOP"}}]}"#), false),
        (event(r#"{"finishReason":"STOP"}"#), false),
        (event(r#"{"x":{"candidates":[{"finishReason":"STOP"}]}}"#), false),
        (event(r#"{"candidates":[{"finishMessage":"finishReason"}]}"#), false),
        ("data: {\"candidates\":[{\"finishReason\":\"STOP\"}]".into(), false),
        ("data: {\"candidates\":[{\"finishReason\":\"STOP\"}]}".into(), true),
        (": {\"candidates\":[{\"finishReason\":\"STOP\"}]}\n\n".into(), false),
        (String::new(), false),
        ("data: [DONE]\n\n".into(), false),
    ];
    for (stream, whole) in cases {
        let run = run(Framing::Native, &[stream.as_bytes()]);
        assert_eq!(run.end == Ending::Whole, whole, "{stream}");
        assert_eq!(run.failed, None, "{stream}");
    }
}

#[test]
fn a_compatible_stream_is_whole_with_its_mark() {
    let chunk = "data: {\"choices\":[{\"delta\":{\"content\":\"[DONE]\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}}\n\n";
    assert_eq!(run(Framing::Compat, &[chunk.as_bytes()]).end, Ending::Broken);
    let whole = format!("{chunk}data: [DONE]\n\n");
    let whole = run(Framing::Compat, &[whole.as_bytes()]);
    assert_eq!(whole.end, Ending::Whole);
    let usage = Usage { prompt: Some(1), output: Some(2), total: Some(3) };
    assert_eq!(whole.usage, usage);
    let null = "data: {\"error\":null,\"choices\":[]}\n\ndata: [DONE]\n\n";
    assert_eq!(run(Framing::Compat, &[null.as_bytes()]).end, Ending::Whole);
}

#[test]
fn the_last_usage_counts() {
    let all = [GOOD, LAST].concat();
    let usage = Usage { prompt: Some(5), output: Some(10), total: Some(15) };
    assert_eq!(run(Framing::Native, &[all.as_bytes()]).usage, usage);
    let list = "[{\"usageMetadata\":{\"promptTokenCount\":1}}\n,\r\n{\"usageMetadata\":{\"promptTokenCount\":5,\"candidatesTokenCount\":10,\"totalTokenCount\":15}}]";
    assert_eq!(run(Framing::Json, &[list.as_bytes()]).usage, usage);
    let one = "{\n \"candidates\": [],\n \"usageMetadata\": {\"promptTokenCount\": 5, \"candidatesTokenCount\": 10, \"totalTokenCount\": 15}}";
    assert_eq!(run(Framing::Json, &[one.as_bytes()]).usage, usage);
}

#[test]
fn no_form_of_error_passes_and_all_are_told_alike() {
    for (framing, error, status) in [
        (Framing::Native, BARE, 503),
        (Framing::Native, EVENT, 429),
        (Framing::Native, LIST, 500),
        (Framing::Compat, BARE, 503),
        (Framing::Compat, EVENT, 429),
        (Framing::Compat, LIST, 500),
        (Framing::Compat, "[{\n  \"error\": {\"code\": 500,\"message\":\"m\"}\n}\n]\n", 500),
        (Framing::Native, "data: {\ndata:  \"error\": {\"code\": 500}\ndata: }\n\n", 500),
        (Framing::Native, "data: {\n  \"error\": {\"code\": 500}\n}\n\n", 500),
        (Framing::Native, "data: {\"x\":1,\"error\":{\"code\":500}}\n\n", 500),
    ] {
        let mut watch = Watch::new(framing);
        let all = [GOOD, error].concat();
        let seen = watch.push(all.as_bytes());
        assert_eq!(seen, Seen::Failed { before: &[], pass: GOOD.len() }, "{error}");
        assert!(watch.told(), "{error}");
        assert_eq!(watch.end(), Ending::Broken);
        assert_eq!(watch.failure().unwrap().status, status, "{error}");
        let event = String::from_utf8(watch.error_event(&[])).unwrap();
        let json = event.strip_prefix("data: ").unwrap().strip_suffix("\r\n\r\n").unwrap();
        assert!(!json.contains('\n') && !json.contains("AIza"), "{json}");
        let json: Value = serde_json::from_str(json).unwrap();
        assert_eq!(json["error"]["code"], status);
    }
}

#[test]
fn an_error_is_told_when_it_is_whole() {
    let mut watch = Watch::new(Framing::Native);
    let (head, tail) = BARE.as_bytes().split_at(40);
    assert!(matches!(watch.push(head), Seen::Failed { pass: 0, .. }));
    assert!(!watch.told());
    assert_eq!(watch.push(tail), Seen::Failed { before: &[], pass: 0 });
    assert!(watch.told());
    assert_eq!(watch.failure().unwrap().message, "The model is overloaded.");
}

#[test]
fn an_error_deep_in_an_event_tears_it_loudly() {
    let mut watch = Watch::new(Framing::Native);
    assert_eq!(watch.push(b"data: {\"candidates\":[],"), Seen::Pass);
    let seen = watch.push(b"\"error\":{\"code\":500,\"message\":\"AIza\"}}\r\n\r\n");
    assert_eq!(seen, Seen::Failed { before: &[], pass: 0 });
    let event = String::from_utf8(watch.error_event(&[])).unwrap();
    assert!(event.starts_with("\r\n\r\ndata: {\"error\":"), "{event}");
    assert!(event.contains("POOL_BROKEN_STREAM"));
}

#[test]
fn a_cut_stream_is_told_in_an_event_of_its_own() {
    let mut watch = Watch::new(Framing::Native);
    watch.push(GOOD.as_bytes());
    assert!(watch.error_event(&[]).starts_with(b"data: {\"error\":"));
    watch.push(&GOOD.as_bytes()[..40]);
    assert!(watch.error_event(&[]).starts_with(b"\r\n\r\ndata: {\"error\":"));
}

#[test]
fn an_error_without_end_is_bounded() {
    let mut watch = Watch::new(Framing::Native);
    watch.push(b"{\"error\":{\"message\":\"");
    for _ in 0..100 {
        watch.push(&[b'x'; 4096]);
    }
    assert!(watch.told());
    assert!(watch.error_event(&[]).len() < 4096);
}

#[test]
fn only_the_undecided_beginning_is_held() {
    let mut watch = Watch::new(Framing::Native);
    assert_eq!(watch.push(b"da"), Seen::Part { before: b"", pass: 0 });
    assert_eq!(watch.push(b"ta: {\"candi"), Seen::Part { before: b"", pass: 0 });
    assert_eq!(watch.push(b"dates\":["), Seen::Part { before: b"data: {\"candi", pass: 8 });
    assert_eq!(watch.push(b"]}\r\n\r\ndata: {"), Seen::Part { before: b"", pass: 6 });
    assert_eq!(watch.push(b"\"a\":1}\n\nd"), Seen::Part { before: b"data: {", pass: 8 });
    let long = " ".repeat(HELD_MAX);
    assert_eq!(watch.push(long.as_bytes()), Seen::Part { before: b"d", pass: HELD_MAX });
}

#[test]
fn other_framings_pass_unjudged() {
    for framing in [Framing::Json, Framing::Opaque] {
        let run = run(framing, &[BARE.as_bytes(), b"\xc3\xa9"]);
        assert_eq!(run.out.len(), BARE.len() + 2);
        assert_eq!(run.end, Ending::Whole);
        assert_eq!(run.failed, None);
    }
}

#[test]
fn every_recorded_error_is_one_in_a_stream_too() {
    let all: Value = serde_json::from_str(include_str!("../../data/gemini-errors.json")).unwrap();
    for sample in all.as_array().unwrap().iter().filter(|sample| sample["http_status"] != 200) {
        let body = &sample["body"];
        if body.is_string() || sample["http_status"].is_null() {
            continue;
        }
        let pretty = serde_json::to_string_pretty(body).unwrap();
        for error in [format!("{pretty}\n"), format!("data: {body}\n\n")] {
            let mut watch = Watch::new(Framing::Native);
            watch.push(GOOD.as_bytes());
            let seen = watch.push(error.as_bytes());
            assert_eq!(seen, Seen::Failed { before: &[], pass: 0 }, "{}", sample["name"]);
            assert!(watch.told());
            assert!(watch.error_event(&[]).starts_with(b"data: {\"error\":{"));
        }
    }
}

/// Events that hold a word that matters, where it does and where it does not.
const MIDDLES: &[&str] = &[
    "",
    "data: {\"candidates\":[{\"finish\\u0052eason\":\"STOP\"}]}\n\n",
    "data: {\"a\":{\"error\":{\"code\":500}}}\n\n",
    "data: {\"a\":\"\\u003cerror\\\"error\\\"\"}\n\n",
    "data: {\"a\":1}\ndata: {\"b\":1}\n\n",
    "data:{\"a\":{\"usageMetadata\":{\"totalTokenCount\":99}}}\n\n",
    "data: {\"usageMetadata\":{\"promptTokenCount\":5,\"totalTokenCount\":7},\"a\":[]}\r\n\r\n",
    "event: x\ndata: {\"a\":1}\n\n",
    "data: {\"a\n\n",
];

#[test]
fn escaped_letters_hide_no_error_and_no_end() {
    let error = "data: {\"a\":1,\"\\u0065rror\":{\"code\":500}}\n\n";
    assert_eq!(run(Framing::Native, &[error.as_bytes()]).failed, Some(500));
    let end = "data: {\"candidates\":[{\"finish\\u0052eason\":\"STOP\"}]}\n\n";
    assert_eq!(run(Framing::Native, &[end.as_bytes()]).end, Ending::Whole);
}

#[test]
fn the_usage_of_skimmed_events_counts_where_it_stands() {
    let told = |total| Usage { total: Some(total), ..Usage::default() };
    let one = "data: {\"usageMetadata\":{\"totalTokenCount\":7},\"a\":[]}\n\n";
    let decoy = "data: {\"a\":{\"usageMetadata\":{\"totalTokenCount\":99}}}\n\n";
    let quoted = "data: {\"a\":\"\\\"usageMetadata\\\": {\"}\n\n";
    for (events, usage) in [
        (vec![one], told(7)),
        (vec![one, quoted], told(7)),
        (vec![decoy], Usage::default()),
        (vec![one, "data: {\"usageMetadata\":{\"totalTokenCount\":8}}\n\n"], told(8)),
    ] {
        let chunks: Vec<_> = events.iter().map(|event| event.as_bytes()).collect();
        assert_eq!(run(Framing::Native, &chunks).usage, usage, "{events:?}");
    }
}

#[test]
fn the_usage_of_one_answer_is_that_of_its_outermost_object() {
    let told = |total| Usage { total: Some(total), ..Usage::default() };
    let decoy = "{\"args\": {\"usageMetadata\": {\"totalTokenCount\": 99}}}";
    let usage = "\"usageMetadata\": {\"totalTokenCount\": 7}";
    for (answer, expected) in [
        (format!("{{\"candidates\": [{decoy}], {usage}, \"modelVersion\": \"m\"}}\n"), told(7)),
        (format!("{{{usage}, \"candidates\": [{decoy}]}}"), told(7)),
        (format!("{{\"candidates\": [{decoy}]}}"), Usage::default()),
        (format!("[{{{usage}}}\n,\r\n{{\"a\": 1, {usage}}}\n]\n"), told(7)),
        (format!("{{\"a\": \"{}\", {usage}}}", "x".repeat(100_000)), told(7)),
        (format!("{{\"a\": \"\\\"usageMetadata\\\": {{}}\", {usage}}}"), told(7)),
    ] {
        for size in [1, 7, 300, 5000, answer.len()] {
            let chunks: Vec<_> = answer.as_bytes().chunks(size).collect();
            assert_eq!(run(Framing::Json, &chunks).usage, expected, "{size} {answer:.80}");
        }
    }
}

fn cut<'t>(text: &'t str, cuts: &[prop::sample::Index]) -> Vec<&'t [u8]> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    cuts.sort_unstable();
    let mut chunks = Vec::new();
    let mut from = 0;
    for cut in cuts {
        chunks.push(&text.as_bytes()[from..cut]);
        from = cut;
    }
    chunks.push(&text.as_bytes()[from..]);
    chunks
}

proptest! {
    #[test]
    fn every_split_comes_to_the_same(
        tail in prop::sample::select(vec!["", LAST, BARE, EVENT, LIST, "data: [DONE]\n\n", "\r\n", ": x\n", "dat"]),
        middle in prop::sample::select(MIDDLES),
        goods in 0..3_usize,
        compat: bool,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let framing = if compat { Framing::Compat } else { Framing::Native };
        let text = GOOD.repeat(goods) + middle + tail;
        prop_assert_eq!(run(framing, &cut(&text, &cuts)), run(framing, &[text.as_bytes()]));
    }

    #[test]
    fn no_bytes_make_it_panic_and_none_are_invented(
        chunks in prop::collection::vec(
            prop::collection::vec(prop::sample::select(b"data: {}[]\"error\":,1DONE\r\n\\".to_vec()), 0..30), 0..20),
        compat: bool,
    ) {
        let framing = if compat { Framing::Compat } else { Framing::Native };
        let mut watch = Watch::new(framing);
        let mut out = Vec::new();
        for chunk in &chunks {
            match watch.push(chunk) {
                Seen::Pass => out.extend_from_slice(chunk),
                Seen::Part { before, pass } | Seen::Failed { before, pass } => {
                    out.extend_from_slice(before);
                    out.extend_from_slice(&chunk[..pass]);
                }
            }
        }
        let failed = watch.failure().is_some();
        if !failed {
            out.extend_from_slice(watch.held());
        }
        let all = chunks.concat();
        prop_assert!(all.starts_with(&out));
        prop_assert!(failed || out.len() == all.len());
        watch.error_event(&[]);
    }
}

#[test]
fn words_are_counted_for_streams_that_tell_no_tokens() {
    let mut watch = Watch::new(Framing::Compat);
    for chunk in ["data: {\"choices\":[{\"delta\":{\"content\":\"four", " words are here\"}}]}\n\n"]
    {
        let _ = watch.push(chunk.as_bytes());
    }
    assert_eq!(watch.estimate(), "four words are here".len() as u64 / 4);
    assert_eq!(watch.usage(), Usage::default());
}
