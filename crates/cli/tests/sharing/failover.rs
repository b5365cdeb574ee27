//! What an answer of Google's means for the key that was asked, and for the call.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use gemini_sim::{Act, KeyState, Rule, Sim};

use crate::common::raw::Ask;
use crate::common::serving::{MODEL, Potluck, generate, key, keys_seen, prompt, sim};
use crate::shares;

fn state(potluck: &Potluck, number: usize) -> String {
    potluck.me(&key(number))["state"].as_str().unwrap().to_owned()
}

/// Waits for a key's state, which a probe may decide.
fn comes_to(potluck: &Potluck, number: usize, wanted: &str) -> bool {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        if state(potluck, number) == wanted {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

#[test]
fn a_key_that_fails_is_not_seen_by_the_caller() {
    use KeyState::*;
    for (how, becomes) in [
        (Invalid, "disabled"),
        (Expired, "disabled"),
        (Deleted, "disabled"),
        (Suspended, "disabled"),
        (Unrestricted, "disabled"),
        (Leaked, "disabled"),
        (Denied, "disabled"),
        (ServiceDisabled, "disabled"),
        (Blocked(None), "disabled"),
        (Referrer, "disabled"),
        (IpAddress, "disabled"),
        (Depleted, "resting"),
        (SpendingCap, "resting"),
        (NoFreeTier, "resting"),
        (Sample("quota_free_per_day".into()), "active"),
        (Sample("quota_limit_zero".into()), "active"),
        (Sample("resource_exhausted_plain".into()), "active"),
        (Sample("model_not_for_new_users".into()), "active"),
    ] {
        let sim = sim(3);
        let potluck = Potluck::joined(&sim, 3);
        sim.set_state(&key(2), how.clone());

        for _ in 0..6 {
            let answer = potluck.generate(&key(1), "hello");
            assert_eq!(answer.status, 200, "{how}: {answer:?}");
            assert!(!answer.text().contains(&key(2)));
        }

        let asked =
            sim.log().iter().filter(|one| one.key == Some(key(2)) && one.method == "POST").count();
        assert_eq!(asked, 1, "{how}: out after one answer");
        assert!(comes_to(&potluck, 2, becomes), "{how}: {}", potluck.me(&key(2)));
    }
}

#[test]
fn trouble_upstream_is_tried_with_another_key_at_once_and_blames_none() {
    for act in [
        Act::Sample("high_demand".into()),
        Act::Sample("internal_error".into()),
        Act::Sample("deadline_exceeded".into()),
        Act::Sample("resource_exhausted_vertex_like".into()),
        Act::CutBeforeHead { rst: false },
        Act::CutBeforeHead { rst: true },
    ] {
        let sim = sim(4);
        let potluck = Potluck::joined(&sim, 4);
        sim.rule(Rule::next(2, act.clone()));

        let answer = potluck.generate(&key(1), "hello");

        assert_eq!((answer.status, sim.counters().requests), (200, 3), "{act:?} {answer:?}");
        // A connection that had waited and then died under the request is replaced without
        // another key.
        let cut = matches!(act, Act::CutBeforeHead { .. });
        assert!(answer.attempts() == 3 || cut && answer.attempts() == 2, "{act:?} {answer:?}");
        assert_eq!(keys_seen(&sim).len(), answer.attempts() as usize, "{act:?}");
        let states: Vec<String> = (1..=4).map(|number| state(&potluck, number)).collect();
        assert_eq!(states, ["active"; 4], "{act:?}");
        sim.clear_log();
        (0..8).for_each(|_| drop(potluck.generate(&key(1), "hello")));
        assert_eq!(shares(&sim, 4), [2; 4], "{act:?}");
    }
}

#[test]
fn four_attempts_and_never_the_same_key_twice() {
    for (keys, attempts) in [(1, 1), (2, 2), (4, 4), (7, 4)] {
        let sim = sim(keys);
        let potluck = Potluck::joined(&sim, keys);
        sim.rule(Rule::always(Act::Sample("service_unavailable".into())));

        let answer = potluck.generate(&key(1), "hello");

        assert_eq!((answer.status, answer.attempts()), (503, attempts), "{keys}: {answer:?}");
        assert_eq!(answer.error()["message"], "The service is currently unavailable.");
        assert_eq!(sim.counters().requests, u64::from(attempts));
        assert_eq!(keys_seen(&sim).len(), attempts as usize);
    }
}

#[test]
fn a_storm_is_not_made_worse() {
    let sim = sim(10);
    let potluck = Potluck::joined(&sim, 10);
    sim.rule(Rule::always(Act::Sample("high_demand".into())));

    std::thread::scope(|scope| {
        for caller in 1..=4 {
            let potluck = &potluck;
            scope.spawn(move || {
                for _ in 0..50 {
                    assert_eq!(potluck.generate(&key(caller), "hello").status, 503);
                }
            });
        }
    });

    let asked = sim.counters().requests;
    assert!((200..=200 + 40 + 10).contains(&asked), "{asked} attempts for 200 calls");
    sim.clear_rules();
    assert_eq!(potluck.generate(&key(1), "hello").status, 200, "and it is over at once");
}

#[test]
fn faults_of_the_caller_cost_one_attempt_and_no_key() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);
    let quoting = [
        "API key not valid. Please pass a valid API key. (at contents[0])",
        "Your API key was reported as leaked. Please use another API key. you said",
        "reason: API_KEY_INVALID, quotaId: GenerateRequestsPerDayPerProjectPerModel",
    ];
    let mut acts: Vec<(Act, u16)> = [
        ("invalid_argument_generic", 400),
        ("model_not_found", 404),
        ("file_of_other_project", 403),
        ("cached_content_not_found", 404),
        ("interactions_out_of_range", 416),
    ]
    .into_iter()
    .map(|(name, status)| (Act::Sample(name.into()), status))
    .collect();
    for (text, status) in quoting.iter().flat_map(|text| [(text, 400), (text, 403), (text, 404)]) {
        let body = serde_json::json!({ "error": { "code": status, "message": text } });
        acts.push((Act::Answer { status, headers: vec![], body }, status));
    }
    let body = serde_json::json!({ "error": { "code": 413, "message": "too large" } });
    acts.push((Act::Answer { status: 413, headers: vec![], body }, 413));
    for (act, status) in acts {
        sim.clear_rules();
        sim.clear_log();
        sim.rule(Rule::always(act.clone()));

        for _ in 0..6 {
            let answer = potluck.generate(&key(1), "hello");
            assert_eq!((answer.status, answer.attempts()), (status, 1), "{act:?} {answer:?}");
        }

        assert_eq!(shares(&sim, 3), [2; 3], "{act:?}: every key stays in service");
    }
}

