//! workerd with one Worker or both, as `crates/worker/js/bench.mjs` starts it.
//!
//! The rule: it ends when the value does, or when this program is killed: its standard input is a
//! pipe of ours, and it ends with that.

use super::{Bench, EVERYBODY, Who, root};
use crate::bench::processes::{Cpu, children, cpu_of_process};
use crate::bench::{PROXY_CORE, on_core};
use crate::shell::{isolate, program, shown};
use crate::stage::free_port;
use crate::worker::NODE;
use crate::{Result, needs};
use serde::Serialize;
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// The program that can read TypeScript; the machine's own Node may be too old for that.
const RUNTIME: &str = "node.runtime";

/// What a world is for.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Fill the databases, and end.
    Seat,
    /// Be measured, on a core of its own.
    Run,
    /// Be timed from its start, on all cores.
    Start,
    /// Count what D1 is asked.
    Count,
}

/// What runs all of them.
pub fn install() -> Result {
    needs::install(NODE).and_then(|()| needs::install(RUNTIME))
}

/// The versions of what is measured.
pub fn versions() -> String {
    let read = |package: &str| {
        let file = needs::place(NODE).join("node_modules").join(package).join("package.json");
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let about: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        about["version"].as_str().unwrap_or("unknown").to_owned()
    };
    format!("workerd {}, miniflare {}", read("workerd"), read("miniflare"))
}

/// A running script, and below it workerd.
pub struct World {
    child: Child,
    ports: Vec<(Who, u16)>,
    shown: String,
}

impl World {
    /// Starts both Workers in one workerd.
    pub fn start(bench: &Bench, task: Task) -> Result<World> {
        World::of(bench, task, &EVERYBODY)
    }

    /// Starts one Worker alone.
    pub fn start_alone(bench: &Bench, task: Task, who: Who) -> Result<World> {
        World::of(bench, task, &[who])
    }

    fn of(bench: &Bench, task: Task, who: &[Who]) -> Result<World> {
        let ports = who.iter().map(|who| Ok((*who, free_port()?)));
        let ports = ports.collect::<Result<Vec<_>>>()?;
        write_task(bench, task, &ports)?;
        let mut command = node(task);
        command.arg("--disable-warning=ExperimentalWarning");
        command.arg(root().join("crates/worker/js/bench.mjs"));
        command.arg("--bundle").arg(&bench.measured.bundle);
        command.arg("--folder").arg(bench.folder.path());
        command.env("MINIFLARE_HOME", needs::place(NODE));
        let command = isolate(&mut command).stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = command.spawn().map_err(|e| format!("{}: {e}", shown(command)))?;
        Ok(World { child, ports, shown: shown(command) })
    }

    /// Waits until it says that it is ready.
    pub fn ready(mut self) -> Result<World> {
        let mut line = String::new();
        if let Some(said) = self.child.stdout.as_mut() {
            BufReader::new(said).read_line(&mut line).map_err(|e| e.to_string())?;
        }
        if line.trim() == "ready" { Ok(self) } else { Err(format!("`{}` failed", self.shown)) }
    }

    /// Where that Worker listens; nowhere if it does not run.
    pub fn port(&self, who: Who) -> u16 {
        self.ports.iter().find(|(name, _)| *name == who).map_or(0, |(_, port)| *port)
    }

    /// Processor time of workerd, without the script's.
    pub fn cpu(&self) -> Cpu {
        children(self.child.id()).into_iter().fold(Cpu(0), |sum, id| sum + cpu_of_process(id))
    }

    /// Ends it; an error if it did not end well.
    pub fn end(mut self) -> Result {
        // Waiting closes its standard input before.
        let status = self.child.wait().map_err(|e| e.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("`{}` failed: {status}", self.shown)) }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.child.wait();
    }
}

/// Says what is to be done where the script looks for it.
fn write_task(bench: &Bench, task: Task, ports: &[(Who, u16)]) -> Result {
    let named = ports.iter().map(|(who, port)| Ok((spelled(who)?, json!(port))));
    let ports = named.collect::<Result<serde_json::Map<_, _>>>()?;
    let upstream = format!("http://{}", super::address(bench.upstream));
    let text = json!({"task": task, "ports": ports, "upstream": upstream}).to_string();
    std::fs::write(bench.folder.path().join("bench.json"), text).map_err(|e| e.to_string())
}

fn spelled(who: &Who) -> Result<String> {
    let text = serde_json::to_value(who).map_err(|e| e.to_string())?;
    text.as_str().map(str::to_owned).ok_or("a name that is no text".to_owned())
}

fn node(task: Task) -> Command {
    if task != Task::Run {
        return program(needs::node_program());
    }
    let mut command = on_core(PROXY_CORE);
    command.arg(needs::node_program());
    command
}
