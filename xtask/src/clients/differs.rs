//! What an edition cannot pass, as `clients/edge.toml` has it.
//!
//! The rule: nothing is skipped. A check that is listed runs like any other; that it fails is told
//! with the reason, and that it passes, or is no more, is a failure, so that the list stays true.

use crate::Result;
use crate::test::Tally;
use serde::Deserialize;

/// A check that an edition cannot pass.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Differs {
    suite: String,
    check: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default)]
    differs: Vec<Differs>,
}

/// Reads what one suite prints.
#[derive(Default)]
pub struct Reading {
    listed: Vec<Differs>,
    passed: usize,
    failed: usize,
    differs: usize,
}

impl Reading {
    /// Of a suite against the edge edition.
    pub fn at_the_edge(suite: &str) -> Result<Reading> {
        let text = include_str!("../../../clients/edge.toml");
        let table: Table = toml::from_str(text).map_err(|e| format!("clients/edge.toml: {e}"))?;
        let listed = table.differs.into_iter().filter(|one| one.suite == suite).collect();
        Ok(Reading { listed, ..Reading::default() })
    }

    /// Counts a line, and gives what is to be shown in its place.
    pub fn retell(&mut self, line: String) -> String {
        if let Some(said) = line.strip_prefix("ok   ") {
            return match self.struck(said, " (") {
                Some(one) => self.fails(&format!("{}: it passes; {STRIKE}", one.check)),
                None => {
                    self.passed += 1;
                    line
                }
            };
        }
        let Some(said) = line.strip_prefix("FAIL ") else { return line };
        match self.struck(said, ": ") {
            Some(one) => {
                self.differs += 1;
                let why = said.get(one.check.len() + 2..).unwrap_or_default();
                format!("differs {}: {} (it was: {why})", one.check, one.reason)
            }
            None => {
                self.failed += 1;
                line
            }
        }
    }

    /// Whether the suite has failed at something, listed or not.
    pub fn found_any(&self) -> bool {
        self.failed + self.differs > 0
    }

    /// Counts a failure, and gives its line.
    pub fn fails(&mut self, what: &str) -> String {
        self.failed += 1;
        format!("FAIL {what}")
    }

    /// Adds it all up; what was listed and never ran is a failure.
    pub fn conclude(mut self, tally: &mut Tally) -> bool {
        for one in std::mem::take(&mut self.listed) {
            println!("{}", self.fails(&format!("{}: it did not run; {STRIKE}", one.check)));
        }
        tally.passed += self.passed;
        tally.failed += self.failed;
        tally.differs += self.differs;
        self.failed == 0
    }

    /// Takes the check that the line is about off the list.
    fn struck(&mut self, said: &str, after: &str) -> Option<Differs> {
        let about = |one: &Differs| {
            said.strip_prefix(&one.check)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(after))
        };
        self.listed.iter().position(about).map(|at| self.listed.remove(at))
    }
}

const STRIKE: &str = "strike it out of clients/edge.toml";

#[cfg(test)]
mod tests {
    use super::*;

    fn reading() -> Reading {
        let listed = ["one", "two", "three"].map(|check| Differs {
            suite: String::new(),
            check: check.to_owned(),
            reason: "so it is".to_owned(),
        });
        Reading { listed: listed.to_vec(), ..Reading::default() }
    }

    #[test]
    fn a_listed_check_differs_when_it_fails_and_fails_when_it_passes_or_is_gone() {
        let mut reading = reading();
        let mut tally = Tally::default();

        let said = ["FAIL one: 501", "ok   two (0.1 s)", "ok   twofold", "FAIL four: 2", "word"];
        let told = said.map(|line| reading.retell(line.to_owned()));
        assert_eq!(told[0], "differs one: so it is (it was: 501)");
        assert!(told[1].starts_with("FAIL two: it passes"));
        assert_eq!(told[2..], said[2..]);
        assert!(!reading.conclude(&mut tally));

        assert_eq!((tally.passed, tally.failed, tally.differs), (1, 3, 1));
    }

    #[test]
    fn the_list_can_be_read() {
        assert!(Reading::at_the_edge("no such suite").is_ok_and(|one| one.listed.is_empty()));
    }
}
