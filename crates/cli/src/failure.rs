//! How the command fails: a code for programs, plain sentences for people.

use std::io::Write;
use std::process::ExitCode;

use crate::scrub::scrub;

/// Why the command stops short.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// Flags, environment or settings file are wrong. Each fault is a sentence of its own.
    Settings(Vec<String>),
    /// All was well said, and yet it cannot be done.
    Run(String),
}

impl Failure {
    /// A fault of the settings that stands alone.
    pub fn setting(fault: impl Into<String>) -> Self {
        Failure::Settings(vec![fault.into()])
    }

    /// What went wrong, for whoever passes it on.
    pub fn sentences(&self) -> String {
        match self {
            Failure::Settings(faults) => faults.join("; "),
            Failure::Run(sentence) => sentence.clone(),
        }
    }

    /// Tells people.
    pub fn print(&self, out: &mut impl Write) {
        let lines = match self {
            Failure::Settings(faults) => faults.iter().map(String::clone).collect(),
            Failure::Run(sentence) => vec![format!("potluck: {sentence}")],
        };
        for line in lines {
            let line = scrub(line.as_bytes());
            // Nobody is left to tell if standard error is gone.
            let _ = out.write_all(&line).and_then(|()| out.write_all(b"\n"));
        }
    }

    /// Tells programs.
    pub fn code(&self) -> ExitCode {
        match self {
            Failure::Settings(_) => ExitCode::from(2),
            Failure::Run(_) => ExitCode::from(1),
        }
    }
}

impl From<Vec<String>> for Failure {
    fn from(faults: Vec<String>) -> Self {
        Failure::Settings(faults)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn no_key_leaves_in_a_failure() {
        let mut out = Vec::new();

        Failure::Run(format!("upstream said AIza{}", "x".repeat(35))).print(&mut out);

        assert_eq!(String::from_utf8(out).unwrap(), "potluck: upstream said AIza***\n");
    }
}
