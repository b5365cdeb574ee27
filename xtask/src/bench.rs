//! Potluck beside nginx and HAProxy, in front of the same stand-in, on the same machine.
//!
//! The method: the proxy alone on core 0 with one worker; the stand-in and the load on core 1; plain
//! HTTP/1.1 with keep-alive on both sides. Closed loop for throughput, open loop at a fixed rate
//! for latency, timed from when a call was due. All candidates take turns in every round; what is
//! told are medians and bests. Times less than 15 % apart are not established; CPU per call moves
//! least; ratios are to nginx in the same run. What the pool's own decisions cost is measured
//! apart, without any server.

mod candidates;
mod pool;
pub mod processes;
mod report;

pub use report::{NOISE, machine};

use crate::shell::{isolate, output, program};
use crate::stage::{Server, address, build, built, free_port};
use crate::{Result, needs};
use candidates::Candidate;
use clap::{Args, ValueEnum};
use processes::{Cpu, cpu_of, cpu_of_children, cpu_of_machine};
use serde::{Deserialize, Serialize};
use std::process::Command;
use std::time::Instant;
use tempfile::TempDir;

/// What is measured has this one to itself.
pub const PROXY_CORE: &str = "0";
/// The stand-in and the load share this one.
pub const LOAD_CORE: &str = "1";
/// Before each measurement, so that pools are filled and code is warm.
pub const WARM_UP: f64 = 1.0;
/// As many keys as a middling pool; what is shown must not matter to nginx.
const KEYS: usize = 16;

#[derive(Args)]
pub struct Options {
    /// How often every candidate takes its turn
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How long each measurement takes
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Calls per second of the open loop
    #[arg(long, default_value_t = 10_000)]
    rate: u32,
    /// Measure these alone, which is quicker (may be repeated)
    #[arg(long)]
    only: Vec<Kind>,
    /// Print one JSON document instead of tables
    #[arg(long)]
    json: bool,
}

/// What is asked of a proxy.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// Small JSON answers, closed loop.
    Json,
    /// Event streams, closed loop; each comes in one burst.
    Burst,
    /// Event streams, closed loop; every event comes by itself.
    Steady,
    /// Small JSON answers at a fixed rate.
    Paced,
    /// Events on their way, one at a time.
    Chunks,
    /// The pool's own decisions, with ten keys and with a million.
    Pool,
}

/// What the load generator prints.
#[derive(Clone, Copy, Deserialize, Serialize)]
pub struct Load {
    pub done: u64,
    pub failed: u64,
    pub bytes: usize,
    pub per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
}

/// A load, and what it cost.
#[derive(Serialize)]
pub struct Metered {
    #[serde(flatten)]
    pub load: Load,
    /// Processor time of the proxy for each call, in microseconds.
    pub cpu_us: f64,
    /// Cores that others used meanwhile: noise.
    pub others: f64,
}

/// One measurement.
#[derive(Serialize)]
struct Sample {
    candidate: &'static str,
    kind: Kind,
    #[serde(flatten)]
    metered: Metered,
    /// Resident memory of the proxy afterwards, in KiB.
    rss_kib: u64,
}

/// What stands while measuring.
struct Bench<'o> {
    options: &'o Options,
    upstream: u16,
    sim: Option<Server>,
    candidates: Vec<Candidate>,
    samples: Vec<Sample>,
}

/// `cargo xtask bench`.
pub fn run(options: &Options) -> Result {
    let decisions = if options.wants(Kind::Pool) { Some(pool::measure()?) } else { None };
    if options.only == [Kind::Pool] {
        return decisions.map_or(Ok(()), |decisions| decisions.print(options.json));
    }
    needs::install("debian.nginx").and_then(|()| needs::install("debian.haproxy"))?;
    two_cores()?;
    build("release", &["potluck", "gemini-sim", "potluck-bench"])?;
    let folder = TempDir::new().map_err(|e| e.to_string())?;
    let upstream = free_port()?;
    let candidates = candidates::start(upstream, folder.path())?;
    let mut bench = Bench { options, upstream, sim: None, candidates, samples: Vec::new() };
    bench.sim = Some(sim(upstream, "0", &folder)?);
    bench.rounds(&[Kind::Json, Kind::Burst, Kind::Paced])?;
    bench.sim = None;
    bench.sim = Some(sim(upstream, "1", &folder)?);
    bench.rounds(&[Kind::Steady])?;
    // From here on the load generator is the upstream, so that one clock sees both ends.
    bench.sim = None;
    bench.rounds(&[Kind::Chunks])?;
    report::print(&bench.samples, &bench.candidates, decisions.as_ref(), options.json)
}

