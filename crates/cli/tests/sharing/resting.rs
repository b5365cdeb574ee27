//! Cooldowns, and a pool in which every key rests.

use std::time::{Duration, Instant};

use gemini_sim::{Act, Limits, Rule, Sim};
use serde_json::{Value, json};

use crate::common::raw::{Answer, Ask};
use crate::common::serving::{MODEL, Potluck, generate, key, prompt, sim, stream};
use crate::shares;

/// A quota that Google would refuse with this id, to be retried after so long.
pub fn quota(id: &str, delay: &str) -> Act {
    let details = json!([
        { "@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{
            "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
            "quotaId": id, "quotaDimensions": { "model": MODEL, "location": "global" },
            "quotaValue": "20" }] },
        { "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay },
    ]);
    let body = json!({ "error": { "code": 429, "status": "RESOURCE_EXHAUSTED",
        "message": "You exceeded your current quota.", "details": details } });
    Act::Answer { status: 429, headers: Vec::new(), body }
}

const MINUTE: &str = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier";
pub const DAY: &str = "GenerateRequestsPerDayPerProjectPerModel-FreeTier";

fn sample(name: &str) -> Act {
    Act::Sample(name.to_owned())
}

/// The one cooldown of a key, and how many seconds it has still to go.
fn cooldown(potluck: &Potluck, number: usize) -> (Value, i64) {
    let me = potluck.me(&key(number));
    let all = me["cooldowns"].as_array().unwrap();
    assert_eq!(all.len(), 1, "{me}");
    let until: jiff::Timestamp = all[0]["until"].as_str().unwrap().parse().unwrap();
    (all[0].clone(), until.as_second() - jiff::Timestamp::now().as_second())
}

fn seconds_to_midnight_in_california() -> i64 {
    let now = jiff::Timestamp::now().as_millisecond();
    (gemini_sim::quota::next_midnight(now) - now) / 1000
}

#[test]
fn a_cooldown_lasts_as_long_as_its_cause() {
    let midnight = seconds_to_midnight_in_california();
    let hour = 3600;
    for (act, lasts, whole) in [
        (quota(MINUTE, "38s"), 35..=40, false),
        (quota(MINUTE, "38.9s"), 36..=41, false),
        (quota(DAY, "38s"), midnight - 60..=midnight + 2, false),
        (sample("quota_free_tokens_per_day"), midnight - 60..=midnight + 2, false),
        (sample("resource_exhausted_plain"), 25..=61, false),
        (sample("quota_limit_zero"), 20 * hour..=26 * hour, false),
        (sample("model_not_for_new_users"), 20 * hour..=26 * hour, false),
        (sample("prepayment_depleted"), hour..=24 * hour, true),
        (sample("spending_cap"), hour..=24 * hour, true),
        (sample("payment_required"), hour..=24 * hour, true),
        (sample("free_tier_not_in_country"), hour..=24 * hour, true),
    ] {
        let sim = sim(2);
        let potluck = Potluck::joined(&sim, 2);
        sim.rule(Rule::always(act.clone()).key(key(2)));

        (0..2).for_each(|_| assert_eq!(potluck.generate(&key(1), "x").status, 200, "{act:?}"));

        let (cooldown, left) = cooldown(&potluck, 2);
        assert!(lasts.contains(&left), "{act:?}: {left} s, {lasts:?}");
        assert_eq!(cooldown["model"].is_null(), whole, "{act:?}: {cooldown}");
        sim.clear_log();
        (0..6).for_each(|_| assert_eq!(potluck.generate(&key(1), "x").status, 200));
        assert_eq!(shares(&sim, 2), [6, 0], "no call before its time");
    }
}

