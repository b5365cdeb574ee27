//! A stage for real clients: Google's stand-in, and Potluck before it, plain and over TLS.
//!
//! The rule: everything is fresh for each suite (ports, data folder, keys), listens on loopback
//! alone and is gone when the stage is dropped.

use crate::shell::{cargo, isolate, program, run, succeeds, target};
use crate::{Result, shell};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// So long may a server take until it listens.
const PATIENCE: Duration = Duration::from_secs(20);
/// Keys of as many projects; few enough that a round is short, enough for every failover.
const KEYS: [&str; 4] = [
    "AIzaSyTable-Anna0000000000000000000001A",
    "AIzaSyTable-Boris000000000000000000002B",
    "AIzaSyTable-Chen0000000000000000000003C",
    "AIzaSyTable-Dina0000000000000000000004D",
];

/// Where Cargo leaves a program; `build` makes it.
pub fn built(name: &str, profile: &str) -> PathBuf {
    target().join(if profile == "dev" { "debug" } else { profile }).join(name)
}

/// Builds the programs that a stage needs.
pub fn build(profile: &str, packages: &[&str]) -> Result {
    let mut command = cargo();
    command.args(["build", "--quiet", "--bins", "--profile", profile]);
    run(command.args(packages.iter().flat_map(|package| ["-p", package])))
}

/// A server that ends with this value.
pub struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts it and waits until it listens on that port.
    pub fn start(command: &mut Command, port: u16, log: PathBuf) -> Result<Server> {
        Server::start_until(command, || listens(port), log)
    }

    /// Starts it and waits until it is ready.
    fn start_until(
        command: &mut Command,
        ready: impl Fn() -> bool,
        log: PathBuf,
    ) -> Result<Server> {
        let file = std::fs::File::create(&log).map_err(|e| format!("{}: {e}", log.display()))?;
        let twin = file.try_clone().map_err(|e| e.to_string())?;
        let child = isolate(command).stdout(file).stderr(twin).stdin(Stdio::null()).spawn();
        let child = child.map_err(|e| format!("{}: {e}", shell::shown(command)))?;
        let mut server = Server { child, log };
        let until = Instant::now() + PATIENCE;
        while !ready() {
            let ended = server.child.try_wait().is_ok_and(|status| status.is_some());
            if ended || Instant::now() > until {
                let said = server.said();
                return Err(format!("`{}` did not start: {said}", shell::shown(command)));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// Its process number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The end of what it printed.
    pub fn said(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The stand-in, two Potlucks, and where they are.
pub struct Stage {
    ports: Ports,
    plain: Server,
    _rest: [Server; 2],
    folder: TempDir,
}

struct Ports {
    sim: u16,
    plain: u16,
    tls: u16,
}

impl Stage {
    /// Starts all of it.
    pub fn open() -> Result<Stage> {
        let folder = TempDir::new().map_err(|e| e.to_string())?;
        let at = folder.path();
        certify(at)?;
        std::fs::write(at.join("sim.toml"), sim_keys()).map_err(|e| e.to_string())?;
        let ports = Ports { sim: free_port()?, plain: free_port()?, tls: free_port()? };
        let upstream_port = free_port()?;
        let ready =
            || listens(ports.sim) && listens(upstream_port) && at.join("sim-ca.pem").exists();
        let mut command = sim(at, ports.sim, upstream_port);
        let sim = Server::start_until(&mut command, ready, at.join("sim.log"))?;
        let potluck = |port: u16, name: &str, more: &[&str]| {
            let mut command = program(built("potluck", "dev"));
            command.args(["serve", "--listen", &address(port), "--data"]).arg(at.join(name));
            command.args(["--upstream", &format!("https://localhost:{upstream_port}")]);
            command.arg("--upstream-ca").arg(at.join("sim-ca.pem")).args(more).current_dir(at);
            Server::start(&mut command, port, at.join(format!("{name}.log")))
        };
        let plain = potluck(ports.plain, "plain", &[])?;
        let tls = potluck(ports.tls, "tls", &["--tls-cert", "tls.pem", "--tls-key", "tls.key"])?;
        Ok(Stage { ports, plain, _rest: [sim, tls], folder })
    }

    /// Tells a suite where everything is.
    pub fn dress<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let Ports { sim, plain, tls } = self.ports;
        isolate(command)
            .env("SIM_URL", format!("http://127.0.0.1:{sim}"))
            .env("BASE_URL", format!("http://127.0.0.1:{plain}"))
            .env("BASE_URL_TLS", format!("https://localhost:{tls}"))
            .env("CA_FILE", self.folder.path().join("ca.pem"))
            .env("NODE_EXTRA_CA_CERTS", self.folder.path().join("ca.pem"))
            .env("KEYS", KEYS.join(","))
    }

    /// The end of what Potluck printed.
    pub fn said(&self) -> String {
        self.plain.said()
    }
}

/// The stand-in with the stage's keys, plain for its control side and over TLS for Potluck.
fn sim(at: &Path, port: u16, tls_port: u16) -> Command {
    let mut command = program(built("gemini-sim", "dev"));
    command.args(["--listen", &address(port), "--tls-listen", &address(tls_port)]);
    command.arg("--ca-out").arg(at.join("sim-ca.pem")).arg("--config").arg(at.join("sim.toml"));
    command
}

/// The keys as the stand-in's settings: a project each, no quota in the way.
fn sim_keys() -> String {
    let numbered = KEYS.iter().zip(1..);
    let entry = |(key, project)| {
        format!("[[keys]]\nkey = \"{key}\"\nproject = {project}\ntier = \"unmetered\"\n")
    };
    numbered.map(entry).collect()
}

/// An address on loopback.
pub fn address(port: u16) -> String {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string()
}

fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A port that nobody listens on just now.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| e.to_string())?;
    listener.local_addr().map(|address| address.port()).map_err(|e| e.to_string())
}

/// An authority (`ca.pem`) and a certificate by it for localhost (`tls.pem`, `tls.key`).
fn certify(at: &Path) -> Result {
    let extensions = "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n\
                      extendedKeyUsage=serverAuth\nauthorityKeyIdentifier=keyid\n";
    std::fs::write(at.join("tls.ext"), extensions).map_err(|e| e.to_string())?;
    for words in [
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=stage \
         -addext keyUsage=critical,keyCertSign -keyout ca.key -out ca.pem",
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
         -keyout tls.key -out tls.csr",
        "x509 -req -in tls.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile tls.ext \
         -out tls.pem",
    ] {
        if !succeeds(program("openssl").args(words.split_whitespace()).current_dir(at)) {
            return Err(format!("`openssl {words}` failed"));
        }
    }
    Ok(())
}
