//! Even shares, and conversations that stay where they are.

use serde_json::{Value, json};

use crate::common::raw::{Ask, Conn};
use crate::common::serving::{MODEL, Potluck, generate, key, keys_seen, prompt, sim};
use crate::shares;
use gemini_sim::{Act, Rule, Sim};

#[test]
fn ten_keys_share_a_thousand_calls_evenly() {
    let sim = sim(10);
    let potluck = Potluck::joined(&sim, 10);
    let mut conn = Conn::to(potluck.addr());

    for _ in 0..1000 {
        conn.ask(&generate(&key(3), "hello"));
        assert_eq!(conn.answer().status, 200);
    }

    assert_eq!(shares(&sim, 10), [100; 10]);
    let me = potluck.me(&key(3));
    assert_eq!(me["borrowed"]["calls"], 900, "{me}");
    assert_eq!(potluck.me(&key(4))["lent"]["calls"], 100);
}

#[test]
fn shares_are_even_with_many_callers_at_once() {
    let sim = sim(10);
    let potluck = Potluck::joined(&sim, 10);

    std::thread::scope(|scope| {
        for caller in 1..=8 {
            let potluck = &potluck;
            scope.spawn(move || {
                let mut conn = Conn::to(potluck.addr());
                for _ in 0..50 {
                    conn.ask(&generate(&key(caller), "hello"));
                    assert_eq!(conn.answer().status, 200);
                }
            });
        }
    });

    let shares = shares(&sim, 10);
    assert!(shares.iter().all(|share| (39..=41).contains(share)), "{shares:?}");
}

/// A conversation's next turn: all that was said before stands before it.
fn turns(first: &str, more: usize) -> Value {
    let user = |text: &str| json!({ "role": "user", "parts": [{ "text": text }] });
    let model = json!({ "role": "model", "parts": [{ "text": "You said something." }] });
    let mut contents = vec![user(first)];
    for turn in 0..more {
        contents.push(model.clone());
        contents.push(user(&format!("and {turn}?")));
    }
    json!({ "contents": contents })
}

fn ask_with(body: &Value) -> Ask {
    let target = format!("/v1beta/models/{MODEL}:generateContent");
    Ask::post(&target).header("x-goog-api-key", &key(1)).json(body)
}

fn say(potluck: &Potluck, sim: &Sim, first: &str, more: usize) -> String {
    let answer = potluck.ask(ask_with(&turns(first, more)));
    assert_eq!(answer.status, 200, "{answer:?}");
    sim.last().unwrap().key.unwrap()
}

#[test]
fn a_conversation_stays_on_the_key_of_its_last_turn() {
    let sim = sim(5);
    let potluck = Potluck::joined(&sim, 5);
    let talks: Vec<String> = (0..5).map(|n| format!("conversation {n}")).collect();

    let begun: Vec<String> = talks.iter().map(|talk| say(&potluck, &sim, talk, 0)).collect();
    for more in 1..4 {
        for (talk, with) in talks.iter().zip(&begun) {
            potluck.generate(&key(2), "somebody else's call");
            assert_eq!(&say(&potluck, &sim, talk, more), with, "turn {more} of {talk}");
        }
    }

    let mut different = begun.clone();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), 5, "first turns are spread: {begun:?}");
}

#[test]
fn a_conversation_moves_when_its_key_rests_and_stays_where_it_moved_to() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);
    let first = say(&potluck, &sim, "a long story", 0);
    sim.rule(Rule::next(1, Act::Sample("quota_free_per_day".into())).key(&first));

    let second = say(&potluck, &sim, "a long story", 1);

    assert_ne!(first, second);
    for more in 2..6 {
        potluck.generate(&key(2), "somebody else's call");
        assert_eq!(say(&potluck, &sim, "a long story", more), second);
    }
}

