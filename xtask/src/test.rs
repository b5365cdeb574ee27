//! `cargo xtask test`: every check and test, in one run, with a table of what ran.
//!
//! The rule: a step that cannot run says `not run` and why, never passes silently; under `CI=true`
//! that is a failure.

use crate::shell::{cargo, run, run_reading};
use crate::{Result, api, clients, needs, numbers, pure, tidy, worker};
use clap::Args;
use std::process::Command;
use std::time::{Duration, Instant};

#[derive(Args)]
pub struct Options {
    /// Run these steps alone
    #[arg(long, num_args = 1.., value_name = "STEP")]
    only: Vec<String>,
    /// Name the steps and stop
    #[arg(long)]
    list: bool,
}

/// One step: what it is, what must be installed for it, how it runs.
struct Step {
    name: &'static str,
    about: &'static str,
    needs: &'static [&'static str],
    run: fn(&mut Tally) -> Result,
}

/// What a step counted. A step that counts nothing counts as one.
#[derive(Default)]
pub struct Tally {
    pub passed: usize,
    pub failed: usize,
    /// What an edition cannot do, as is written down with the reason.
    pub differs: usize,
    /// Parts that could not run, and why.
    pub missing: Vec<String>,
}

impl Tally {
    fn add(&mut self, passed: usize, failed: usize) {
        self.passed += passed;
        self.failed += failed;
    }

    /// What differs, in words; nothing where nothing does.
    pub fn differing(&self) -> String {
        if self.differs == 0 { String::new() } else { format!(", {} differ", self.differs) }
    }
}

const NEXTEST: &[&str] = &["python.tools"];

const STEPS: &[Step] = &[
    Step { name: "fmt", about: "every Rust file as rustfmt lays it", needs: &[], run: fmt },
    Step { name: "tidy", about: "the house rules", needs: &[], run: |_| tidy::run() },
    Step { name: "pure", about: "core and gemini: no I/O, clock, globals", needs: &[], run: pure },
    Step { name: "deny", about: "bans, licences, sources", needs: &["python.tools"], run: deny },
    Step { name: "clippy", about: "no warning, in any target", needs: &[], run: clippy },
    Step { name: "unit", about: "every crate by itself", needs: NEXTEST, run: unit },
    Step {
        name: "promises",
        about: "the running binary, as a user has it",
        needs: NEXTEST,
        run: promises,
    },
    Step { name: "doc", about: "documentation and its examples", needs: &[], run: doc },
    Step { name: "worker", about: "the edge edition", needs: worker::NEEDS, run: worker::test },
    Step { name: "clients", about: "real clients", needs: clients::NEEDS, run: clients::run },
    Step {
        name: "numbers",
        about: "metrics, board and alerts",
        needs: numbers::NEEDS,
        run: numbers::check,
    },
    Step { name: "api", about: "the operators' API, fuzzed", needs: api::NEEDS, run: api::fuzz },
    Step {
        name: "pages",
        about: "the pages, in a browser",
        needs: clients::BROWSER_NEEDS,
        run: clients::run_browser,
    },
    Step {
        name: "edge",
        about: "real clients and a browser, of the edge edition",
        needs: clients::EDGE_NEEDS,
        run: clients::run_edge,
    },
];

/// How a step ended.
enum Ending {
    Passed,
    Failed(String),
    NotRun(String),
}

struct Ran {
    step: &'static Step,
    ending: Ending,
    tally: Tally,
    took: Duration,
}

pub fn run_steps(options: &Options) -> Result {
    if options.list {
        for step in STEPS {
            println!("{:9} {}", step.name, step.about);
        }
        return Ok(());
    }
    let steps = chosen(&options.only)?;
    let ran: Vec<Ran> = steps.into_iter().map(attempt).collect();
    conclude(&ran)
}

fn chosen(only: &[String]) -> Result<Vec<&'static Step>> {
    for name in only {
        if !STEPS.iter().any(|step| step.name == name) {
            return Err(format!("no step is called {name}; `cargo xtask test --list` names them"));
        }
    }
    Ok(STEPS.iter().filter(|s| only.is_empty() || only.iter().any(|o| o == s.name)).collect())
}

fn attempt(step: &'static Step) -> Ran {
    println!("\n== {}: {}", step.name, step.about);
    let began = Instant::now();
    let mut tally = Tally::default();
    let wants: Vec<String> = step.needs.iter().filter_map(|n| needs::install(n).err()).collect();
    let ending = if !wants.is_empty() {
        Ending::NotRun(wants.join("; "))
    } else if let Err(why) = (step.run)(&mut tally) {
        println!("{}: {why}", step.name);
        tally.failed = tally.failed.max(1);
        Ending::Failed(why)
    } else {
        tally.passed = tally.passed.max(1);
        Ending::Passed
    };
    Ran { step, ending, tally, took: began.elapsed() }
}