/// An error where there is one core in all.
pub fn two_cores() -> Result {
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        return Err("not run: the proxy needs a core of its own, and there is one in all".into());
    }
    Ok(())
}

impl Options {
    fn wants(&self, kind: Kind) -> bool {
        self.only.is_empty() || self.only.contains(&kind)
    }
}

impl Bench<'_> {
    fn rounds(&mut self, kinds: &[Kind]) -> Result {
        for round in 1..=self.options.rounds {
            for kind in kinds.iter().filter(|kind| self.options.wants(**kind)) {
                self.take_turns(*kind, round)?;
            }
        }
        Ok(())
    }

    /// Every candidate once, beginning with another one each round.
    fn take_turns(&mut self, kind: Kind, round: usize) -> Result {
        let count = self.candidates.len();
        for n in 0..count {
            let candidate = &self.candidates[(n + round) % count];
            if kind == Kind::Chunks && candidate.server.is_none() {
                continue;
            }
            let sample = self.measure(candidate, kind)?;
            if !self.options.json {
                report::progress(round, &sample);
            }
            self.samples.push(sample);
        }
        Ok(())
    }

    fn measure(&self, candidate: &Candidate, kind: Kind) -> Result<Sample> {
        // Twice, because a pool may hold connections to an upstream that was started anew.
        let warm = || load(&mut self.load(kind, candidate.port, WARM_UP));
        warm().or_else(|_| warm())?;
        let mut command = self.load(kind, candidate.port, self.options.seconds);
        Ok(Sample {
            candidate: candidate.name,
            kind,
            metered: metered(|| candidate.cpu(), self.sim.as_ref(), &mut command)?,
            rss_kib: candidate.rss_kib(),
        })
    }

    fn load(&self, kind: Kind, port: u16, seconds: f64) -> Command {
        let (mode, connections) = match kind {
            Kind::Json | Kind::Burst => ("closed", "64"),
            Kind::Steady => ("closed", "256"),
            Kind::Paced => ("open", "32"),
            Kind::Chunks | Kind::Pool => ("chunks", "16"),
        };
        let mut command = on_core(LOAD_CORE);
        command.arg(built("potluck-bench", "release")).arg(mode);
        command.args(["--to", &address(port), "--connections", connections]);
        command.args(["--seconds", &seconds.to_string(), "--keys", &keys()]);
        match kind {
            Kind::Json | Kind::Pool => {}
            Kind::Burst | Kind::Steady => drop(command.arg("--stream")),
            Kind::Paced => drop(command.args(["--rate", &self.options.rate.to_string()])),
            Kind::Chunks => drop(command.args(["--listen", &address(self.upstream)])),
        }
        command
    }
}

/// Runs the load generator, and reads what it cost the proxy; the stand-in is no noise.
pub fn metered(
    proxy: impl Fn() -> Cpu,
    sim: Option<&Server>,
    command: &mut Command,
) -> Result<Metered> {
    let known = || cpu_of_children() + sim.map_or(Cpu(0), cpu_of);
    let (before, rest, machine) = (proxy(), known(), cpu_of_machine());
    let began = Instant::now();
    let load = load(command)?;
    let took = began.elapsed().as_secs_f64();
    let used = proxy() - before;
    let others = cpu_of_machine() - machine - used - (known() - rest);
    Ok(Metered {
        load,
        cpu_us: used.seconds() * 1e6 / load.done.max(1) as f64,
        others: others.seconds() / took,
    })
}

/// Runs the load generator; an error where more than a few answers were not whole.
pub fn load(command: &mut Command) -> Result<Load> {
    let text = output(isolate(command))?;
    let load: Load = serde_json::from_str(&text).map_err(|e| format!("{e} in {text:?}"))?;
    if load.failed > load.done / 100 {
        return Err(format!("{} of {} answers were not whole", load.failed, load.done));
    }
    Ok(load)
}

fn keys() -> String {
    let keys: Vec<String> = (0..KEYS).map(|n| format!("AIzaSyBench{n:028}")).collect();
    keys.join(",")
}

/// A command that stays on that core.
pub fn on_core(core: &str) -> Command {
    let mut command = program("taskset");
    command.args(["--cpu-list", core]);
    command
}

/// The stand-in, with so many milliseconds between events.
pub fn sim(port: u16, gap: &str, folder: &TempDir) -> Result<Server> {
    let mut command = on_core(LOAD_CORE);
    command.arg(built("gemini-sim", "release"));
    command.args(["--fast", "--threads", "1", "--quiet", "--listen", &address(port)]);
    command.args(["--event-gap", gap]);
    Server::start(&mut command, port, folder.path().join("sim.log"))
}