#[test]
fn openai_conversations_stay_as_well() {
    let sim = sim(4);
    let potluck = Potluck::joined(&sim, 4);
    let body = |turns: usize| {
        let mut messages = vec![json!({ "role": "system", "content": "Be kind." })];
        messages.push(json!({ "role": "user", "content": "a tale" }));
        for _ in 0..turns {
            messages.push(json!({ "role": "assistant", "content": "Once" }));
            messages.push(json!({ "role": "user", "content": "go on" }));
        }
        json!({ "model": MODEL, "messages": messages })
    };
    let say = |turns| {
        let ask = Ask::post("/v1/chat/completions");
        let bearer = format!("Bearer {}", key(2));
        let answer = potluck.ask(ask.header("authorization", &bearer).json(&body(turns)));
        assert_eq!(answer.status, 200, "{answer:?}");
        sim.last().unwrap().key.unwrap()
    };

    let first = say(0);
    for turns in 1..5 {
        potluck.generate(&key(1), "somebody else's call");
        assert_eq!(say(turns), first);
    }
}

/// What the model answered, thought signatures and all, as the next request's model turn.
fn signed_turn(potluck: &Potluck, model: &str) -> Value {
    let tool = json!({ "functionDeclarations": [{ "name": "look", "parameters":
        { "type": "OBJECT", "properties": { "at": { "type": "STRING" } } } }] });
    let mut body = prompt("please call look");
    body["tools"] = json!([tool]);
    let target = format!("/v1beta/models/{model}:generateContent");
    let ask = Ask::post(&target).header("x-goog-api-key", &key(1));
    let answer = potluck.ask(ask.json(&body));
    assert_eq!(answer.status, 200, "{answer:?}");
    let said = answer.json()["candidates"][0]["content"].clone();
    let response = json!({ "role": "user", "parts": [{ "functionResponse":
        { "name": "look", "response": { "seen": "a bird" } } }] });
    body["contents"].as_array_mut().unwrap().extend([said, response]);
    body
}

#[test]
fn a_thought_signature_goes_back_to_the_key_that_made_it() {
    let sim = sim(6);
    let potluck = Potluck::joined(&sim, 6);
    let model = "gemini-3-flash-preview";

    for _ in 0..6 {
        let next = signed_turn(&potluck, model);
        let made_by = sim.last().unwrap().key.unwrap();
        assert!(next.to_string().contains("thoughtSignature"), "{next}");
        potluck.generate(&key(2), "somebody else's call");

        let target = format!("/v1beta/models/{model}:generateContent");
        let ask = Ask::post(&target).header("x-goog-api-key", &key(1));
        let answer = potluck.ask(ask.json(&next));

        assert_eq!((answer.status, answer.attempts()), (200, 1), "{answer:?}");
        assert_eq!(sim.last().unwrap().key.unwrap(), made_by);
    }
}

#[test]
fn a_corrupted_signature_is_tried_once_more_and_hurts_no_key() {
    let sim = sim(4);
    let potluck = Potluck::joined(&sim, 4);
    let sample = "corrupted_thought_signature";
    sim.rule(Rule::next(1, Act::Sample(sample.into())));
    let mut calls = 0;
    // The own key may be the one that was asked first: then there is no other to try.
    while calls < 4 {
        calls += 1;
        let answer = potluck.generate(&key(1), "hello");
        if sim.last().unwrap().status == Some(200) && answer.attempts() == 2 {
            assert_eq!(sim.last().unwrap().key.unwrap(), key(1));
            break;
        }
        sim.clear_rules();
        sim.rule(Rule::next(1, Act::Sample(sample.into())));
    }
    sim.clear_rules();
    sim.clear_log();
    sim.rule(Rule::always(Act::Sample(sample.into())));

    let answer = potluck.generate(&key(1), "hello");

    assert_eq!(answer.status, 400);
    assert!(sim.counters().requests <= 2);
    sim.clear_rules();
    for _ in 0..8 {
        potluck.generate(&key(1), "hello");
    }
    assert_eq!(keys_seen(&sim).len(), 4);
}
