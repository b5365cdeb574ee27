//! `cargo xtask worker bench`: what a call costs at the edge, beside the original's approach.
//!
//! The method: both Workers in one workerd, each with a port and a D1 of its own, taking turns; the
//! load in a closed loop with known keys; the processor time of that workerd, all threads of it,
//! divided by the calls of the turn. workerd has core 0 to itself, the stand-in and the load share
//! core 1. D1 and the object run inside workerd here, so what they do counts too: the two compare
//! with each other, and neither with what Cloudflare's network takes or bills.

mod ask;
mod report;
mod world;

use super::{build, make_master_key, seal_keys};
use crate::Result;
use crate::bench::{LOAD_CORE, Metered, WARM_UP, load, metered, on_core, sim, two_cores};
use crate::shell::root;
use crate::stage::{self, Server, address, built, free_port};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use world::{Task, World};

/// As many as connections, so that each key has one caller.
const CONNECTIONS: usize = 16;
/// Where Linux keeps files in memory.
const MEMORY: &str = "/dev/shm";
/// Both Workers, in the order of the tables.
const EVERYBODY: [Who; 2] = [Who::Potluck, Who::Original];

#[derive(Args)]
pub struct Options {
    /// How often both take their turns
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long each turn takes
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Connections of the closed loop
    #[arg(long, default_value_t = CONNECTIONS)]
    connections: usize,
    /// Calls while D1's statements are counted
    #[arg(long, default_value_t = 10_000)]
    calls: u32,
    /// Minutes over which these calls are spread
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// How many fresh processes are asked for the first time
    #[arg(long, default_value_t = 7)]
    starts: usize,
    /// Measure these alone, which is quicker (may be repeated)
    #[arg(long)]
    only: Vec<Kind>,
    /// Measure this bundle, as `cargo xtask worker build` makes it, and build none
    #[arg(long)]
    bundle: Option<PathBuf>,
    /// Print one JSON document instead of tables
    #[arg(long)]
    json: bool,
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// CPU of small JSON answers.
    Json,
    /// CPU of event streams; each comes in one burst.
    Burst,
    /// CPU of event streams; every event comes by itself.
    Steady,
    /// The first call that a fresh process answers.
    Start,
    /// What D1 is asked while known keys call.
    Statements,
}

/// Who is measured.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Who {
    Potluck,
    Original,
}

/// One turn.
#[derive(Serialize)]
struct Turn {
    who: Who,
    kind: Kind,
    #[serde(flatten)]
    metered: Metered,
}

/// One fresh process.
#[derive(Serialize)]
struct Start {
    who: Who,
    /// From when its port took a connection until the first call was answered.
    ms: f64,
}

/// What Potluck asked of D1.
#[derive(Serialize)]
struct Statements {
    calls: u64,
    seconds: f64,
    /// Until the first call was answered.
    waking: u64,
    /// From then on.
    calling: u64,
}

/// All that was found out.
#[derive(Default, Serialize)]
struct Measured {
    /// What ran as Potluck.
    bundle: PathBuf,
    /// Where the databases lay.
    folder: PathBuf,
    turns: Vec<Turn>,
    starts: Vec<Start>,
    statements: Option<Statements>,
    /// Why Potluck's figures are missing.
    unserved: Option<String>,
}

/// What stands while measuring.
struct Bench<'o> {
    options: &'o Options,
    /// Both databases, the master key, and what is sealed with it.
    folder: TempDir,
    keys: Vec<String>,
    upstream: u16,
    who: Vec<Who>,
    measured: Measured,
}

/// The subcommand.
pub fn run(options: &Options) -> Result {
    two_cores()?;
    world::install()?;
    let bundle = match &options.bundle {
        Some(bundle) => std::path::absolute(bundle).map_err(|e| e.to_string())?,
        None => build()?,
    };
    stage::build("release", &["gemini-sim", "potluck-bench"])?;
    let mut bench = Bench::prepare(options, bundle)?;
    bench.turns("0", &[Kind::Json, Kind::Burst])?;
    bench.turns("1", &[Kind::Steady])?;
    let sim = sim(bench.upstream, "0", &bench.folder)?;
    bench.starts()?;
    bench.statements()?;
    drop(sim);
    report::print(&bench.measured, options)?;
    bench.measured.unserved.map_or(Ok(()), |why| Err(format!("Potluck was not measured: {why}")))
}

impl Options {
    fn wants(&self, kind: Kind) -> bool {
        self.only.is_empty() || self.only.contains(&kind)
    }

    fn says(&self, line: &str) {
        if !self.json {
            println!("{line}");
        }
    }
}

