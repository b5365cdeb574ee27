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
fn data_that_a_server_has_in_hand_is_left_to_it() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);

    // The server listens elsewhere than at the usual address, where nobody is that takes its token.
    let told = run(&mut potluck.on_data(&["keys", "list"]));

    assert_eq!((told.code, told.out.as_str()), (Some(1), ""), "{}", told.err);
    assert_eq!(potluck.me(&key(1))["state"], "active");
}
