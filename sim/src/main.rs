//! `sim`: studies of policies in virtual time, and checks of the core's promises.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what it prints is what it is for")]

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use sim::{
    check,
    policy::Kind,
    study::{self, Plan},
    world::Scenario,
};

#[derive(Parser)]
#[command(about = "The pool in virtual time: many contributors, true quotas, days in seconds")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure policies against an oracle that knows all quotas
    Study(Study),
    /// Check the core's promises after every step of random scripts
    Check(Check),
}

#[derive(Args)]
struct Check {
    /// Where chance comes from: the same seed, the same scripts
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Steps of all scripts together
    #[arg(long, default_value_t = 1_000_000)]
    steps: usize,
}

#[derive(Args)]
struct Study {
    /// Where chance comes from: the same seed, the same figures
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Keys of the pool [default: 5, 50 and 500]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    keys: Option<u32>,
    /// Contributors [default: a tenth fewer than keys]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    contributors: Option<u32>,
    /// Demand as a share of the aggregate quota [default: 0.5, 0.9, 1.0 and 1.5]
    #[arg(long)]
    load: Option<f64>,
    /// Days that are measured; one more, for learning, goes before them
    #[arg(long, default_value_t = 7)]
    days: u32,
    /// An array of rows instead of a table
    #[arg(long)]
    json: bool,
    /// One scenario alone
    #[arg(long)]
    scenario: Option<Scenario>,
    /// One policy alone
    #[arg(long)]
    policy: Option<Kind>,
}

impl Study {
    fn plan(&self) -> Plan {
        Plan {
            seed: self.seed,
            keys: self.keys.map_or(vec![5, 50, 500], |keys| vec![keys as usize]),
            contributors: self.contributors.map(|contributors| contributors as usize),
            loads: self.load.map_or(vec![0.5, 0.9, 1.0, 1.5], |load| vec![load]),
            days: self.days,
            scenarios: self.scenario.map_or(Scenario::ALL.to_vec(), |one| vec![one]),
            policies: self.policy.map_or(Kind::ALL.to_vec(), |one| vec![one]),
        }
    }
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Study(options) => study(&options),
        Command::Check(options) => check(&options),
    }
}

fn study(options: &Study) -> ExitCode {
    let rows = study::study(&options.plan());
    if !options.json {
        println!(
            "Day 0 is for learning, and asks for half as much again as there is, so that limits are \
             met; the {} days after it are measured.",
            options.days
        );
        print!("{}", study::table(&rows));
        return ExitCode::SUCCESS;
    }
    match serde_json::to_string_pretty(&rows) {
        Ok(text) => println!("{text}"),
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn check(options: &Check) -> ExitCode {
    match check::check(options.seed, options.steps) {
        Ok(steps) => {
            println!("{steps} steps kept every promise");
            ExitCode::SUCCESS
        }
        Err(broken) => {
            println!("seed {}: {}", broken.seed, broken.why);
            broken.script.iter().for_each(|step| println!("    {step:?},"));
            ExitCode::FAILURE
        }
    }
}
