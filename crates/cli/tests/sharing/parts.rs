//! A pool in parts: to its callers it is one.

use std::collections::BTreeSet;

use gemini_sim::{Rule, Sim};

use crate::common::raw::Ask;
use crate::common::serving::{Potluck, key, keys_seen, sim};
use crate::resting::{DAY, quota};

const KEYS: usize = 16;

/// Four parts, and a few keys in each.
fn in_parts(sim: &Sim) -> Potluck {
    let potluck = Potluck::with(&sim.url(), &["--parts=4"]);
    potluck.join(sim, 1..=KEYS);
    potluck
}

/// The part in which a key lives: its id says it.
fn part(potluck: &Potluck, number: usize) -> u8 {
    let me = potluck.me(&key(number));
    let id = me["id"].as_str().unwrap().trim_start_matches("k_").to_owned();
    u8::from_str_radix(&id[..2], 16).unwrap() % 4
}

#[test]
fn keys_of_other_parts_serve_whose_own_part_is_spent() {
    let sim = sim(KEYS);
    let potluck = in_parts(&sim);
    let home = part(&potluck, 1);
    let (near, far): (Vec<usize>, Vec<usize>) =
        (1..=KEYS).partition(|number| part(&potluck, *number) == home);
    assert!(!far.is_empty(), "sixteen keys in one part of four");
    for number in &near {
        sim.rule(Rule::always(quota(DAY, "1s")).key(key(*number)));
    }
    // Every key of the part is found to be spent.
    near.iter().for_each(|_| drop(potluck.generate(&key(1), "x")));
    let before = potluck.me(&key(1))["borrowed"]["calls"].as_u64().unwrap();
    sim.clear_log();

    for _ in 0..12 {
        let answer = potluck.generate(&key(1), "x");
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("x-potluck-served-by"), Some("pool"));
        assert_eq!(answer.header("x-potluck-key"), Some("known"));
    }

    let far: BTreeSet<String> = far.into_iter().map(key).collect();
    assert!(keys_seen(&sim).is_subset(&far));
    let me = potluck.me(&key(1));
    assert_eq!(me["borrowed"]["calls"].as_u64(), Some(before + 12), "{me}");
}

#[test]
fn all_parts_are_counted_together() {
    let sim = sim(KEYS);
    let potluck = in_parts(&sim);
    let parts: BTreeSet<u8> = (1..=KEYS).map(|number| part(&potluck, number)).collect();
    assert!(parts.len() > 1, "sixteen keys in one part of four");

    assert_eq!(potluck.get("/keycount", None).json()["keyCount"], KEYS);
    let summary = potluck.get("/pool", None).json();
    assert_eq!(summary["keys"]["serving"], KEYS, "{summary}");
    let metrics = potluck.get("/metrics", None);
    let text = String::from_utf8(metrics.body.clone()).unwrap();
    assert!(text.contains(&format!("potluck_keys{{kind=\"serving\"}} {KEYS}")), "{text}");
}

#[test]
fn a_key_is_withdrawn_from_its_part_and_stays_out_after_a_restart() {
    let sim = sim(KEYS);
    let mut potluck = in_parts(&sim);
    let withdraw = Ask::new("DELETE", "/pool/me").header("x-goog-api-key", &key(2));
    assert_eq!(potluck.ask(withdraw).status, 204);

    potluck.restart();

    assert_eq!(potluck.get("/keycount", None).json()["keyCount"], KEYS - 1);
    assert_eq!(potluck.me(&key(2))["state"], "withdrawn");
    sim.clear_log();
    assert_eq!(potluck.generate(&key(2), "x").status, 200);
    assert_eq!(keys_seen(&sim), BTreeSet::from([key(2)]), "it serves its bearer alone");

    let back = potluck.change(&key(2), &serde_json::json!({ "paused": false }));
    assert_eq!(back.status, 200, "{back:?}");
    assert_eq!(potluck.generate(&key(2), "x").header("x-potluck-key"), Some("stored"));
}
