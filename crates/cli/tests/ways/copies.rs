//! `potluck backup`, `restore`, `keys export` and `rekey`.

use std::path::Path;

use crate::common::raw::Ask;
use crate::common::serving::{Potluck, key, sim};

/// The command; what it printed, and its code.
fn command(words: &[&str], file: &Path, data: &Path) -> (String, Option<i32>) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_potluck"));
    command.args(words).arg(file).arg("--data").arg(data);
    let done = command.env_clear().output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    (String::from_utf8(said).unwrap(), done.status.code())
}

#[test]
fn a_copy_of_a_running_server_brings_its_keys_back_and_holds_none_in_the_clear() {
    let sim = sim(4);
    let mut potluck = Potluck::joined(&sim, 3);
    let (data, file) = (potluck.data(), potluck.data().join("copy.db"));

    let (said, code) = command(&["backup"], &file, &data);

    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("3 keys are in ") && said.contains("master-key"), "{said}");
    let copy = std::fs::read(&file).unwrap();
    assert!(!copy.windows(10).any(|part| part == &key(1).as_bytes()[..10]));
    let again = command(&["backup"], &file, &data);
    assert_eq!(again.1, Some(1), "a copy that is there stays: {}", again.0);

    let withdrawn = Ask::new("DELETE", "/pool/me").header("x-goog-api-key", &key(3));
    assert_eq!(potluck.ask(withdrawn).status, 204);
    potluck.join(&sim, [4]);
    let held = command(&["restore", "--force"], &file, &data);
    assert!(held.1 == Some(1) && held.0.contains("in use"), "{}", held.0);
    potluck.signal("-TERM");
    assert_eq!(potluck.end(), Some(0));
    let there = command(&["restore"], &file, &data);
    assert!(there.1 == Some(1) && there.0.contains("--force"), "{}", there.0);
    let (said, code) = command(&["restore", "--force"], &file, &data);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("2 keys are in ") && said.contains("without 1 that"), "{said}");
    potluck.start_again();
    assert_eq!(potluck.get("/keycount", None).json()["keyCount"], 2);
    assert_eq!(potluck.me(&key(3))["state"], "withdrawn");
    assert_eq!(potluck.me(&key(2))["state"], "active");
}

#[test]
fn what_a_dead_server_had_in_its_log_alone_comes_back_too() {
    let sim = sim(3);
    let mut potluck = Potluck::joined(&sim, 3);
    potluck.signal("-KILL");
    potluck.end();
    let old = potluck.data();
    assert!(
        std::fs::metadata(old.join("potluck.db-wal")).unwrap().len() > 0,
        "not yet in the file"
    );
    let fresh = tempfile::tempdir().unwrap();
    std::fs::write(fresh.path().join("potluck.db.partial-journal"), "of a copy cut short").unwrap();
    std::fs::copy(old.join("master-key"), fresh.path().join("master-key")).unwrap();

    let (said, code) = command(&["restore"], &old.join("potluck.db"), fresh.path());

    assert!(code == Some(0) && said.starts_with("3 keys are in "), "{said}");
    let mut list = std::process::Command::new(env!("CARGO_BIN_EXE_potluck"));
    list.args(["keys", "list", "--json", "--data"]).arg(fresh.path());
    let told = list.env_clear().output().unwrap();
    let keys: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(keys.as_array().map(Vec::len), Some(3), "{told:?}");
}

#[test]
fn what_is_no_copy_of_ours_replaces_nothing() {
    let sim = sim(1);
    let potluck = Potluck::joined(&sim, 1);
    let empty = tempfile::tempdir().unwrap();
    let junk = empty.path().join("junk.db");
    std::fs::write(&junk, "SQLite format 3 it is not").unwrap();
    for file in [junk, empty.path().join("none.db")] {
        let (said, code) = command(&["restore"], &file, &empty.path().join("data"));
        assert_eq!(code, Some(1), "{said}");
        assert!(!empty.path().join("data/potluck.db").exists());
    }
    let (said, code) = command(&["backup"], &empty.path().join("x.db"), empty.path());
    assert!(code == Some(1) && said.contains("no database"), "{said}");
    drop(potluck);
}

/// `potluck keys …` with a passphrase.
fn keys(words: &[&str], passphrase: &str) -> (String, Option<i32>) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_potluck"));
    command.arg("keys").args(words).env_clear().env("POTLUCK_PASSPHRASE", passphrase);
    let done = command.output().unwrap();
    (String::from_utf8([done.stdout, done.stderr].concat()).unwrap(), done.status.code())
}

#[test]
fn keys_go_from_one_server_to_another_sealed_under_a_passphrase() {
    let sim = sim(3);
    let (here, there) = (Potluck::joined(&sim, 3), Potluck::start(&sim));
    let file = there.data().join("keys.sealed");
    let (from, to) = (here.data(), there.data());
    let [file, from, to] = [&file, &from, &to].map(|path| path.to_str().unwrap());

    let (said, code) = keys(&["export", "--out", file, "--data", from], "twelve letters and more");

    assert!(code == Some(0) && said.starts_with("3 keys are in "), "{said}");
    let sealed = std::fs::read(file).unwrap();
    assert!(!sealed.windows(10).any(|part| part == &key(1).as_bytes()[..10]));
    let url = there.url();
    let import =
        |passphrase: &str| keys(&["import", file, "--server", &url, "--data", to], passphrase);
    let wrong = import("twelve letters or more");
    assert!(wrong.1 == Some(1) && wrong.0.contains("does not open"), "{}", wrong.0);
    let (said, code) = import("twelve letters and more");
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(there.get("/keycount", None).json()["keyCount"], 3);
    let (said, code) = keys(&["export", "--out", file, "--data", from], "short");
    assert!(code == Some(2) && said.contains("12 characters"), "{said}");
}