/// Prints the table and the closing line; fails if anything failed, or did not run in CI.
fn conclude(ran: &[Ran]) -> Result {
    let ci = std::env::var("CI").is_ok_and(|v| v == "true");
    let mut total = Tally::default();
    println!("\nWhat ran:");
    for Ran { step, ending, tally, took } in ran {
        let verdict = match ending {
            Ending::Passed => format!("passed ({}{})", tally.passed, tally.differing()),
            Ending::Failed(why) => {
                let all = tally.passed + tally.failed;
                format!("FAILED ({} of {all}{}): {why}", tally.failed, tally.differing())
            }
            Ending::NotRun(why) => format!("not run: {why}"),
        };
        println!("  {:9} {:>6.1} s  {verdict}", step.name, took.as_secs_f64());
        for missing in &tally.missing {
            println!("  {:9} {:>8}  not run: {missing}", "", "");
        }
        let not_run = tally.missing.len() + usize::from(matches!(ending, Ending::NotRun(_)));
        total.add(tally.passed, tally.failed + if ci { not_run } else { 0 });
    }
    println!("\n{} passed, {} failed", total.passed, total.failed);
    if total.failed == 0 { Ok(()) } else { Err("not everything passed".to_owned()) }
}

fn fmt(_: &mut Tally) -> Result {
    run(cargo().args(["fmt", "--all", "--check"]))
}

fn pure(_: &mut Tally) -> Result {
    pure::run()
}

fn deny(_: &mut Tally) -> Result {
    // One table serves two looks, so neither meets all that it excuses.
    let excuses = ["license-not-encountered", "unmatched-skip", "unused-wrapper"];
    let mut checks = vec!["check", "--hide-inclusion-graph"];
    checks.extend(excuses.iter().flat_map(|excuse| ["--allow", excuse]));
    checks.extend(["bans", "licenses", "sources"]);
    run(needs::with_tools(cargo().args(["deny", "--workspace"]).args(&checks)))?;
    // The Worker's crates for wasm are no part of any other target.
    let worker = ["--manifest-path", "crates/worker/Cargo.toml", "--exclude-dev"];
    let target = ["--target", "wasm32-unknown-unknown"];
    run(needs::with_tools(cargo().arg("deny").args(worker).args(target).args(checks)))
}

fn clippy(_: &mut Tally) -> Result {
    run(cargo().args(["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))
}

fn unit(tally: &mut Tally) -> Result {
    nextest("not package(potluck)", tally)
}

fn promises(tally: &mut Tally) -> Result {
    nextest("package(potluck)", tally)
}

/// Runs the tests that the filter names. One workspace build serves every filter, and a filter that
/// names no test is a failure.
fn nextest(filter: &str, tally: &mut Tally) -> Result {
    let fixed = ["nextest", "run", "--workspace", "--no-fail-fast", "--no-tests", "fail"];
    // It has no tests, takes a minute to compile, and the step `worker` runs it.
    let but = ["--exclude", "xtask-bundle"];
    let mut command = cargo();
    needs::with_tools(command.args(fixed).args(but).args(["--color", "never", "-E", filter]));
    run_reading(&mut command, |line| {
        let (passed, failed) = nextest_summary(line);
        tally.add(passed, failed);
    })
}

/// Reads `Summary [ 1.2s] 12 tests run: 11 passed (1 slow), 1 failed, 3 skipped`.
fn nextest_summary(line: &str) -> (usize, usize) {
    let Some(counts) = line.trim().strip_prefix("Summary").and_then(|l| l.split_once("run:"))
    else {
        return (0, 0);
    };
    let count = |what: &str| {
        let mut parts = counts.1.split(',').map(|part| part.trim().split(' '));
        parts.find_map(|mut p| p.next()?.parse().ok().filter(|_| p.next() == Some(what)))
    };
    let failed = ["failed", "exec failed", "timed"].iter().filter_map(|w| count(w)).sum();
    (count("passed").unwrap_or(0), failed)
}

fn doc(_: &mut Tally) -> Result {
    run(cargo().args(["test", "--doc", "--workspace", "--quiet"]))?;
    let mut rustdoc: Command = cargo();
    run(rustdoc
        .args(["doc", "--workspace", "--no-deps", "--quiet"])
        .env("RUSTDOCFLAGS", "-Dwarnings"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_read_and_other_lines_are_not() {
        let line = "     Summary [   5.1s] 12 tests run: 10 passed (1 slow), 2 failed, 3 skipped";
        assert_eq!(nextest_summary(line), (10, 2));
        assert_eq!(nextest_summary("        PASS [   0.2s] potluck tests::passed"), (0, 0));
    }
}
