//! The commands do what the API does.

use serde_json::Value;

use crate::common::serving::{Potluck, key, sim};

/// The command, speaking to that server; what it printed, and its code.
fn command(potluck: &Potluck, words: &[&str]) -> (String, Option<i32>) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_potluck"));
    command.args(words).args(["--server", &potluck.url()]).arg("--data").arg(potluck.data());
    let done = command.env_clear().output().unwrap();
    (String::from_utf8(done.stdout).unwrap(), done.status.code())
}

#[test]
fn a_token_is_made_changed_listed_and_revoked() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);

    let words = ["token", "make", "class 7b", "--requests-per-day", "1", "--expires", "30d"];
    let (said, code) = command(&potluck, &words);
    let token = said.lines().next().unwrap().to_owned();
    assert!(code == Some(0) && token.starts_with("ptk_"), "{said}");
    assert_eq!([(); 2].map(|()| potluck.generate(&token, "x").status), [200, 429]);

    let (said, _) = command(&potluck, &["token", "list", "--json"]);
    let listed: Vec<Value> = serde_json::from_str(&said).unwrap();
    assert_eq!((listed.len(), &listed[0]["state"]), (1, &Value::from("good")));
    assert!(!said.contains(&token));
    let id = listed[0]["id"].as_str().unwrap();
    let words = ["token", "change", id, "--requests-per-day", "none", "--name", "8c"];
    let (said, code) = command(&potluck, &words);
    assert!(code == Some(0) && said.contains("8c") && said.contains("-/-"), "{said}");
    assert_eq!(potluck.generate(&token, "x").status, 200);

    let (said, code) = command(&potluck, &["token", "revoke", id, "t_nobody"]);
    assert!(said.starts_with(&format!("{id}  revoked\nt_nobody  failed")), "{said}");
    assert_eq!((code, potluck.generate(&token, "x").status), (Some(1), 401));
    assert_eq!(command(&potluck, &["token", "make", ""]).1, Some(1), "a name is needed");
    assert_eq!(command(&potluck, &["token", "make", "x", "--expires", "soon"]).1, Some(2));
}

#[test]
fn an_invite_is_made_listed_and_taken_back() {
    let sim = sim(2);
    let potluck = Potluck::with(&sim.url(), &["--admission", "invite"]);
    let (said, _) = command(&potluck, &["invite", "make", "the lab", "--uses", "2", "--json"]);
    let made: Value = serde_json::from_str(&said).unwrap();
    let (code, id) = (made["code"].as_str().unwrap(), made["about"]["id"].as_str().unwrap());
    let ask = crate::common::serving::generate(&key(1), "x").header("x-potluck-invite", code);
    assert_eq!(potluck.ask(ask).status, 200);
    let (said, _) = command(&potluck, &["invite", "list"]);
    assert!(said.contains("1 of 2") && said.contains("the lab") && !said.contains(code), "{said}");
    assert_eq!(command(&potluck, &["invite", "revoke", id]).1, Some(0));
    assert_eq!(command(&potluck, &["invite", "list"]).0.lines().count(), 1);
}
