//! Commands on the data of a server that does not run.

use serde_json::Value;

use crate::common::run;
use crate::common::serving::{Potluck, key, sim};

#[test]
fn keys_of_a_stopped_server_are_listed_changed_and_added_and_it_finds_them_so() {
    let sim = sim(3);
    let mut potluck = Potluck::joined(&sim, 2);
    let id = potluck.me(&key(2))["id"].as_str().unwrap().to_owned();
    let file = potluck.data().join("keys.txt");
    std::fs::write(&file, format!("{}\n{}\n", key(3), key(4))).unwrap();
    potluck.signal("-TERM");
    assert_eq!(potluck.end(), Some(0));

    let listed = run(&mut potluck.on_data(&["keys", "list", "--json"]));
    let listed: Vec<Value> = serde_json::from_str(&listed.out).unwrap();
    assert_eq!(listed.len(), 2);
    let told = run(&mut potluck.on_data(&["keys", "disable", &id]));
    assert_eq!((told.code, told.out), (Some(0), format!("{id}  disabled\n")));
    let mut import = potluck.on_data(&["keys", "import", file.to_str().unwrap()]);
    let told = run(import.env("POTLUCK_UPSTREAM", sim.url()));
    assert_eq!(told.code, Some(1), "Google knows one of the two: {}", told.out);
    assert!(told.out.ends_with("1 added, 1 refused\n"), "{}", told.out);

    potluck.start_again();
    assert_eq!(potluck.me(&key(2))["state"], "disabled");
    assert_eq!(potluck.me(&key(3))["state"], "active");
}

#[test]
fn a_command_finds_the_server_that_has_the_data_and_shows_its_token_to_nobody_else() {
    let sim = sim(1);
    let mut potluck = Potluck::joined(&sim, 1);
    let listed = run(&mut potluck.on_data(&["keys", "list", "--json"]));
    let keys: Vec<Value> = serde_json::from_str(&listed.out).unwrap();
    assert_eq!((listed.code, keys.len()), (Some(0), 1), "{}", listed.err);

    potluck.signal("-KILL");
    potluck.end();
    let listed = run(&mut potluck.on_data(&["keys", "list"]));
    assert_eq!(listed.code, Some(0), "the address is of a server that is no more: {}", listed.err);

    let nothing = tempfile::tempdir().unwrap();
    let mut nowhere = std::process::Command::new(env!("CARGO_BIN_EXE_potluck"));
    nowhere.args(["status"]).current_dir(nothing.path()).env_clear();
    let told = run(nowhere.env("POTLUCK_ADMIN_TOKEN", "sixteen characters or more"));
    assert_eq!(told.code, Some(2), "{} {}", told.out, told.err);
    assert!(told.err.contains("--data") && told.err.contains("--server"), "{}", told.err);
}

#[test]
fn the_settings_file_says_where_the_data_is_for_commands_too() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    let here = tempfile::tempdir().unwrap();
    let file = format!("data = {:?}\n", potluck.data());
    std::fs::write(here.path().join("potluck.toml"), file).unwrap();
    let mut backup = std::process::Command::new(env!("CARGO_BIN_EXE_potluck"));

    let told = run(backup.args(["backup", "copy.db"]).current_dir(here.path()).env_clear());

    assert_eq!(told.code, Some(0), "{}", told.err);
    assert!(told.out.starts_with("1 keys are in "), "{}", told.out);
}
