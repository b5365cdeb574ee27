//! The command as people and programs meet it: help, exit codes, and where faults are told.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use common::{Ended, folder, potluck, run};

/// Compares with the file, or writes it anew when `UPDATE_GOLDEN` is set.
fn assert_golden(name: &str, seen: &str) {
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, seen).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(seen, golden, "{name} changed; UPDATE_GOLDEN=1 accepts that");
}

#[test]
fn help_reads_as_agreed() {
    let table: [(&str, &[&str]); 18] = [
        ("help.txt", &["--help"]),
        ("help-serve.txt", &["serve", "--help"]),
        ("help-check-config.txt", &["check-config", "--help"]),
        ("help-backup.txt", &["backup", "--help"]),
        ("help-keys-export.txt", &["keys", "export", "--help"]),
        ("help-doctor.txt", &["doctor", "--help"]),
        ("help-rekey.txt", &["rekey", "--help"]),
        ("help-restore.txt", &["restore", "--help"]),
        ("help-status.txt", &["status", "--help"]),
        ("help-keys.txt", &["keys", "--help"]),
        ("help-keys-list.txt", &["keys", "list", "--help"]),
        ("help-keys-import.txt", &["keys", "import", "--help"]),
        ("help-keys-check.txt", &["keys", "check", "--help"]),
        ("help-completions.txt", &["completions", "--help"]),
        ("help-man.txt", &["man", "--help"]),
        ("help-token.txt", &["token", "--help"]),
        ("help-token-make.txt", &["token", "make", "--help"]),
        ("help-invite.txt", &["invite", "--help"]),
    ];
    let here = folder();
    for (name, line) in table {
        let ended = run(potluck(&here).args(line));
        assert_eq!(ended.code, Some(0));
        assert_golden(name, &ended.out);
    }
}

#[test]
fn printed_defaults_read_as_agreed() {
    let ended = run(potluck(&folder()).args(["check-config", "--print-defaults"]));

    assert_golden("defaults.toml", &ended.out);
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let here = folder();
    for shell in ["bash", "zsh", "fish"] {
        let ended = run(potluck(&here).args(["completions", shell]));
        assert_eq!(ended.code, Some(0));
        for word in ["check-config", "import", "resume", "max-kept-bodies"] {
            assert!(ended.out.contains(word), "{shell} does not know {word}");
        }
    }
    let page = run(potluck(&here).arg("man")).out;
    assert!(page.contains(".TH potluck 1"), "{page}");

    assert_eq!(run(potluck(&here).args(["man", "--out", "pages"])).code, Some(0));

    let page = |name: &str| fs::read_to_string(here.path().join("pages").join(name)).unwrap();
    assert!(page("potluck-keys-import.1").contains("potluck keys import keys.txt"), "examples");
    assert!(page("potluck-serve.1").contains("POTLUCK_LISTEN"));
    assert!(page("potluck.1").contains("potluck\\-keys(1)"));
}

#[test]
fn version_is_one_line() {
    let ended = run(potluck(&folder()).arg("--version"));

    assert_eq!(ended.out, format!("potluck {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_wrong_command_line_exits_2() {
    let here = folder();
    for line in [&["dance"][..], &["serve", "--listn=x"], &["serve", "--listen"], &[]] {
        let ended = run(potluck(&here).args(line));
        assert_eq!(ended.code, Some(2), "{line:?}");
    }
}

#[test]
fn the_file_here_is_read_without_being_named() {
    let here = folder();
    fs::write(here.path().join("potluck.toml"), "# mine\ndata = \"elsewhere\"\n").unwrap();

    let ended = run(potluck(&here).arg("check-config"));

    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let line = ended.out.lines().find(|line| line.starts_with("data")).unwrap();
    assert!(line.contains("elsewhere") && line.ends_with("potluck.toml:2"), "{line}");
}

#[test]
fn a_named_file_must_exist() {
    let here = folder();
    let named: [fn(&mut std::process::Command); 2] = [
        |command| {
            command.args(["--config", "none.toml"]);
        },
        |command| {
            command.env("POTLUCK_CONFIG", "none.toml");
        },
    ];
    for name in named {
        let mut command = potluck(&here);
        name(command.arg("serve"));
        let ended = run(&mut command);
        assert_eq!(ended.code, Some(2));
        assert!(ended.err.starts_with("none.toml: cannot be read: "), "{}", ended.err);
    }
}

#[test]
fn a_broken_file_names_file_line_and_key_and_exits_2() {
    let table = [
        ("listn = 'x'", "my.toml:1: unknown setting \"listn\"; did you mean \"listen\"?"),
        ("\nlisten = 8080", "my.toml:2: listen \"8080\": needs an address and a port"),
        ("threads = 0", "my.toml:1: threads \"0\": needs a number from 1"),
        ("[limits]\nbody = 1", "my.toml:1: unknown setting \"limits\""),
        ("data = 'x'\nlog = 'loud'", "my.toml:2: log \"loud\": needs error, warn"),
        ("data = ", "my.toml:1: data: not TOML: "),
        ("drain-timeout = 30", "my.toml:1: drain-timeout \"30\": needs a time"),
        ("trusted-proxy = ['::/0', 'x']", "my.toml:1: trusted-proxy \"x\": needs a network"),
        ("admin-token = 'hunter2'", "my.toml:1: admin-token is a secret"),
    ];
    let here = folder();
    for (text, fault) in table {
        fs::write(here.path().join("my.toml"), text).unwrap();
        for verb in ["serve", "check-config"] {
            let Ended { code, out, err } = run(potluck(&here).args([verb, "--config", "my.toml"]));
            assert_eq!((code, out.as_str()), (Some(2), ""), "{text:?}");
            assert!(err.starts_with(fault), "{text:?} gave {err}");
            assert_eq!(err.lines().count(), 1, "{err}");
            assert!(!err.contains("hunter2"), "{err}");
        }
    }
    assert!(!here.path().join("potluck-data").exists());
}

#[test]
fn all_faults_of_all_layers_are_told_at_once() {
    let here = folder();
    fs::write(here.path().join("potluck.toml"), "listn = 1\n\ncolour = 2\n").unwrap();

    let ended = run(potluck(&here).args(["serve", "--threads=many"]).env("POTLUCK_LISTEN", "here"));

    let starts: Vec<_> = ended.err.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(starts, ["potluck.toml:1:", "potluck.toml:3:", "POTLUCK_LISTEN", "--threads"]);
    assert_eq!(ended.code, Some(2));
}

#[test]
fn what_is_not_text_is_told_plainly() {
    let here = folder();
    fs::write(here.path().join("potluck.toml"), b"data = '\xff'").unwrap();

    let ended = run(potluck(&here).arg("serve"));

    assert_eq!(ended.code, Some(2));
    assert!(ended.err.starts_with("potluck.toml: cannot be read: "), "{}", ended.err);
}