#[test]
fn a_blocked_prompt_is_an_answer_like_any_other() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);

    for text in ["[[block]]", "[[safety]]", "[[recitation]]", "[[other]]"] {
        let answer = potluck.generate(&key(1), text);
        assert_eq!((answer.status, answer.attempts()), (200, 1), "{answer:?}");
    }
}

#[test]
fn an_unclear_permission_is_tried_once_with_the_own_key() {
    let sim = sim(4);
    let potluck = Potluck::joined(&sim, 4);
    for other in 2..=4 {
        sim.rule(Rule::always(Act::Sample("caller_no_permission".into())).key(key(other)));
    }

    let attempts: Vec<u32> = (0..4)
        .map(|_| {
            let answer = potluck.generate(&key(1), "hello");
            assert_eq!((answer.status, answer.served_by()), (200, "own"), "{answer:?}");
            answer.attempts()
        })
        .collect();

    let mut sorted = attempts.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [1, 2, 2, 2], "{attempts:?}");
    sim.rule(Rule::always(Act::Sample("caller_no_permission".into())));
    let answer = potluck.generate(&key(1), "hello");
    assert_eq!(answer.status, 403, "{answer:?}");
    assert!(answer.attempts() <= 2);
    assert_eq!(state(&potluck, 2), "active");
}

#[test]
fn a_doubt_that_the_probe_does_not_share_rests_the_method_alone() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);
    sim.set_state(&key(2), KeyState::Blocked(Some("generateContent".into())));
    (0..4).for_each(|_| assert_eq!(potluck.generate(&key(1), "hello").status, 200));
    assert!(sim.wait_until(Duration::from_secs(10), |seen| seen.requests >= 6), "a probe");

    assert_eq!(state(&potluck, 2), "active");
    sim.clear_log();
    let count = Ask::post(&format!("/v1beta/models/{MODEL}:countTokens"));
    let count = count.header("x-goog-api-key", &key(1)).json(&prompt("hello"));
    (0..4).for_each(|_| assert_eq!(potluck.ask(count.clone()).status, 200));
    assert_eq!(shares(&sim, 2), [2, 2], "another method is served all the time");
}

#[test]
fn when_only_others_keys_are_bad_the_caller_does_not_read_of_a_bad_key() {
    let sim = sim(6);
    let potluck = Potluck::joined(&sim, 6);
    // The own key rests for the day, so that the call must be others'.
    sim.rule(Rule::always(Act::Sample("quota_free_per_day".into())).key(key(1)));
    while potluck.me(&key(1))["cooldowns"].as_array().unwrap().is_empty() {
        potluck.generate(&key(1), "hello");
    }
    sim.clear_log();
    (2..=6).for_each(|number| assert!(sim.set_state(&key(number), KeyState::Leaked)));

    let answer = potluck.generate(&key(1), "hello");

    assert_eq!((answer.status, answer.attempts()), (503, 4), "{answer:?}");
    assert_eq!(answer.reason(), "POOL_UNSERVED");
    assert!(answer.header("retry-after").is_some());
    assert!(!answer.text().contains("leaked") && !answer.text().contains("API key"), "{answer:?}");
}

