//! Load for measuring proxies, cheap enough to share a core with the server behind them.
//!
//! The rule: an answer that is not whole counts as failed, so that no proxy looks fast by losing
//! something. `cargo xtask bench` starts this and everything around it.

mod chunks;
mod closed;
mod open;
mod tally;
mod wire;

use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Parser)]
#[command(about = "Load for measuring proxies; prints one line of JSON")]
struct Cli {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// As many calls as go through, each connection with one call in the air
    Closed {
        #[command(flatten)]
        target: Target,
        /// Ask for event streams
        #[arg(long)]
        stream: bool,
    },
    /// Calls at a fixed rate; latency counts from when a call was due
    Open {
        #[command(flatten)]
        target: Target,
        /// Calls per second
        #[arg(long)]
        rate: u32,
    },
    /// Be the server behind the proxy as well, and time each event on its way
    Chunks {
        #[command(flatten)]
        target: Target,
        /// Where the proxy expects its upstream
        #[arg(long)]
        listen: SocketAddr,
    },
}

#[derive(Args)]
struct Target {
    /// Where the proxy listens
    #[arg(long)]
    to: SocketAddr,
    /// How many connections
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// How long to measure
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Keys to show, by connection in turn
    #[arg(long, value_delimiter = ',', required = true)]
    keys: Vec<String>,
}

impl Target {
    fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    fn key(&self, connection: usize) -> &str {
        self.keys.get(connection % self.keys.len()).map_or("", String::as_str)
    }
}

fn main() -> ExitCode {
    let measured = match Cli::parse().mode {
        Mode::Closed { target, stream } => closed::run(&target, stream),
        Mode::Open { target, rate } => open::run(&target, rate),
        Mode::Chunks { target, listen } => chunks::run(&target, listen),
    };
    match measured {
        Ok(tally) => {
            tally.print();
            ExitCode::SUCCESS
        }
        Err(why) => {
            tally::complain(&why);
            ExitCode::FAILURE
        }
    }
}