impl Bench<'_> {
    /// Fills both databases, and finds out who serves calls.
    fn prepare(options: &Options, bundle: PathBuf) -> Result<Bench<'_>> {
        let folder = folder()?;
        make_master_key(&folder.path().join("master-key"))?;
        seal_keys(folder.path())?;
        let keys = keys(folder.path())?;
        let (upstream, who) = (free_port()?, EVERYBODY.to_vec());
        let at = folder.path().to_owned();
        let measured = Measured { bundle, folder: at, ..Measured::default() };
        let mut bench = Bench { options, folder, keys, upstream, who, measured };
        World::start(&bench, Task::Seat)?.end()?;
        bench.find_out()?;
        Ok(bench)
    }

    /// Leaves Potluck out where it does not serve calls, and keeps why.
    fn find_out(&mut self) -> Result {
        let _sim = sim(self.upstream, "0", &self.folder)?;
        let world = World::start(self, Task::Run)?.ready()?;
        ask::call(world.port(Who::Original), &self.keys[0])?;
        if let Err(why) = ask::call(world.port(Who::Potluck), &self.keys[0]) {
            self.options.says(&format!("Potluck is left out: {why}"));
            self.measured.unserved = Some(why);
            self.who.retain(|who| *who != Who::Potluck);
        }
        Ok(())
    }

    /// All rounds of these kinds, in one workerd, before a stand-in with that gap between events.
    fn turns(&mut self, gap: &str, kinds: &[Kind]) -> Result {
        let kinds: Vec<_> = kinds.iter().filter(|kind| self.options.wants(**kind)).collect();
        if kinds.is_empty() {
            return Ok(());
        }
        let sim = sim(self.upstream, gap, &self.folder)?;
        let world = World::start(self, Task::Run)?.ready()?;
        for round in 1..=self.options.rounds {
            for kind in &kinds {
                self.take_turns(&sim, &world, **kind, round)?;
            }
        }
        world.end()
    }

    /// Each once; who begins changes from round to round.
    fn take_turns(&mut self, sim: &Server, world: &World, kind: Kind, round: usize) -> Result {
        for n in 0..self.who.len() {
            let who = self.who[(n + round) % self.who.len()];
            let port = world.port(who);
            // It also lets what the other left behind come to its end.
            load(&mut self.closed(kind, port, WARM_UP))?;
            let mut command = self.closed(kind, port, self.options.seconds);
            let metered = metered(|| world.cpu(), Some(sim), &mut command)?;
            let turn = Turn { who, kind, metered };
            self.options.says(&report::progress(round, &turn));
            self.measured.turns.push(turn);
        }
        Ok(())
    }

    /// Times the first call of fresh processes, one Worker in each.
    fn starts(&mut self) -> Result {
        let starts = if self.options.wants(Kind::Start) { self.options.starts } else { 0 };
        for _ in 0..starts {
            for who in self.who.clone() {
                let world = World::start_alone(self, Task::Start, who)?;
                let ms = ask::first_call(world.port(who), &self.keys[0])?.as_secs_f64() * 1e3;
                world.ready()?.end()?;
                self.options.says(&format!("first call  {:9} {ms:>6.1} ms", report::name(who)));
                self.measured.starts.push(Start { who, ms });
            }
        }
        Ok(())
    }

    /// Counts what is asked of D1 while all keys call at an even rate.
    fn statements(&mut self) -> Result {
        if !self.options.wants(Kind::Statements) || !self.who.contains(&Who::Potluck) {
            return Ok(());
        }
        let Options { calls, minutes, .. } = self.options;
        let span = Duration::from_secs_f64(minutes * 60.0);
        // In whole calls per second, rounded down: rather a little longer than too short.
        let rate = (f64::from(*calls) / span.as_secs_f64()).floor().max(1.0);
        let seconds = f64::from(*calls) / rate;
        self.options.says(&format!("statements  {calls} calls take {seconds:.0} s"));
        let world = World::start_alone(self, Task::Count, Who::Potluck)?.ready()?;
        let port = world.port(Who::Potluck);
        ask::call(port, &self.keys[0])?;
        let waking = ask::watched(port)?;
        let mut command = self.load("open", port, CONNECTIONS, seconds);
        let load = load(command.args(["--rate", &rate.to_string()]))?;
        let (calls, calling) = (load.done + load.failed, ask::watched(port)?);
        self.measured.statements = Some(Statements { calls, seconds, waking, calling });
        world.end()
    }

    fn closed(&self, kind: Kind, port: u16, seconds: f64) -> Command {
        let mut command = self.load("closed", port, self.options.connections, seconds);
        if kind != Kind::Json {
            command.arg("--stream");
        }
        command
    }

    fn load(&self, mode: &str, port: u16, connections: usize, seconds: f64) -> Command {
        let mut command = on_core(LOAD_CORE);
        command.arg(built("potluck-bench", "release")).args([mode, "--to", &address(port)]);
        command.args(["--connections", &connections.to_string()]);
        command.args(["--seconds", &seconds.to_string(), "--keys", &self.keys.join(",")]);
        command
    }
}

/// A folder in memory where there is one: the original writes in every call, and a disk that it has
/// to wait for, which D1 does elsewhere, would make each of them twice as dear.
fn folder() -> Result<TempDir> {
    TempDir::new_in(MEMORY).or_else(|_| TempDir::new()).map_err(|e| e.to_string())
}

/// The keys that lie sealed in the folder, as their bearers show them.
fn keys(folder: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(folder.join("sealed-keys")).map_err(|e| e.to_string())?;
    let keys = text.lines().filter_map(|line| line.split(' ').next());
    let keys: Vec<String> = keys.map(str::to_owned).collect();
    if keys.is_empty() { Err("no keys were sealed".to_owned()) } else { Ok(keys) }
}
