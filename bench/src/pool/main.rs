//! What the pool's decisions cost, with ten keys and with a million: time, memory, and how many
//! threads it serves at once.
//!
//! The rule: limits are known before anything is measured, learned from refusals as they are in
//! life, so that accounts, minutes and the reserve are in play; and they are so large that nothing
//! is refused. `cargo xtask bench --only pool` starts this, counts its instructions and compares.

#![allow(clippy::print_stdout, reason = "printing what was measured is its job")]

mod allocator;
mod parts;
mod table;

use clap::{Parser, Subcommand};
use parts::Parts;
use serde_json::{Value, json};
use std::hint::black_box;
use std::time::{Duration, Instant};
use table::{MODELS, Table};

#[derive(Parser)]
#[command(about = "What the pool's decisions cost; prints one line of JSON")]
struct Cli {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// Time of one whole exchange of a plain call, by callers in no order
    Exchange {
        /// Keys in the pool
        #[arg(long)]
        keys: u32,
        /// Exchanges of one run
        #[arg(long, default_value_t = 300_000)]
        calls: u32,
        /// Runs, the best of which is told
        #[arg(long, default_value_t = 5)]
        runs: u32,
        /// Calls before the first that counts
        #[arg(long, default_value_t = 50_000)]
        warm_up: u32,
    },
    /// Bytes a key, each of which has served a call of one model, and of two
    Memory {
        /// Keys in the pool
        #[arg(long)]
        keys: u32,
    },
    /// Calls a second of one thread and of more, over a pool that is split into parts
    Threads {
        /// Keys of all parts together
        #[arg(long)]
        keys: u32,
        /// Parts, each with a lock of its own
        #[arg(long)]
        parts: u8,
        /// Threads compared with one
        #[arg(long, default_value_t = 2)]
        threads: u32,
        /// How long each is measured; the best of many short turns counts, as others may be at work
        #[arg(long, default_value_t = 0.1)]
        seconds: f64,
    },
}

fn main() {
    let measured = match Cli::parse().mode {
        Mode::Exchange { keys, calls, runs, warm_up } => exchange(keys, calls, runs, warm_up),
        Mode::Memory { keys } => memory(keys),
        Mode::Threads { keys, parts, threads, seconds } => {
            let time = Duration::from_secs_f64(seconds);
            rates(keys, parts, threads, time)
        }
    };
    println!("{measured}");
}

fn exchange(keys: u32, calls: u32, runs: u32, warm_up: u32) -> Value {
    let mut table = Table::of(keys);
    table.settle();
    (0..warm_up).for_each(|_| table.plain_call());
    let time = (0..runs.max(1)).map(|_| {
        table.settle();
        let began = Instant::now();
        measured_exchanges(&mut table, calls);
        began.elapsed()
    });
    let best = time.min().unwrap_or_default();
    json!({ "keys": keys, "calls": calls, "ns": best.as_nanos() as f64 / f64::from(calls) })
}

/// What is counted, by this very name, in `xtask/src/bench/pool.rs`.
#[inline(never)]
fn measured_exchanges(table: &mut Table, calls: u32) {
    for _ in 0..calls {
        black_box(&mut *table).plain_call();
    }
}

fn memory(keys: u32) -> Value {
    let mut table = Table::empty();
    let before = allocator::live();
    table.fill(keys);
    // The list of callers is the bench's own.
    let a_key = |table: &Table| {
        let taken = allocator::live().saturating_sub(before + table.own_bytes());
        taken as f64 / f64::from(keys)
    };
    let joined = a_key(&table);
    table.serve_all(MODELS[0]);
    let one = a_key(&table);
    table.serve_all(MODELS[1]);
    let two = a_key(&table);
    json!({ "keys": keys, "joined": joined, "one_model": one, "two_models": two })
}

fn rates(keys: u32, parts: u8, threads: u32, time: Duration) -> Value {
    let parts = Parts::of(parts, keys);
    let [mut alone, mut together, mut apart] = [0.0_f64; 3];
    for _ in 0..TURNS {
        alone = alone.max(parts.rate(1, false, time));
        together = together.max(parts.rate(threads, false, time));
        apart = apart.max(parts.rate(threads, true, time));
    }
    json!({ "keys": keys, "parts": parts.count(), "threads": threads,
        "alone_per_second": alone, "together_per_second": together,
        "apart_per_second": apart })
}

/// Turns that one thread and several take at the rate.
const TURNS: u32 = 25;
