//! The table and the shapes of our own errors.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::failure;

#[test]
fn every_reason_is_a_well_formed_error_in_every_dialect() {
    let mut names = std::collections::BTreeSet::new();
    for reason in Reason::ALL {
        let problem = Problem::new(reason);
        assert!(names.insert(reason.name()), "{} twice", reason.name());
        assert!(reason.name().starts_with("POOL_"));
        assert!((400..600).contains(&problem.code));
        for dialect in [Dialect::Native, Dialect::Compat] {
            let failure = failure::read(problem.code, None, &problem.body(dialect));
            assert_eq!(failure.message, problem.message);
            assert_eq!(failure.status_text.as_deref(), Some(problem.status));
            assert!(failure.details && failure.reason.is_none(), "our reasons are not Google's");
        }
        let body = problem.body(Dialect::Interactions);
        let failure = failure::read(problem.code, None, &body);
        assert!(failure.code.is_some() && !failure.details);
    }
}

#[test]
fn compatible_routes_get_a_list_of_one() {
    let body: Value =
        serde_json::from_slice(&Problem::new(Reason::Busy).body(Dialect::Compat)).unwrap();
    assert_eq!(body[0]["error"]["code"], 503);
    assert_eq!(body[0]["error"]["details"][0]["domain"], "potluck");
}

#[test]
fn a_wait_is_told_in_details_message_and_seconds() {
    let problem = Problem::new(Reason::Resting).after(Duration::from_millis(37_200));
    let failure = failure::read(429, None, &problem.body(Dialect::Native));
    assert_eq!(failure.retry_delay, Some(Duration::from_secs(38)));
    assert_eq!(problem.retry_after_seconds(), Some(38));
    assert!(problem.message.ends_with("Please retry in 38s."));
    assert!(failure.quotas.is_empty() && problem.should_retry);
}

#[test]
fn a_wait_for_another_day_stops_clients_that_retry() {
    let problem = Problem::new(Reason::Resting)
        .with("model", "gemini-3.8-flash")
        .after(Duration::from_secs(7200))
        .for_the_day();
    let failure = failure::read(429, None, &problem.body(Dialect::Native));
    assert!(failure.quotas[0].id.contains("PerDay"));
    assert_eq!(failure.quotas[0].model.as_deref(), Some("gemini-3.8-flash"));
    assert!(!problem.should_retry);
}

#[test]
fn a_missing_key_is_said_in_google_s_words() {
    let samples: Value =
        serde_json::from_str(include_str!("../../data/gemini-errors.json")).unwrap();
    let missing = samples.as_array().unwrap().iter().find(|one| one["name"] == "missing_key");
    let message = &missing.unwrap()["body"]["error"]["message"];
    assert_eq!(message.as_str(), Some(Problem::new(Reason::NoKey).message.as_str()));
}

#[test]
fn an_upstream_status_is_taken_over_when_it_is_an_error() {
    let problem = Problem::new(Reason::Unreadable);
    assert_eq!(problem.clone().with_status(429).status, "RESOURCE_EXHAUSTED");
    assert_eq!(problem.clone().with_status(204).code, 502);
}
