//! `cargo xtask worker`: the edge edition, built, run, tested and packed on this machine.
//!
//! The rule: what runs here is what is deployed. One bundle, made in one way, in workerd itself,
//! with the settings of `crates/worker/wrangler.jsonc`; only the test's own routes need another.

mod bench;
mod compiler;

use crate::shell::{cargo, isolate, output, program, root, run, run_reading, shown, target};
use crate::test::Tally;
use crate::{Result, clients, needs, stage};
use clap::{Args, Subcommand};
use compiler::Compiler;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// What the step of `cargo xtask test` must have before it starts.
pub const NEEDS: &[&str] = &["wasm.compiler", NODE];

/// The set that holds miniflare and workerd.
const NODE: &str = "node.worker";
/// The Worker's feature that holds the store's contract.
const CONTRACT: &str = "contract";
/// The suites of the bundle as it is deployed.
const SUITES: [&str; 10] = [
    "requests.mjs",
    "pool.mjs",
    "live.mjs",
    "calls.mjs",
    "parts.mjs",
    "operators.mjs",
    "operated.mjs",
    "bodies.mjs",
    "answers.mjs",
    "killed.mjs",
];
/// The oldest Node that miniflare was tried with.
const OLDEST_NODE: u32 = 20;

#[derive(Subcommand)]
pub enum Task {
    /// Build the bundle into target/worker
    Build,
    /// Run it in workerd, with its database in a folder
    Serve(Serve),
    /// Lint what is for wasm alone, run the store's contract, a few requests and real clients
    /// against workerd
    Test,
    /// Measure what a call costs, beside the original's approach
    Bench(bench::Options),
    /// Pack what `wrangler deploy` takes, below target/worker-package
    Package,
}

#[derive(Args)]
pub struct Serve {
    /// Where to listen; on loopback alone
    #[arg(long, default_value = "127.0.0.1:8787")]
    listen: SocketAddr,
    /// Google's API, or what stands in for it
    #[arg(long, default_value = "https://generativelanguage.googleapis.com")]
    upstream: String,
    /// The folder of the database and the master key; made if it is missing
    #[arg(long, default_value = "potluck-worker-data")]
    data: PathBuf,
}

/// `cargo xtask worker …`.
pub fn run_task(task: &Task) -> Result {
    match task {
        Task::Build => build().map(drop),
        Task::Serve(options) => serve(options),
        Task::Test => {
            test(&mut Tally::default()).and_then(|()| clients::run_edge(&mut Tally::default()))
        }
        Task::Bench(options) => bench::run(options),
        Task::Package => package(),
    }
}

/// Makes sure that there is a compiler.
pub fn install_compiler() -> Result {
    compiler::find().map(drop)
}

/// The version of LLVM that a linker for Debian's compiler must be of.
pub fn llvm() -> Result<String> {
    needs::install("wasm.rustc-web")?;
    compiler::debian_llvm()
}

fn build() -> Result<PathBuf> {
    bundle(&compiler::find()?, "", "worker")
}

/// Compiles with these features and makes the bundle in that folder below target.
fn bundle(compiler: &Compiler, features: &str, name: &str) -> Result<PathBuf> {
    println!("{}", compiler.version()?);
    let wasm = compiler.compile(features)?;
    let folder = target().join(name);
    renew(&folder)?;
    let mut bundle = cargo();
    bundle.args(["run", "--quiet", "-p", "xtask-bundle", "--"]);
    run(bundle.arg(&wasm).arg(&folder))?;
    copy(&root().join("crates/worker/js/entry.mjs"), &folder.join("entry.mjs"))?;
    let wasm = folder.join("rust_bg.wasm");
    let size = fs::metadata(&wasm).map_err(|e| e.to_string())?.len();
    let gzipped = compiler::gzipped(&wasm)?;
    println!("{}: {size} bytes of wasm, {gzipped} gzipped", folder.display());
    Ok(folder)
}

