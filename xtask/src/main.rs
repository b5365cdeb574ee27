//! Everything a developer runs: `cargo xtask test`, `tidy`, `needs`, `bench`, `worker`.
//!
//! The rule: this crate knows none of the others. It starts their programs as a user would, so
//! that what it measures and tests is what people get.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "talking to a developer is its job")]

mod api;
mod bench;
mod clients;
mod needs;
mod numbers;
mod pure;
mod shell;
mod stage;
mod test;
mod tidy;
mod worker;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// What went wrong, as a sentence for a developer.
type Result<T = ()> = std::result::Result<T, String>;

#[derive(Parser)]
#[command(about = "Everything a developer of Potluck runs")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what is needed, then run every check and test
    Test(test::Options),
    /// Check the house rules that no compiler knows
    Tidy,
    /// Install what the tests need, and say what cannot be had
    Needs {
        /// Sets of xtask/needs.toml, such as python.pinned; all when none is given
        sets: Vec<String>,
    },
    /// Run the suites of real clients alone
    Clients {
        /// Those whose name holds this text, such as openai or python.latest
        #[arg(default_value = "")]
        filter: String,
        /// Against the edge edition, in workerd
        #[arg(long)]
        edge: bool,
    },
    /// Measure Potluck beside nginx and HAProxy
    Bench(bench::Options),
    /// Build, run, test or pack the edge edition
    #[command(subcommand)]
    Worker(worker::Task),
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Test(options) => test::run_steps(&options),
        Task::Tidy => tidy::run(),
        Task::Needs { sets } => needs::run_all(&sets),
        Task::Clients { filter, edge } => clients::run_some(edge, &filter),
        Task::Bench(options) => bench::run(&options),
        Task::Worker(task) => worker::run_task(&task),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}
