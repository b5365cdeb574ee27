//! Running the built command in a folder of its own, with an environment of its own; [`serving`]
//! keeps it at work in front of a simulator, [`raw`] is the client that looks at what it answers.

#![allow(clippy::unwrap_used, clippy::print_stderr)]
// Every test file brings all of this and uses some.
#![allow(dead_code, unused_imports)]

pub mod raw;
pub mod scripted;
pub mod serving;

use std::process::Command;

use tempfile::TempDir;

/// How a command ended.
pub struct Ended {
    /// Exit code; none after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// An empty folder.
pub fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// The command, in this folder, with nothing in its environment.
pub fn potluck(here: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_potluck"));
    command.current_dir(here.path()).env_clear();
    command
}

/// Runs to the end.
pub fn run(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}
