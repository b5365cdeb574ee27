//! A stage for real clients: Google's stand-in, and Potluck before it, plain and over TLS, of
//! whichever edition.
//!
//! The rule: everything is fresh for each suite (ports, data folder, keys), listens on loopback
//! alone and is gone when the stage is dropped.

mod server;

use crate::Result;
use crate::shell::{cargo, isolate, program, run, succeeds, target};
use crate::worker::Worker;
pub use server::Server;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

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

/// Which Potluck stands on the stage.
pub enum Edition {
    /// The binary.
    Native,
    /// The Worker in workerd, with its database in a folder.
    Edge(Worker),
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
    upstream: u16,
    plain: u16,
    tls: u16,
}

impl Stage {
    /// Starts all of it.
    pub fn open(edition: &Edition) -> Result<Stage> {
        let folder = TempDir::new().map_err(|e| e.to_string())?;
        let at = folder.path();
        certify(at)?;
        let [sim, upstream, plain, tls] = free_ports()?;
        let ports = Ports { sim, upstream, plain, tls };
        let sim = sim_before(at, &ports)?;
        let plain = edition.serve(at, &ports, false)?;
        let tls = edition.serve(at, &ports, true)?;
        Ok(Stage { ports, plain, _rest: [sim, tls], folder })
    }

    /// Tells a suite where everything is.
    pub fn dress<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let Ports { sim, tls, .. } = self.ports;
        isolate(command)
            .env("SIM_URL", format!("http://127.0.0.1:{sim}"))
            .env("BASE_URL", self.url())
            .env("BASE_URL_TLS", format!("https://localhost:{tls}"))
            .env("CA_FILE", self.folder.path().join("ca.pem"))
            .env("NODE_EXTRA_CA_CERTS", self.folder.path().join("ca.pem"))
            .env("POTLUCK_LOG", self.plain.log())
            .env("POTLUCK_DATA", self.data())
            .env("KEYS", KEYS.join(","))
    }

    /// Where the plain Potluck is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.plain)
    }

    /// Its data.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("plain")
    }

    /// What lets an operator in there.
    pub fn admin_token(&self) -> Result<String> {
        let file = self.data().join("admin-token");
        let read = std::fs::read_to_string(&file);
        read.map(|text| text.trim().to_owned()).map_err(|e| format!("{}: {e}", file.display()))
    }

    /// A folder that goes with the stage.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The end of what Potluck printed.
    pub fn said(&self) -> String {
        self.plain.said()
    }
}

impl Edition {
    /// One Potluck, with data of its own.
    fn serve(&self, at: &Path, ports: &Ports, tls: bool) -> Result<Server> {
        let (port, name) = if tls { (ports.tls, "tls") } else { (ports.plain, "plain") };
        let (data, log) = (at.join(name), at.join(format!("{name}.log")));
        let mut command = match self {
            Edition::Native => potluck(at, ports, port, &data),
            Edition::Edge(worker) => {
                let upstream = format!("http://{}", address(ports.sim));
                worker.serve(&data, &address(port), &upstream)?
            }
        };
        if tls {
            command.arg("--tls-cert").arg(at.join("tls.pem"));
            command.arg("--tls-key").arg(at.join("tls.key"));
        }
        let server = Server::start(&mut command, port, log)?;
        Ok(if matches!(self, Edition::Edge(_)) { server.politely() } else { server })
    }
}

/// The binary, which asks the stand-in over TLS as it asks Google.
fn potluck(at: &Path, ports: &Ports, port: u16, data: &Path) -> Command {
    let mut command = program(built("potluck", "dev"));
    command.args(["serve", "--listen", &address(port), "--data"]).arg(data).current_dir(at);
    command.args(["--upstream", &format!("https://localhost:{}", ports.upstream)]);
    command.arg("--upstream-ca").arg(at.join("sim-ca.pem"));
    command
}

/// Starts the stand-in.
fn sim_before(at: &Path, ports: &Ports) -> Result<Server> {
    std::fs::write(at.join("sim.toml"), sim_keys()).map_err(|e| e.to_string())?;
    let ready = || listens(ports.sim) && listens(ports.upstream) && at.join("sim-ca.pem").exists();
    Server::start_until(&mut sim(at, ports.sim, ports.upstream), ready, at.join("sim.log"))
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

/// Whether somebody listens there.
pub fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A port that nobody listens at.
pub fn free_port() -> Result<u16> {
    free_ports().map(|[port]: [u16; 1]| port)
}

/// Some of them: held together until all are found, as the system may give one twice.
fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| e.to_string())?;
        *port = listener.local_addr().map_err(|e| e.to_string())?.port();
        held.push(listener);
    }
    Ok(ports)
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
