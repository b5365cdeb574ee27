//! A stream that is not whole never looks whole: an error event where the framing has one, and
//! always a connection that ends before the body does.

use gemini_sim::{Act, Form, Rule, Sim};
use serde_json::{Value, json};

use crate::common::raw::{Answer, Ask};
use crate::common::scripted::{Scripted, chunk, chunked, json as whole_json, write};
use crate::common::serving::{MODEL, Potluck, generate, key, prompt, sim, stream};
use crate::event;

const LONG: &str = "[[long 200]]";

fn chat(text: &str) -> Ask {
    let messages = json!([{ "role": "user", "content": text }]);
    let body = json!({ "model": MODEL, "stream": true, "messages": messages });
    let bearer = format!("Bearer {}", key(1));
    Ask::post("/v1/chat/completions").header("authorization", &bearer).json(&body)
}

fn array(text: &str) -> Ask {
    Ask::post(&format!("/v1beta/models/{MODEL}:streamGenerateContent"))
        .header("x-goog-api-key", &key(1))
        .json(&prompt(text))
}

/// The events of a stream: each has a `data:` line of JSON, or `[DONE]`.
fn events(answer: &Answer) -> Vec<Value> {
    let text = answer.text();
    let blocks = text.split("\r\n\r\n").flat_map(|block| block.split("\n\n"));
    let data = blocks.filter(|block| !block.trim().is_empty()).map(|block| {
        let data = block.trim().strip_prefix("data:").unwrap_or_else(|| panic!("{block:?}"));
        if data.trim() == "[DONE]" { json!("[DONE]") } else { serde_json::from_str(data).unwrap() }
    });
    data.collect()
}

/// The stream began well, and ends with one error event and an abort.
fn is_told_as_broken(answer: &Answer, good: usize) -> Value {
    assert_eq!(answer.status, 200);
    assert!(!answer.whole, "it ended as if it were whole: {answer:?}");
    let mut events = events(answer);
    let last = events.pop().unwrap();
    assert_eq!(events.len(), good, "{answer:?}");
    assert!(events.iter().all(|event| event.get("error").is_none()), "{answer:?}");
    let error = last["error"].clone();
    assert!(error["code"].is_u64() && error["message"].is_string(), "{answer:?}");
    assert!(answer.body.ends_with(b"\r\n\r\n"));
    error
}

fn with(sim: &Sim, act: Act, potluck: &Potluck, ask: &Ask) -> Answer {
    sim.clear_rules();
    sim.rule(Rule::next(1, act));
    potluck.ask(ask.clone())
}

#[test]
fn a_cut_stream_ends_with_an_error_event_and_an_abort() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);
    for ask in [stream(&key(1), LONG), chat(LONG)] {
        for after in [1, 3] {
            for act in [
                Act::CutBody { after, rst: false },
                Act::CutBody { after, rst: true },
                Act::EndBody { after },
            ] {
                let answer = with(&sim, act.clone(), &potluck, &ask);
                let error = is_told_as_broken(&answer, after);
                assert_eq!(error["details"][0]["reason"], "POOL_BROKEN_STREAM", "{act:?}");
                assert_eq!(answer.attempts(), 1);
            }
        }
    }
    let me = potluck.me(&key(2));
    assert_eq!(me["state"], "active", "a cut blames no key: {me}");
}

#[test]
fn an_empty_stream_is_a_broken_one() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    let answer = with(&sim, Act::EndBody { after: 0 }, &potluck, &stream(&key(1), LONG));
    is_told_as_broken(&answer, 0);
}

#[test]
fn an_error_within_a_stream_leaves_as_one_event_in_whatever_form_it_came() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    for ask in [stream(&key(1), LONG), chat(LONG)] {
        for form in [Form::Bare, Form::Data, Form::Array] {
            for (sample, code) in [("high_demand", 503), ("internal_error", 500)] {
                let act = Act::MidStream { after: 2, sample: sample.into(), form };
                let answer = with(&sim, act, &potluck, &ask);
                let error = is_told_as_broken(&answer, 2);
                assert_eq!(error["code"], code, "{form:?} {answer:?}");
            }
        }
    }
}

