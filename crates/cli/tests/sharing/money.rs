//! Nobody spends a contributor's money unasked.

use std::collections::BTreeSet;

use gemini_sim::{Limits, Sim};
use serde_json::{Value, json};

use crate::common::raw::Ask;
use crate::common::serving::{MODEL, Potluck, key, keys_seen, prompt, sim};
use crate::shares;

fn native(model: &str, verb: &str, body: &Value) -> Ask {
    let target = format!("/v1beta/models/{model}:{verb}");
    Ask::post(&target).header("x-goog-api-key", &key(1)).json(body)
}

fn with(field: &str, value: Value) -> Value {
    let mut body = prompt("hello");
    body[field] = value;
    body
}

/// Calls that somebody pays for, and the model of each.
fn metered() -> Vec<(&'static str, Ask)> {
    let image = json!({ "instances": [{ "prompt": "a bird" }], "parameters": {} });
    let speech = with("generationConfig", json!({ "responseModalities": ["AUDIO"] }));
    let picture = with("generationConfig", json!({ "response_modalities": ["TEXT", "IMAGE"] }));
    let tool = |name: &str| native(MODEL, "generateContent", &with("tools", json!([{ name: {} }])));
    let compat = json!({ "model": "imagen-4.0-generate-001", "prompt": "a bird" });
    let compat = Ask::post("/v1/images/generations").json(&compat);
    vec![
        ("imagen-4.0-generate-001", native("imagen-4.0-generate-001", "predict", &image)),
        ("imagen-4.0-generate-001", compat.header("authorization", &format!("Bearer {}", key(1)))),
        (
            "gemini-2.5-flash-image",
            native("gemini-2.5-flash-image", "generateContent", &prompt("draw")),
        ),
        (MODEL, native(MODEL, "generateContent", &picture)),
        (
            "gemini-2.5-flash-preview-tts",
            native("gemini-2.5-flash-preview-tts", "generateContent", &speech),
        ),
        (MODEL, tool("googleSearch")),
        (MODEL, tool("google_search")),
        (MODEL, tool("googleSearchRetrieval")),
        (MODEL, tool("googleMaps")),
        (MODEL, tool("codeExecution")),
        (MODEL, tool("computerUse")),
    ]
}

#[test]
fn what_costs_goes_with_the_own_key_unless_it_is_lent_by_name() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);
    for (model, ask) in metered() {
        sim.clear_log();
        for _ in 0..3 {
            let answer = potluck.ask(ask.clone());
            assert_eq!(answer.served_by(), "own", "{model} {ask:?} {answer:?}");
        }
        assert_eq!(keys_seen(&sim), BTreeSet::from([key(1)]), "{model} {ask:?}");
    }
    let names: Vec<&str> = metered().iter().map(|(model, _)| *model).collect();
    let changed = potluck.change(&key(2), &json!({ "lend_models": names }));
    assert_eq!(changed.status, 200, "{changed:?}");
    for (model, ask) in metered() {
        sim.clear_log();
        (0..4).for_each(|_| drop(potluck.ask(ask.clone())));
        let seen = keys_seen(&sim);
        assert!(seen.contains(&key(2)), "{model} is lent by key 2 now: {ask:?}");
        assert!(!seen.contains(&key(3)), "{model} {ask:?}");
    }
}

fn told_zero(sim: &Sim, project: u64, model: &str) {
    sim.set_limits(project, model, Limits::ZERO);
}

#[test]
fn a_model_with_limit_zero_for_one_key_is_billed_for_all_others() {
    let model = "gemini-2.5-pro";
    let sim = sim(4);
    let potluck = Potluck::joined(&sim, 4);
    let ask = native(model, "generateContent", &prompt("hello"));
    (0..4).for_each(|_| assert_eq!(potluck.ask(ask.clone()).status, 200));
    assert_eq!(shares(&sim, 4), [1; 4], "nobody knows yet that it is billed");
    told_zero(&sim, 2, model);
    (0..4).for_each(|_| assert_eq!(potluck.ask(ask.clone()).status, 200));
    sim.clear_log();

    for _ in 0..4 {
        let answer = potluck.ask(ask.clone());
        assert_eq!((answer.status, answer.served_by()), (200, "own"), "{answer:?}");
    }
    potluck.change(&key(3), &json!({ "lend_models": [model] }));
    (0..4).for_each(|_| assert_eq!(potluck.ask(ask.clone()).status, 200));

    let shares = shares(&sim, 4);
    assert!(shares[2] > 0, "lent by name: {shares:?}");
    assert_eq!((shares[1], shares[3]), (0, 0), "{shares:?}");
}

#[test]
fn lent_models_are_lent_and_no_others() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);
    potluck.change(&key(2), &json!({ "lend_models": ["gemini-2.5-flash-lite"] }));
    let lite = native("gemini-2.5-flash-lite", "generateContent", &prompt("x"));
    let flash = native(MODEL, "generateContent", &prompt("x"));

    (0..4).for_each(|_| assert_eq!(potluck.ask(flash.clone()).status, 200));
    assert_eq!(shares(&sim, 2), [4, 0]);
    sim.clear_log();
    (0..4).for_each(|_| assert_eq!(potluck.ask(lite.clone()).status, 200));
    assert_eq!(shares(&sim, 2), [2, 2]);

    potluck.change(&key(2), &json!({ "lend_models": null }));
    sim.clear_log();
    (0..4).for_each(|_| assert_eq!(potluck.ask(flash.clone()).status, 200));
    assert_eq!(shares(&sim, 2), [2, 2]);
}
