//! `potluck keys import` and `check`, against a running server.

use gemini_sim::{Key, KeyState};
use serde_json::{Value, json};

use crate::common::serving::{Potluck, config, key, keys_seen, sim};
use crate::common::{folder, run};

/// Google knows keys 1 to 3 and this one, which is suspended.
const SUSPENDED: usize = 4;

#[test]
fn keys_are_imported_from_any_form_once_each_and_those_that_google_refuses_are_told_by_line() {
    let dead = Key::new(key(SUSPENDED), 90).state(KeyState::Suspended);
    let sim = gemini_sim::Sim::start(config(3).keys([dead])).unwrap();
    let potluck = Potluck::joined(&sim, 1);
    let here = folder();
    let (first, second) = (here.path().join("a.json"), here.path().join("b.sql"));
    let json = format!("{{\"API_KEYS\": [\"{}\",\n \"{}\",\n \"{}\"]}}", key(1), key(2), key(2));
    std::fs::write(&first, json).unwrap();
    let sql = |n: usize| format!("INSERT INTO keys VALUES({n},'{}');\n", key(n));
    let sql = sql(3) + &sql(SUSPENDED) + &sql(5) + "INSERT INTO keys VALUES(6,'AIzaSyCutOff');\n";
    std::fs::write(&second, sql).unwrap();
    let files = [first.to_str().unwrap(), second.to_str().unwrap()];
    sim.clear_log();

    let told = run(&mut potluck.command(&["keys", "import", files[0], files[1]]));

    assert_eq!(told.code, Some(1), "not all were taken");
    let lines: Vec<&str> = told.out.lines().collect();
    let expected = [
        (4, "bad: begins like a key"),
        (2, "refused: Google has suspended"),
        (3, "refused: Google says that the key is invalid"),
    ];
    for (line, (number, says)) in lines.iter().zip(expected) {
        assert!(line.starts_with(&format!("{}:{number}: {says}", files[1])), "{}", told.out);
    }
    assert_eq!(lines[3], "2 added, 1 known, 1 double, 1 bad, 2 refused");
    assert!(!told.out.contains("AIza") && !told.err.contains("AIza"));
    let asked = keys_seen(&sim);
    assert_eq!(asked.len(), 4, "a key that is known is not asked about");
    assert_eq!(potluck.me(&key(3))["state"], "active");
}

#[test]
fn without_a_check_google_is_asked_nothing() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 1);
    let here = folder();
    let file = here.path().join("keys.txt");
    std::fs::write(&file, format!("{}\nnonsense\n{}\n", key(1), key(2))).unwrap();

    let words = ["keys", "import", "--no-check", "--json", file.to_str().unwrap()];
    let told = run(&mut potluck.command(&words));

    let lines: Vec<Value> =
        told.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["line"], &lines[0]["became"]), (&json!(2), &json!("bad")));
    assert_eq!((&lines[1]["added"], &lines[1]["known"]), (&json!(1), &json!(1)));
    assert!(sim.log().is_empty());
}

#[test]
fn a_stopped_import_goes_on_where_it_was_and_its_file_holds_no_key() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    let here = folder();
    let (file, state) = (here.path().join("keys.txt"), here.path().join("state"));
    let keys = 6_000;
    let text: String = (1..=keys).map(|n| format!("{}\n", key(n))).collect();
    std::fs::write(&file, &text).unwrap();
    let (file, kept) = (file.to_str().unwrap(), state.to_str().unwrap());
    let words = ["keys", "import", "--no-check", "--resume", kept, file];
    // As a stop leaves it after the first chunk.
    let files = json!([{ "file": file, "bytes": text.len() }]);
    let counts = json!({ "added": 4_999, "known": 1 });
    let stopped = json!({ "answered": 5_000, "files": files, "counts": counts });
    std::fs::write(&state, stopped.to_string()).unwrap();

    let told = run(&mut potluck.command(&words));

    assert_eq!(told.out, format!("{} added, 1 known\n", keys - 1), "{}", told.err);
    assert!(!state.exists(), "nothing is left to go on with");
    let status = run(&mut potluck.command(&["status", "--json"])).out;
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["keys"]["serving"], 1_001, "what was answered for is not sent again");
    std::fs::write(&state, stopped.to_string()).unwrap();
    std::fs::write(file, "other keys").unwrap();
    assert_eq!(run(&mut potluck.command(&words)).code, Some(2), "of other files it tells nothing");
}

#[test]
fn an_import_that_loses_its_server_keeps_how_far_it_came() {
    let sim = sim(1);
    let mut potluck = Potluck::joined(&sim, 1);
    let here = folder();
    let (file, state) = (here.path().join("keys.txt"), here.path().join("state"));
    let text: String = (1..=100).map(|n| format!("{}\n", key(n))).collect();
    std::fs::write(&file, &text).unwrap();
    let words = ["keys", "import", "--resume", state.to_str().unwrap(), file.to_str().unwrap()];
    let files = json!([{ "file": file.to_str().unwrap(), "bytes": text.len() }]);
    let kept = json!({ "answered": 50, "files": files, "counts": { "added": 50 } }).to_string();
    std::fs::write(&state, &kept).unwrap();
    let mut gone = potluck.command(&words);
    potluck.signal("-KILL");
    potluck.end();

    let told = run(&mut gone);

    assert_eq!(told.code, Some(1));
    assert!(told.err.contains("No server answers"), "{}", told.err);
    assert_eq!(std::fs::read_to_string(&state).unwrap(), kept);
}

#[test]
fn keys_are_checked_when_an_operator_wants_to_know() {
    let sim = sim(3);
    let potluck = Potluck::joined(&sim, 3);
    let id = |number: usize| potluck.me(&key(number))["id"].as_str().unwrap().to_owned();
    let ids = [id(1), id(2), id(3)];
    assert_eq!(run(&mut potluck.command(&["keys", "disable", &ids[2]])).code, Some(0));
    sim.clear_log();

    let told = run(&mut potluck.command(&["keys", "check"]));

    assert_eq!(told.code, Some(0), "{}", told.err);
    assert_eq!(told.out.matches("  works\n").count(), 3, "{}", told.out);
    assert_eq!(keys_seen(&sim).len(), 3);
    assert_eq!(potluck.me(&key(3))["state"], "disabled", "the operator's word stands");

    sim.set_state(&key(1), KeyState::Suspended);
    let told = run(&mut potluck.command(&["keys", "check", &ids[0], "k_nobody"]));
    assert_eq!(told.code, Some(1));
    assert!(told.out.contains(&format!("{}  refused  Google has suspended", ids[0])));
    assert!(told.out.contains("k_nobody  failed"), "{}", told.out);
    assert_eq!(potluck.me(&key(1))["state"], "disabled");
}
