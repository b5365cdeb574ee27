//! Installing what the tests need, as `needs.toml` names it.
//!
//! The rule: nothing outside `target/needs` is touched, except Debian packages by root; what is
//! there already is left alone; what cannot be had is a reason to print, not a crash.

use crate::shell::{program, run, succeeds, target};
use crate::{Result, shell, worker};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Stands in `wasm` for whichever compiler can do it: the developer's own, or the packages there.
const COMPILER: &str = "compiler";

type Versions = BTreeMap<String, String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    debian: BTreeMap<String, Debian>,
    wasm: BTreeMap<String, Debian>,
    python: BTreeMap<String, Versions>,
    node: BTreeMap<String, Versions>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Debian {
    probe: Vec<String>,
}

fn table() -> Result<Table> {
    toml::from_str(include_str!("../needs.toml")).map_err(|e| format!("xtask/needs.toml: {e}"))
}

/// Makes the named sets available, such as `debian.curl` or `python.pinned`.
pub fn install(set: &str) -> Result {
    let table = table()?;
    let missing = || format!("xtask/needs.toml has no set {set}");
    let (kind, name) = set.split_once('.').ok_or_else(missing)?;
    match kind {
        "wasm" if name == COMPILER => worker::install_compiler(),
        "wasm" => debian(name, table.wasm.get(name).ok_or_else(missing)?),
        "debian" => debian(name, table.debian.get(name).ok_or_else(missing)?),
        "python" => python(&place(set), table.python.get(name).ok_or_else(missing)?),
        "node" => node(&place(set), table.node.get(name).ok_or_else(missing)?),
        _ => Err(missing()),
    }
}

/// The version of a package that a set holds; Debian's is whatever Debian has.
pub fn version(set: &str, package: &str) -> Result<String> {
    let table = table()?;
    let (kind, name) = set.split_once('.').unwrap_or((set, ""));
    let sets = if kind == "python" { &table.python } else { &table.node };
    let version = sets.get(name).and_then(|versions| versions.get(package));
    match version {
        Some(version) => Ok(version.clone()),
        None if kind == "debian" => Ok("of the system".to_owned()),
        None => Err(format!("xtask/needs.toml: {set} has no {package}")),
    }
}

/// `cargo xtask needs`: installs the sets and tells which cannot be had.
pub fn run_all(sets: &[String]) -> Result {
    let table = table()?;
    let all = table.debian.keys().map(|name| format!("debian.{name}"));
    let all = all.chain([format!("wasm.{COMPILER}")]);
    let all = all.chain(table.python.keys().map(|name| format!("python.{name}")));
    let all: Vec<String> =
        all.chain(table.node.keys().map(|name| format!("node.{name}"))).collect();
    let sets = if sets.is_empty() { &all } else { sets };
    let refused: Vec<String> = sets.iter().filter_map(|set| install(set).err()).collect();
    if refused.is_empty() { Ok(()) } else { Err(refused.join("; ")) }
}

/// Where a set is installed: `target/needs/python.pinned`.
pub fn place(set: &str) -> PathBuf {
    target().join("needs").join(set)
}

/// The Python of a set.
pub fn python_of(set: &str) -> PathBuf {
    place(set).join("bin/python")
}

/// The Node that runs every JavaScript suite.
pub fn node_program() -> PathBuf {
    place("node.runtime").join(format!("node_modules/node-linux-{}/bin/node", arch()))
}

fn debian(package: &str, need: &Debian) -> Result {
    let llvm = if package.contains("{llvm}") { worker::llvm()? } else { String::new() };
    let package = &package.replace("{llvm}", &llvm);
    let probe: Vec<String> = need.probe.iter().map(|word| word.replace("{llvm}", &llvm)).collect();
    let (name, arguments) = probe.split_first().ok_or("an empty probe")?;
    let there = || succeeds(program(name).args(arguments));
    if there() {
        return Ok(());
    }
    if !succeeds(program("apt-get").arg("--version")) {
        return Err(format!("{package} is missing, and this is no Debian to install it"));
    }
    if shell::output(program("id").arg("-u"))?.trim() != "0" {
        return Err(format!("{package} is missing: `apt-get install {package}` wants root"));
    }
    apt(&["update", "-qq"])?;
    apt(&["install", "-y", "-qq", "--no-install-recommends", package])?;
    if there() { Ok(()) } else { Err(format!("{package} is installed but does not answer")) }
}

fn apt(arguments: &[&str]) -> Result {
    // RUNLEVEL=1 keeps a freshly installed server from being started as a service.
    let mut apt = program("apt-get");
    run(apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1"))
}

fn python(place: &Path, wanted: &Versions) -> Result {
    once(place, wanted, || {
        install("debian.python3-venv")?;
        run(program("python3").args(["-m", "venv", "--clear"]).arg(place))?;
        let pins = wanted.iter().map(|(name, version)| format!("{name}=={version}"));
        let mut pip = program(place.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        run(pip.args(pins))
    })
}

fn node(place: &Path, wanted: &Versions) -> Result {
    once(place, wanted, || {
        install("debian.npm")?;
        std::fs::create_dir_all(place).map_err(|e| e.to_string())?;
        let pins = wanted
            .iter()
            .map(|(name, version)| format!("{}@{version}", name.replace("{arch}", arch())));
        let quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
        let mut npm = program("npm");
        npm.args(["install", "--no-package-lock"]).args(quiet).arg("--prefix").arg(place);
        run(npm.args(pins))
    })
}

/// Installs unless the stamp says that exactly these versions are there.
fn once(place: &Path, wanted: &Versions, install: impl FnOnce() -> Result) -> Result {
    let stamp = place.join(".installed");
    let text = format!("{wanted:?}");
    if std::fs::read_to_string(&stamp).is_ok_and(|old| old == text) {
        return Ok(());
    }
    if place.exists() {
        std::fs::remove_dir_all(place).map_err(|e| format!("{}: {e}", place.display()))?;
    }
    install()?;
    std::fs::write(&stamp, text).map_err(|e| format!("{}: {e}", stamp.display()))
}

/// The machine's name in npm packages.
fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "x64",
    }
}

/// Lets a command find the tools of `python.tools`, after the developer's own.
pub fn with_tools(command: &mut Command) -> &mut Command {
    let own = place("python.tools").join("bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = std::env::split_paths(&path).chain([own]);
    match std::env::join_paths(all) {
        Ok(path) => command.env("PATH", path),
        Err(_) => command,
    }
}
