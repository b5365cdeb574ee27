//! `potluck doctor`.

use gemini_sim::{Act, Rule};
use serde_json::Value;

use crate::common::serving::{Potluck, sim};

/// What was found, and the exit code.
fn doctor(data: &std::path::Path, upstream: &str) -> (Vec<Value>, Option<i32>) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_potluck"));
    command.args(["doctor", "--json", "--upstream", upstream]).arg("--data").arg(data);
    let done = command.env_clear().output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    (said.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), done.status.code())
}

fn wrong(found: &[Value]) -> Vec<(&str, &str)> {
    let told = |one: &'_ Value, what: &str| one[what].as_str().unwrap().to_owned();
    let wrong = found.iter().filter(|one| told(one, "is") == "wrong");
    wrong.map(|one| (one["of"].as_str().unwrap(), one["what"].as_str().unwrap())).collect()
}

#[test]
fn where_all_is_well_nothing_is_wrong_and_nothing_is_changed() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    sim.clear_log();

    let (found, code) = doctor(&potluck.data(), &sim.url());

    assert_eq!((wrong(&found), code), (vec![], Some(0)), "{found:?}");
    let looked: Vec<&str> = found.iter().map(|one| one["of"].as_str().unwrap()).collect();
    for of in ["settings", "data folder", "disk", "admin token", "master key", "upstream", "clock"]
    {
        assert!(looked.contains(&of), "{of}: {looked:?}");
    }
    assert!(sim.log().iter().all(|arrival| arrival.key.is_none()), "no key is shown");
    let fresh = tempfile::tempdir().unwrap();
    let data = fresh.path().join("data");
    assert_eq!(doctor(&data, &sim.url()).1, Some(0));
    assert!(!data.exists());
}

#[test]
fn what_is_wrong_is_told_with_what_to_do() {
    let sim = sim(1);
    let mut potluck = Potluck::joined(&sim, 1);
    potluck.signal("-TERM");
    potluck.end();
    std::fs::remove_file(potluck.data().join("master-key")).unwrap();
    let place = r#"{"error":{"code":400,"status":"FAILED_PRECONDITION",
        "message":"User location is not supported for the API use."}}"#;
    let body = serde_json::from_str(place).unwrap();
    sim.rule(Rule::next(1, Act::Answer { status: 400, headers: vec![], body }));

    let (found, code) = doctor(&potluck.data(), &sim.url());

    let told = wrong(&found);
    assert_eq!(code, Some(1));
    let of: Vec<&str> = told.iter().map(|(of, _)| *of).collect();
    assert_eq!(of, ["master key", "upstream"], "{told:?}");
    assert!(told[0].1.contains("sealed with") && told[1].1.contains("--egress"), "{told:?}");
    let (found, _) = doctor(&potluck.data(), "http://127.0.0.1:1");
    assert!(wrong(&found).iter().any(|(_, what)| what.contains("cannot be asked")), "{found:?}");
}

#[test]
fn keys_of_another_master_key_and_a_broken_upstream_are_wrong() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    let other = tempfile::tempdir().unwrap();
    let started = Potluck::start(&sim);
    std::fs::copy(started.data().join("master-key"), other.path().join("master-key")).unwrap();
    let copy = other.path().join("copy.db");
    let backup = potluck.on_data(&["backup"]).arg(&copy).output().unwrap();
    assert!(backup.status.success(), "{backup:?}");
    std::fs::rename(&copy, other.path().join("potluck.db")).unwrap();
    let body = serde_json::json!({});
    sim.rule(Rule::next(1, Act::Answer { status: 502, headers: vec![], body }));

    let (found, code) = doctor(other.path(), &sim.url());

    let told = wrong(&found);
    let of: Vec<&str> = told.iter().map(|(of, _)| *of).collect();
    assert_eq!((of.as_slice(), code), (["database", "upstream"].as_slice(), Some(1)), "{found:?}");
    assert!(told[0].1.contains("another master key"), "{told:?}");
}