#[test]
fn an_error_in_pieces_is_put_together_and_shows_no_key() {
    let secret = key(1);
    let error = json!({ "error": { "code": 403, "status": "PERMISSION_DENIED",
        "message": format!("Consumer 'api_key:{secret}' of projects/123456 is suspended") } });
    let error = serde_json::to_string_pretty(&error).unwrap();
    for size in [1, 5, 17, 4096] {
        let error = error.clone();
        let upstream = Scripted::start(move |came, to| {
            if !came.line.contains("stream") {
                return write(to, whole_json("200 OK", "{}"));
            }
            write(to, chunked("text/event-stream"));
            write(to, chunk(event("one", false).as_bytes()));
            for piece in error.as_bytes().chunks(size) {
                write(to, chunk(piece));
                std::thread::sleep(std::time::Duration::from_micros(200));
            }
            write(to, chunk(b""))
        });
        let potluck = Potluck::with(&upstream.url(), &[]);
        potluck.ask(generate(&key(1), "x"));

        let answer = potluck.ask(stream(&key(1), "x"));

        is_told_as_broken(&answer, 1);
        assert!(
            !answer.text().contains(&secret) && !answer.text().contains("123456"),
            "{answer:?}"
        );
    }
}

#[test]
fn an_error_within_a_stream_has_its_effect_on_the_key() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);
    let act = Act::MidStream { after: 1, sample: "quota_free_per_day".into(), form: Form::Bare };
    sim.rule(Rule::next(1, act).key(key(2)));

    let answers: Vec<Answer> = (0..2).map(|_| potluck.ask(stream(&key(1), LONG))).collect();

    assert_eq!(answers.iter().filter(|answer| !answer.whole).count(), 1);
    let me = potluck.me(&key(2));
    assert_eq!(me["cooldowns"].as_array().unwrap().len(), 1, "{me}");
}

#[test]
fn a_json_array_breaks_by_abort_alone() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    for rst in [false, true] {
        let answer = with(&sim, Act::CutBody { after: 2, rst }, &potluck, &array(LONG));
        assert!(answer.status == 200 && !answer.whole, "{answer:?}");
        assert!(!answer.text().contains("\"error\""), "{answer:?}");
        let closed = format!("{}]", answer.text());
        assert_eq!(serde_json::from_str::<Value>(&closed).unwrap().as_array().unwrap().len(), 2);
    }
}

#[test]
fn an_answer_with_a_length_breaks_by_abort_alone() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    let ask = generate(&key(1), "hello");
    let answer = with(&sim, Act::CutBody { after: 1, rst: false }, &potluck, &ask);
    assert!(answer.status == 200 && !answer.whole, "{answer:?}");
    let answer = with(&sim, Act::LengthTooLong, &potluck, &ask);
    assert!(!answer.whole, "{answer:?}");
}

#[test]
fn own_streams_are_judged_as_well_but_not_behind_a_mask() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    let own = stream(&key(1), LONG).header("x-potluck-route", "own");
    let answer = with(&sim, Act::EndBody { after: 2 }, &potluck, &own);
    is_told_as_broken(&answer, 2);

    let masked = stream(&key(1), LONG).query("fields", "candidates");
    let answer = with(&sim, Act::EndBody { after: 2 }, &potluck, &masked);
    assert!(answer.whole && !answer.text().contains("error"), "{answer:?}");
}

#[test]
fn silence_beyond_the_limit_breaks_a_stream() {
    let sim = sim(1);
    let potluck = Potluck::with(&sim.url(), &["--idle-timeout=1s"]);
    potluck.join(&sim, [1]);

    let answer = with(&sim, Act::StallBody { after: 2 }, &potluck, &stream(&key(1), LONG));

    is_told_as_broken(&answer, 2);
    assert!(sim.wait_until(std::time::Duration::from_secs(5), |seen| seen.in_flight == 0));
}