#[test]
fn a_new_master_key_opens_all_keys_and_what_was_withdrawn_and_tokens_go_on() {
    let sim = sim(4);
    let mut potluck = Potluck::joined(&sim, 4);
    let withdraw = Ask::new("DELETE", "/pool/me").header("x-goog-api-key", &key(4));
    assert_eq!(potluck.ask(withdraw).status, 204);
    let bearer = format!("Bearer {}", potluck.admin_token());
    let make = Ask::post("/pool/admin/v1/tokens").header("authorization", &bearer);
    let token = potluck.ask(make.json(&serde_json::json!({ "name": "x" }))).json();
    let token = token["token"].as_str().unwrap().to_owned();
    let (data, former) = (potluck.data(), potluck.me(&key(1))["id"].clone());
    potluck.signal("-TERM");
    assert_eq!(potluck.end(), Some(0));
    let before = std::fs::read(data.join("master-key")).unwrap();

    for _ in 0..2 {
        let (said, code) = rekey(&["--data", data.to_str().unwrap()]);
        assert_eq!(code, Some(0), "{said}");
    }

    assert_ne!(std::fs::read(data.join("master-key")).unwrap(), before);
    potluck.start_again();
    assert_eq!(potluck.get("/keycount", None).json()["keyCount"], 3);
    assert_ne!(potluck.me(&key(1))["id"], former);
    assert_eq!(potluck.me(&key(4))["state"], "withdrawn");
    assert_eq!(potluck.generate(&key(4), "x").header("x-potluck-key"), Some("not-stored"));
    assert_eq!(potluck.generate(&token, "x").status, 200);
    assert_eq!(potluck.generate(&key(2), "x").status, 200);
    let back = potluck.change(&key(4), &serde_json::json!({ "paused": false }));
    assert_eq!(back.status, 200);
    assert_eq!(potluck.generate(&key(4), "x").header("x-potluck-key"), Some("stored"));
}

#[test]
fn a_server_that_runs_seals_anew_and_its_next_start_knows_everybody() {
    let sim = sim(6);
    let mut potluck = Potluck::joined(&sim, 4);
    let data = potluck.data();
    let withdraw = Ask::new("DELETE", "/pool/me").header("x-goog-api-key", &key(4));
    assert_eq!(potluck.ask(withdraw).status, 204);
    let former = potluck.me(&key(1))["id"].clone();
    let first = std::fs::read_to_string(data.join("master-key")).unwrap();
    let (url, folder) = (potluck.url(), data.to_str().unwrap().to_owned());

    for _ in 0..2 {
        let (said, code) = rekey(&["--server", &url, "--data", &folder]);
        assert!(code == Some(0) && said.starts_with("All keys are sealed anew."), "{said}");
        assert_eq!(potluck.generate(&key(1), "x").status, 200);
    }
    potluck.join(&sim, [5]);

    assert_eq!(potluck.me(&key(1))["id"], former, "while it runs, nobody's id changes");
    let older = std::fs::read_to_string(data.join("master-key.older")).unwrap();
    assert!(older.lines().count() == 2 && older.contains(first.trim()), "both are kept");
    potluck.restart();
    assert_eq!(potluck.get("/keycount", None).json()["keyCount"], 4);
    assert_ne!(potluck.me(&key(1))["id"], former);
    assert_eq!(potluck.me(&key(4))["state"], "withdrawn");
    for n in [1, 2, 3, 5] {
        assert_eq!(potluck.generate(&key(n), "x").status, 200);
    }
}

#[test]
fn who_hangs_up_on_a_rekeying_does_not_end_it() {
    let sim = sim(2);
    let potluck = Potluck::joined(&sim, 2);
    let token = potluck.admin_token();
    let head = format!(
        "POST /pool/admin/v1/rekey HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         content-length: 0\r\n\r\n"
    );
    // Some of them hang up while the key is on its way to the disk.
    for half_milliseconds in 0..20 {
        let mut caller = std::net::TcpStream::connect(potluck.addr()).unwrap();
        std::io::Write::write_all(&mut caller, head.as_bytes()).unwrap();
        std::thread::sleep(std::time::Duration::from_micros(500 * half_milliseconds));
    }

    let bearer = format!("Bearer {token}");
    let look = || Ask::get("/pool/admin/v1/rekey").header("authorization", &bearer);
    let soon = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while potluck.ask(look()).json()["state"] != "done" {
        assert!(std::time::Instant::now() < soon, "{:?}", potluck.ask(look()));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// The command; what it printed, and its code.
fn rekey(words: &[&str]) -> (String, Option<i32>) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_potluck"));
    let done = command.arg("rekey").args(words).env_clear().output().unwrap();
    (String::from_utf8([done.stdout, done.stderr].concat()).unwrap(), done.status.code())
}