#[test]
fn a_cooldown_is_for_one_model_and_one_kind_of_method() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);
    let count = Ask::post(&format!("/v1beta/models/{MODEL}:countTokens"));
    let count = count.header("x-goog-api-key", &key(1)).json(&prompt("hello"));
    sim.rule(Rule::next(1, quota(DAY, "1s")).key(key(2)).path(":countTokens"));
    (0..2).for_each(|_| assert_eq!(potluck.ask(count.clone()).status, 200));
    assert_eq!(cooldown(&potluck, 2).0["family"], "count-tokens");

    sim.clear_log();
    (0..4).for_each(|_| assert_eq!(potluck.generate(&key(1), "x").status, 200));
    assert_eq!(shares(&sim, 2), [2, 2], "generateContent goes on");

    sim.rule(Rule::next(1, quota(DAY, "1s")).key(key(2)).path(":generateContent"));
    (0..2).for_each(|_| assert_eq!(potluck.generate(&key(1), "x").status, 200));
    sim.clear_log();
    let other = Ask::post("/v1beta/models/gemini-2.5-flash-lite:generateContent");
    let other = other.header("x-goog-api-key", &key(1)).json(&prompt("x"));
    (0..4).for_each(|_| assert_eq!(potluck.ask(other.clone()).status, 200));
    assert_eq!(shares(&sim, 2), [2, 2], "another model goes on");
    sim.clear_log();
    (0..4).for_each(|_| assert_eq!(potluck.ask(stream(&key(1), "x")).status, 200));
    assert_eq!(shares(&sim, 2), [4, 0], "streams of the model are the same quota");
}

fn retry_info(answer: &Answer) -> String {
    let error = answer.error();
    let details = error["details"].as_array().cloned().unwrap();
    let delay = details.iter().find_map(|detail| detail["retryDelay"].as_str());
    delay.unwrap().to_owned()
}

fn quota_ids(answer: &Answer) -> Vec<String> {
    let error = answer.error();
    let details = error["details"].as_array().cloned().unwrap();
    let violations = details.iter().filter_map(|detail| detail["violations"].as_array());
    violations.flatten().map(|one| one["quotaId"].as_str().unwrap().to_owned()).collect()
}

/// Lets every key rest, and forgets how.
fn spend(sim: &Sim, potluck: &Potluck, keys: usize, act: Act) -> Vec<Answer> {
    let rule = sim.rule(Rule::always(act));
    let answers = (0..keys.div_ceil(4)).map(|_| potluck.generate(&key(1), "x")).collect();
    sim.remove_rule(rule);
    sim.clear_log();
    answers
}

#[test]
fn an_exhausted_pool_is_answered_here_with_the_time_of_the_first_to_wake() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);
    for (number, delay) in [(1, "50s"), (2, "20s"), (3, "40s")] {
        sim.rule(Rule::next(1, quota(MINUTE, delay)).key(key(number)));
    }
    let burned = potluck.generate(&key(1), "x");
    assert_eq!((burned.status, burned.attempts()), (429, 3), "{burned:?}");
    sim.clear_log();

    let answer = potluck.generate(&key(2), "x");

    assert_eq!((answer.status, answer.reason().as_str()), (429, "POOL_RESTING"), "{answer:?}");
    assert_eq!(answer.error()["status"], "RESOURCE_EXHAUSTED");
    let seconds: i64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((15..=22).contains(&seconds), "{answer:?}");
    let told: f64 = retry_info(&answer).trim_end_matches('s').parse().unwrap();
    assert!((15.0..=22.0).contains(&told));
    assert!(quota_ids(&answer).iter().all(|id| !id.contains("PerDay")), "{answer:?}");
    assert_eq!((sim.counters().requests, answer.attempts()), (0, 0));
    let pool = potluck.get("/keycount", None).json();
    assert_eq!(pool["keyCount"], 3, "they can serve after a cooldown");
}