#[test]
fn our_place_is_nobodys_fault_and_told_from_a_template() {
    for sample in ["location_unsupported", "location_unsupported_with_debuginfo", "html_sorry_page"]
    {
        let sim = sim(3);
        let potluck = Potluck::joined(&sim, 3);
        sim.rule(Rule::always(Act::Sample(sample.into())));

        let answer = potluck.generate(&key(1), "hello");

        assert_eq!((answer.status, answer.reason().as_str()), (503, "POOL_PLACE"), "{sample}");
        assert_eq!(sim.counters().requests, 1);
        assert_eq!(potluck.get("/keycount", None).json()["keyCount"], 3);
        std::thread::sleep(Duration::from_millis(600));
        assert!(potluck.log().contains("place we call from"), "an alarm");
    }
}

#[test]
fn when_everyone_is_refused_at_once_the_verdicts_are_held() {
    let sim = sim(8);
    let potluck = Potluck::joined(&sim, 8);
    (1..=8).for_each(|number| assert!(sim.set_state(&key(number), KeyState::Suspended)));

    for caller in 1..=8 {
        let answer = potluck.generate(&key(caller), "hello");
        // Four verdicts stand before the fifth shows that it is everyone; one whose key is among
        // them is told what Google says of it.
        assert!(matches!(answer.status, 403 | 503), "{answer:?}");
    }

    assert_eq!(potluck.get("/keycount", None).json()["keyCount"], 8);
    (1..=8).for_each(|number| assert!(sim.set_state(&key(number), KeyState::Good)));
    (0..8).for_each(|_| assert_eq!(potluck.generate(&key(1), "hello").status, 200));
    let states: Vec<String> = (1..=8).map(|number| state(&potluck, number)).collect();
    assert_eq!(states, ["active"; 8]);
}

#[test]
fn slowness_is_no_reason_to_change_keys_and_the_callers_patience_is_kept() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);
    sim.rule(Rule::next(1, Act::SlowHead { ms: 1500 }));
    let slow = potluck.generate(&key(1), "hello");
    assert_eq!((slow.status, slow.attempts()), (200, 1));

    sim.clear_log();
    sim.rule(Rule::next(1, Act::StallHead));
    let start = Instant::now();
    let answer = potluck.ask(generate(&key(1), "hello").header("x-server-timeout", "1"));

    assert_eq!((answer.status, answer.reason().as_str()), (504, "POOL_UPSTREAM_TIMEOUT"));
    assert!((Duration::from_millis(900)..Duration::from_secs(8)).contains(&start.elapsed()));
    assert_eq!(sim.counters().requests, 1);
    assert_eq!(sim.last().unwrap().header("x-server-timeout"), None);
    assert!(sim.wait_until(Duration::from_secs(5), |seen| seen.in_flight == 0));
}

#[test]
fn a_waiting_connection_that_died_is_replaced_without_a_word() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    for _ in 0..5 {
        sim.rule(Rule::next(1, Act::SilentClose));
        assert_eq!(potluck.generate(&key(1), "hello").status, 200);
        let again = potluck.generate(&key(1), "hello");
        assert_eq!((again.status, again.attempts()), (200, 1), "{again:?}");
        let list = potluck.get("/v1beta/files", Some(&key(1)));
        assert_eq!(list.status, 200, "{list:?}");
    }
}

#[test]
fn own_calls_that_change_something_are_sent_once() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);
    let create = |sim: &Sim| {
        sim.clear_log();
        let body = serde_json::json!({ "displayName": "mine" });
        let ask = Ask::post("/v1beta/fileSearchStores").header("x-goog-api-key", &key(2));
        potluck.ask(ask.json(&body))
    };
    for act in [
        Act::CutBeforeHead { rst: true },
        Act::Sample("high_demand".into()),
        Act::Sample("quota_free_per_minute_tokens".into()),
    ] {
        sim.rule(Rule::next(1, act.clone()));
        let answer = create(&sim);
        assert!(answer.status >= 429, "{act:?} {answer:?}");
        assert_eq!((answer.attempts(), sim.counters().requests), (1, 1), "{act:?}");
        assert_eq!(keys_seen(&sim), BTreeSet::from([key(2)]));
    }
    assert_eq!(create(&sim).status, 200);
    for _ in 0..5 {
        sim.rule(Rule::next(1, Act::SilentClose));
        potluck.generate(&key(1), "hello");
        let answer = create(&sim);
        let arrived = sim.counters().requests;
        assert!(answer.status == 200 && arrived == 1 || answer.status == 502 && arrived == 0);
    }
}
