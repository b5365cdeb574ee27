//! What the pool's own decisions cost, with ten keys and with a million, against the bars.
//!
//! The rule: what is compared was measured within one run, by one program. Instructions are counted
//! by valgrind, as virtual machines mostly hide the processor's counter; where there is no valgrind
//! that is said, and nothing is made up.

use super::NOISE;
use super::processes::{cpu_of_children, cpu_of_machine};
use crate::Result;
use crate::shell::{output, program, succeeds};
use crate::stage::{build, built};
use serde::{Deserialize, Serialize};
use std::process::Command;
use std::time::Instant;

/// Keys in the pools that are compared; ratios are to the first.
const SIZES: [u32; 3] = [10, 10_000, 1_000_000];
/// Instructions of a decision may grow so much from the smallest pool to any other.
const MOST_INSTRUCTIONS: f64 = 1.2;
/// Nanoseconds that a whole exchange may take.
const MOST_NS: f64 = 1000.0;
/// Bytes a key with one model in use.
const MOST_BYTES: f64 = 300.0;
/// How much faster two threads must be than one.
const LEAST_RATE: f64 = 1.8;
/// Keys of the pool that is split, and its parts.
const SPLIT: [u32; 2] = [10_000, 16];
/// Exchanges whose instructions are counted: fifty times slower.
const COUNTED: u32 = 20_000;
/// The function they are counted in.
const COUNTED_IN: &str = "*measured_exchanges*";

/// All figures.
#[derive(Serialize)]
pub struct Decisions {
    exchanges: Vec<Exchange>,
    memory: Memory,
    threads: Threads,
}

/// One whole exchange of a plain call, in a pool of so many keys.
#[derive(Deserialize, Serialize)]
struct Exchange {
    keys: u32,
    ns: f64,
    /// Absent where they cannot be counted.
    #[serde(default)]
    instructions: Option<f64>,
    /// Instructions to those of the smallest pool.
    #[serde(default)]
    ratio: Option<f64>,
}

/// Bytes a key: just joined, then having served one model, then two. The secret is not counted,
/// which the driver keeps, nor what the allocator adds.
#[derive(Deserialize, Serialize)]
struct Memory {
    keys: u32,
    joined: f64,
    one_model: f64,
    two_models: f64,
}

/// Exchanges a second over a pool in parts, each with its own lock.
#[derive(Deserialize, Serialize)]
struct Threads {
    keys: u32,
    parts: u32,
    threads: u32,
    alone_per_second: f64,
    together_per_second: f64,
    /// Where each thread keeps to parts of its own, as nodes and the edge's objects do.
    apart_per_second: f64,
    /// Cores that others used meanwhile: with two cores in all, two threads need both.
    #[serde(default)]
    others: f64,
}

/// Builds the program that measures, and runs it.
pub fn measure() -> Result<Decisions> {
    build("release", &["potluck-bench"])?;
    let mut exchanges = SIZES.map(exchange).into_iter().collect::<Result<Vec<Exchange>>>()?;
    let least = exchanges.first().and_then(|first| first.instructions);
    for one in &mut exchanges {
        one.ratio = one.instructions.zip(least).map(|(mine, least)| mine / least);
    }
    let [split, parts] = SPLIT.map(|number| number.to_string());
    Ok(Decisions {
        exchanges,
        memory: told(&mut measuring(&["memory", "--keys", &SIZES[2].to_string()]))?,
        threads: threads(&["threads", "--keys", &split, "--parts", &parts])?,
    })
}

fn threads(arguments: &[&str]) -> Result<Threads> {
    let (began, machine, known) = (Instant::now(), cpu_of_machine(), cpu_of_children());
    let measured: Threads = told(&mut measuring(arguments))?;
    let others = cpu_of_machine() - machine - (cpu_of_children() - known);
    Ok(Threads { others: others.seconds() / began.elapsed().as_secs_f64(), ..measured })
}

fn exchange(keys: u32) -> Result<Exchange> {
    let one: Exchange = told(&mut measuring(&["exchange", "--keys", &keys.to_string()]))?;
    Ok(Exchange { instructions: instructions(keys), ..one })
}

/// Instructions of one exchange.
fn instructions(keys: u32) -> Option<f64> {
    if !succeeds(program("valgrind").arg("--version")) {
        return None;
    }
    let mut command = program("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"]);
    command.arg(format!("--toggle-collect={COUNTED_IN}")).arg(built(MEASURES, "release"));
    command.args(["exchange", "--runs", "1", "--warm-up", "1000"]);
    command.args(["--keys", &keys.to_string(), "--calls", &COUNTED.to_string()]);
    let told = command.output().ok()?;
    let text = String::from_utf8_lossy(&told.stderr).into_owned();
    let counted = text.split("Collected :").nth(1)?.split_whitespace().next()?;
    Some(counted.parse::<f64>().ok()? / f64::from(COUNTED))
}

fn measuring(arguments: &[&str]) -> Command {
    let mut command = program(built(MEASURES, "release"));
    command.args(arguments);
    command
}

fn told<T: for<'de> Deserialize<'de>>(command: &mut Command) -> Result<T> {
    let text = output(command)?;
    serde_json::from_str(&text).map_err(|e| format!("{e} in {text:?}"))
}

impl Decisions {
    /// As a table for people, or as JSON.
    pub fn print(&self, json: bool) -> Result {
        if json {
            let text = serde_json::to_string_pretty(self).map_err(|e| e.to_string())?;
            println!("{text}");
            return Ok(());
        }
        println!("\nThe pool's own decisions, on {}", super::machine());
        println!("One exchange of a plain call, every key's limits known:");
        self.exchanges.iter().for_each(Exchange::print);
        self.memory.print();
        self.threads.print();
        Ok(())
    }
}

impl Exchange {
    fn print(&self) {
        let Exchange { keys, ns, instructions, ratio } = *self;
        let time = met(ns <= MOST_NS);
        let counted = match (instructions, ratio) {
            (Some(count), Some(ratio)) => format!(
                "{count:>6.0} instructions, x {ratio:.2} (bar {MOST_INSTRUCTIONS}: {})",
                met(ratio <= MOST_INSTRUCTIONS)
            ),
            _ => "instructions not counted: no valgrind".to_owned(),
        };
        println!("  {keys:>9} keys: {ns:>6.0} ns (bar {MOST_NS}: {time})  {counted}");
    }
}

impl Memory {
    fn print(&self) {
        let Memory { keys, joined, one_model, two_models } = *self;
        println!(
            "Bytes a key of {keys}: {joined:.0} joined, {one_model:.0} with one model in use (bar \
             {MOST_BYTES}: {}), {two_models:.0} with two",
            met(one_model <= MOST_BYTES)
        );
    }
}

impl Threads {
    fn print(&self) {
        let Threads { parts, threads, alone_per_second, together_per_second, others, .. } = *self;
        let apart = self.apart_per_second / alone_per_second;
        let ratio = together_per_second / alone_per_second;
        println!(
            "{threads} threads over {parts} parts: {together_per_second:.0}/s, x {ratio:.2} of one \
             thread's {alone_per_second:.0}/s (bar {LEAST_RATE}: {})",
            met(ratio >= LEAST_RATE)
        );
        println!("  each keeping to parts of its own: x {apart:.2}");
        if others > NOISE {
            println!("  others used {others:.2} cores meanwhile: read it with care");
        }
    }
}

fn met(bar: bool) -> &'static str {
    if bar { "met" } else { "NOT met" }
}

/// The program that measures.
const MEASURES: &str = "potluck-bench-pool";