#[test]
fn a_day_that_is_spent_says_so_to_clients_that_would_go_on() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);

    let burned = spend(&sim, &potluck, 2, quota(DAY, "12s"));
    let answer = potluck.generate(&key(1), "x");

    for answer in burned.iter().chain([&answer]) {
        assert_eq!(answer.status, 429, "{answer:?}");
        if seconds_to_midnight_in_california() > 3700 {
            assert!(quota_ids(answer).iter().any(|id| id.contains("PerDay")), "{answer:?}");
        }
    }
    assert_eq!(sim.counters().requests, 0);
    let chat = json!({ "model": MODEL, "messages": [{ "role": "user", "content": "x" }] });
    let ask = Ask::post("/v1/chat/completions").json(&chat);
    let compat = potluck.ask(ask.header("authorization", &format!("Bearer {}", key(1))));
    assert_eq!(compat.status, 429);
    assert!(compat.json().is_array(), "{compat:?}");
    assert!(compat.header("retry-after").is_some());
}

#[test]
fn a_call_waits_for_a_key_that_wakes_in_a_moment() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);
    spend(&sim, &potluck, 2, quota(MINUTE, "0.2s"));

    let start = Instant::now();
    let answer = potluck.generate(&key(1), "x");

    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(start.elapsed() < Duration::from_secs(8));
}

#[test]
fn the_operator_decides_how_long_a_call_waits() {
    let sim = sim(1);
    let potluck = Potluck::with(&sim.url(), &["--wait-timeout=0s"]);
    potluck.join(&sim, [1]);
    spend(&sim, &potluck, 1, quota(MINUTE, "0.5s"));

    let answer = potluck.generate(&key(1), "x");

    assert_eq!(answer.status, 429, "{answer:?}");
    assert_eq!(sim.counters().requests, 0);
}

#[test]
fn a_key_is_used_again_when_its_minute_is_over() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);
    sim.rule(Rule::next(1, quota(MINUTE, "1s")).key(key(2)));
    (0..2).for_each(|_| assert_eq!(potluck.generate(&key(1), "x").status, 200));
    sim.clear_log();
    (0..2).for_each(|_| assert_eq!(potluck.generate(&key(1), "x").status, 200));
    assert_eq!(shares(&sim, 2), [2, 0]);

    std::thread::sleep(Duration::from_millis(2200));

    sim.clear_log();
    (0..4).for_each(|_| assert_eq!(potluck.generate(&key(1), "x").status, 200));
    assert_eq!(shares(&sim, 2), [2, 2]);
}

#[test]
fn real_quotas_are_used_to_the_last_call_and_no_further() {
    let sim = sim(4);
    let potluck = Potluck::joined(&sim, 4);
    for project in 1..=4 {
        sim.set_limits(project, MODEL, Limits::new(5, 1_000_000, 1_000));
    }
    sim.refill();

    let answers: Vec<u16> = (0..30).map(|_| potluck.generate(&key(1), "x").status).collect();

    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 20, "{answers:?}");
    let refused = sim.counters().by_status.get(&429).copied().unwrap_or(0);
    assert!(refused <= 4, "each key reads once that its minute is spent: {refused}");
}

#[test]
fn a_prompt_larger_than_a_keys_minute_burns_no_more_keys() {
    let sim = sim(4);
    let potluck = Potluck::joined(&sim, 4);
    for project in 1..=4 {
        sim.set_limits(project, MODEL, Limits { tpm: Some(1_000), ..Limits::NONE });
    }
    let large = "many words and more ".repeat(300);

    let answer = potluck.generate(&key(1), &large);

    assert_eq!((answer.status, answer.attempts()), (429, 1), "{answer:?}");
    assert_eq!(sim.counters().requests, 1);
    sim.clear_log();
    (0..8).for_each(|_| assert_eq!(potluck.generate(&key(1), "x").status, 200));
    assert_eq!(shares(&sim, 4), [2; 4], "no key rests for it");
}

#[test]
fn retries_of_callers_do_not_reach_google_while_all_rest() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);
    spend(&sim, &potluck, 2, quota(MINUTE, "30s"));

    for _ in 0..50 {
        assert_eq!(potluck.ask(generate(&key(1), "x")).status, 429);
        assert_eq!(potluck.ask(stream(&key(2), "x")).status, 429);
    }

    assert_eq!(sim.counters().requests, 0);
}