fn serve(options: &Serve) -> Result {
    if !options.listen.ip().is_loopback() {
        return Err(format!(
            "{} is no loopback address: this is for trying the Worker out on this machine",
            options.listen
        ));
    }
    let bundle = build()?;
    let data = std::path::absolute(&options.data).map_err(|e| e.to_string())?;
    fs::create_dir_all(&data).map_err(|e| format!("{}: {e}", data.display()))?;
    let master_key = data.join("master-key");
    if !master_key.exists() {
        make_master_key(&master_key)?;
    }
    let listen = options.listen.to_string();
    become_it(&mut serving(&bundle, &data, &master_key, &listen, &options.upstream)?)
}

/// The script that serves the bundle.
fn serving(
    bundle: &Path,
    data: &Path,
    master_key: &Path,
    listen: &str,
    upstream: &str,
) -> Result<Command> {
    let mut node = node("serve.mjs")?;
    node.arg("--bundle").arg(bundle).arg("--data").arg(data);
    node.arg("--master-key").arg(master_key);
    node.args(["--listen", listen, "--upstream", upstream]);
    Ok(node)
}

/// A Worker that is built, and may be served as often as suites want one.
pub struct Worker {
    bundle: PathBuf,
    folder: TempDir,
}

impl Worker {
    /// Builds it, and makes its master key.
    pub fn ready() -> Result<Worker> {
        let folder = TempDir::new().map_err(|e| e.to_string())?;
        make_master_key(&folder.path().join("master-key"))?;
        Ok(Worker { bundle: build()?, folder })
    }

    /// The command that serves it, with its data in that folder.
    pub fn serve(&self, data: &Path, listen: &str, upstream: &str) -> Result<Command> {
        let master_key = self.folder.path().join("master-key");
        fs::create_dir_all(data).map_err(|e| format!("{}: {e}", data.display()))?;
        serving(&self.bundle, data, &master_key, listen, upstream)
    }
}

/// Runs the suites; each prints a line per check, `ok   …` or `FAIL …`.
pub fn test(tally: &mut Tally) -> Result {
    let compiler = compiler::find()?;
    match compiler.install_linter() {
        Ok(()) => compiler.lint(CONTRACT)?,
        Err(why) => tally.missing.push(format!("lint of what is for wasm alone: {why}")),
    }
    let deployed = bundle(&compiler, "", "worker")?;
    let contract = bundle(&compiler, CONTRACT, "worker-contract")?;
    let folder = TempDir::new().map_err(|e| e.to_string())?;
    for name in ["master-key", "other-master-key"] {
        make_master_key(&folder.path().join(name))?;
    }
    seal_keys(folder.path())?;
    suite(node("contract.mjs")?.arg("--bundle").arg(contract), tally)?;
    stage::build("dev", &["gemini-sim"])?;
    for script in SUITES {
        let mut suite_of = node(script)?;
        suite_of.arg("--bundle").arg(&deployed).arg("--folder").arg(folder.path());
        suite(suite_of.arg("--sim").arg(stage::built("gemini-sim", "dev")), tally)?;
    }
    if tally.failed == 0 { Ok(()) } else { Err(format!("{} checks failed", tally.failed)) }
}

fn suite(command: &mut Command, tally: &mut Tally) -> Result {
    let before = tally.failed;
    let ended = run_reading(isolate(command), |line| {
        tally.passed += usize::from(line.starts_with("ok   "));
        tally.failed += usize::from(line.starts_with("FAIL "));
    });
    // A suite that found failures ends with one; that is counted already.
    if tally.failed > before { Ok(()) } else { ended }
}

/// Lays out and packs a folder of which only the id of the database is missing.
fn package() -> Result {
    let bundle = build()?;
    let all = target().join("worker-package");
    let folder = all.join("potluck-worker");
    renew(&folder)?;
    copy_all(&bundle, &folder.join("worker"))?;
    copy_all(&root().join("crates/store/migrations"), &folder.join("migrations"))?;
    fs::write(folder.join("wrangler.jsonc"), packed_settings()?).map_err(|e| e.to_string())?;
    copy(&root().join("crates/worker/js/master-key.mjs"), &folder.join("master-key.mjs"))?;
    copy(&root().join("docs/edge.md"), &folder.join("README.md"))?;
    copy(&root().join("docs/editions.md"), &folder.join("editions.md"))?;
    copy_all(&root().join("crates/worker/template"), &folder)?;
    let archive = all.join("potluck-worker.tar.gz");
    let mut tar = program("tar");
    run(tar.arg("-czf").arg(&archive).arg("-C").arg(&all).arg("potluck-worker"))?;
    println!("{}", archive.display());
    Ok(())
}

/// The settings, with the paths of the package in place of the repository's.
fn packed_settings() -> Result<String> {
    let path = root().join("crates/worker/wrangler.jsonc");
    let mut text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    for (here, packed) in [
        ("../../target/worker/entry.mjs", "worker/entry.mjs"),
        ("../store/migrations", "migrations"),
    ] {
        if !text.contains(here) {
            return Err(format!("{} does not name {here} any more", path.display()));
        }
        text = text.replace(here, packed);
    }
    Ok(text)
}

/// A script of the Worker's, on the machine's own Node where that will do.
fn node(script: &str) -> Result<Command> {
    needs::install(NODE)?;
    let own = output(program("node").arg("--version")).is_ok_and(|version| new_enough(&version));
    let mut command = if own {
        program("node")
    } else {
        needs::install("node.runtime")?;
        program(needs::node_program())
    };
    command.arg(root().join("crates/worker/js").join(script));
    command.env("MINIFLARE_HOME", needs::place(NODE));
    isolate(&mut command);
    Ok(command)
}

/// Reads `v20.20.2`.
fn new_enough(version: &str) -> bool {
    let major = version.trim().trim_start_matches('v').split('.').next();
    major.and_then(|major| major.parse().ok()).is_some_and(|major: u32| major >= OLDEST_NODE)
}

/// Makes a master key in a file that only its owner may read, never over one that is there.
fn make_master_key(file: &Path) -> Result {
    let mut example = cargo();
    example.args(["run", "--quiet", "-p", "potluck-vault", "--example", "master-key"]);
    let text = output(&mut example)?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(file).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|e| format!("{}: {e}", file.display()))
}

/// Seals made-up keys with the folder's master key, for rows of a test's database.
fn seal_keys(folder: &Path) -> Result {
    let mut example = cargo();
    example.args(["run", "--quiet", "-p", "potluck-vault", "--example", "sealed-keys", "--"]);
    let rows = output(example.arg(folder.join("master-key")))?;
    fs::write(folder.join("sealed-keys"), rows).map_err(|e| e.to_string())
}

/// Lets this process become that one, so that whoever ends it ends that.
#[cfg(unix)]
fn become_it(command: &mut Command) -> Result {
    println!("$ {}", shown(command));
    let error = std::os::unix::process::CommandExt::exec(command);
    Err(format!("{}: {error}", shown(command)))
}

#[cfg(not(unix))]
fn become_it(command: &mut Command) -> Result {
    run(command)
}

/// An empty folder.
fn renew(folder: &Path) -> Result {
    let gone = if folder.exists() { fs::remove_dir_all(folder) } else { Ok(()) };
    gone.and_then(|()| fs::create_dir_all(folder)).map_err(|e| format!("{}: {e}", folder.display()))
}

fn copy_all(from: &Path, to: &Path) -> Result {
    fs::create_dir_all(to).map_err(|e| format!("{}: {e}", to.display()))?;
    for entry in fs::read_dir(from).map_err(|e| format!("{}: {e}", from.display()))? {
        let entry = entry.map_err(|e| e.to_string())?;
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() { copy_all(&path, &to)? } else { copy(&path, &to)? }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result {
    fs::copy(from, to).map(drop).map_err(|e| format!("{}: {e}", from.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_s_node_is_used_from_the_oldest_that_was_tried() {
        assert!(new_enough("v20.20.2\n") && new_enough("v24.1.0"));
        assert!(!new_enough("v18.19.0") && !new_enough(""));
    }

    #[test]
    fn the_packed_settings_name_the_package_s_own_paths() {
        let text = packed_settings().unwrap();
        assert!(text.contains("\"worker/entry.mjs\"") && text.contains("\"migrations\""));
        assert!(!text.contains("../"));
    }
}
