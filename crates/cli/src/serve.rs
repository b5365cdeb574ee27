//! `potluck serve`: start, tell people where it is, and end when told to.

use std::sync::Arc;
use std::thread;

use clap::ArgMatches;
use potluck_server::Server;
use potluck_server::settings::Settings;
use potluck_store::SqliteStore;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;
use crate::layers::{Env, Layered};
use crate::settings::{doubts, reachable, settle};
use crate::{config_file, harden, layers, logs, secrets};

/// Runs until a signal ends it.
pub fn serve(matches: &ArgMatches, env: &Env) -> Result<(), Failure> {
    let layered = read_settings(matches, env)?;
    let settings = settle(&layered, env)?;
    logs::start(&layered.flags.log, layered.flags.log_format);
    harden::forbid_dumps();
    let warnings = doubts(&settings, env);
    let files = harden::open_files(settings.limits.connections);
    warnings.into_iter().chain(files).for_each(warn);
    let secrets = find_secrets(env, &settings)?;
    // Before the start: as process 1 of a container an unheard signal would be lost.
    let signals = Signals::listen()
        .map_err(|e| Failure::Run(format!("The system lets no signal be heard: {e}.")))?;
    let server = Server::start(settings.clone(), secrets);
    let server = Arc::new(server.map_err(|error| Failure::Run(error.to_string()))?);
    announce(&server, &settings);
    greet(&server, &settings);
    signals.obey(Arc::clone(&server));
    server.wait().map_err(|error| Failure::Run(error.to_string()))?;
    tracing::info!(target: "potluck", "stopped");
    Ok(())
}

/// Flags, environment and file as one, for every command that needs settings.
pub fn read_settings(matches: &ArgMatches, env: &Env) -> Result<Layered, Failure> {
    let named = matches.get_one("config").cloned().or_else(|| {
        let variable = crate::flags::variable("config");
        env.var(&variable).map(std::path::PathBuf::from)
    });
    let file = config_file::read(named.as_deref());
    // A file that cannot be read must not hide what is wrong with the flags.
    match (layers::lay(matches, env, file.as_ref().ok().and_then(Option::as_ref)), file) {
        (Ok(layered), Ok(_)) => Ok(layered),
        (Ok(_), Err(faults)) | (Err(faults), Ok(_)) => Err(faults.into()),
        (Err(more), Err(faults)) => Err([faults, more].concat().into()),
    }
}

fn find_secrets(
    env: &Env,
    settings: &Settings,
) -> Result<potluck_server::settings::Secrets, Failure> {
    let found = secrets::find(env, &settings.data)?;
    if settings.webhook.is_some() && found.secrets.webhook.is_none() {
        return Err(Failure::setting(
            "--webhook: alarms are signed; set POTLUCK_WEBHOOK_SECRET or POTLUCK_WEBHOOK_SECRET_FILE",
        ));
    }
    found.doubts.into_iter().for_each(warn);
    for (kind, path) in found.made {
        let (what, path) = (kind.words(), path.display());
        tracing::info!(target: "potluck", "made the {what}: it is in {path}");
    }
    Ok(found.secrets)
}

fn warn(doubt: String) {
    tracing::warn!(target: "potluck", "{doubt}");
}

/// Lets commands on this machine find it.
fn announce(server: &Server, settings: &Settings) {
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let address = format!("{scheme}://{}", reachable(server.addr()));
    if let Err(error) = SqliteStore::announce(&settings.data, &address) {
        warn(format!("commands will need --server {address}: {error}"));
    }
}

/// Where it is and how to use it: all that somebody needs who sees it start for the first time.
fn greet(server: &Server, settings: &Settings) {
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let base = match &settings.public_url {
        Some(url) if url.https => format!("https://{}", url.authority),
        Some(url) => format!("http://{}", url.authority),
        None => format!("{scheme}://{}", reachable(server.addr())),
    };
    let data = settings.data.display();
    let upstream = settings.upstream.to_string();
    let upstream = upstream.trim_end_matches('/');
    tracing::info!(target: "potluck", "listening on {}, data in {data}", server.addr());
    tracing::info!(target: "potluck", "asking {upstream}, egress {:?}", settings.egress);
    tracing::info!(target: "potluck", "base URL for Gemini SDKs: {base}");
    tracing::info!(target: "potluck", "base URL for OpenAI SDKs: {base}/v1");
}

/// The signals that end the server, listened for from the moment this exists.
struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let entered = runtime.enter();
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        drop(entered);
        Ok(Signals { runtime, terminate, interrupt })
    }

    /// The first signal drains, the second cuts. The thread ends with the process.
    fn obey(mut self, server: Arc<Server>) {
        thread::spawn(move || {
            self.wait();
            tracing::info!(target: "potluck", "draining; a second signal cuts what still runs");
            server.begin_drain();
            self.wait();
            tracing::warn!(target: "potluck", "cutting what still runs");
            server.cut();
        });
    }

    fn wait(&mut self) {
        let Signals { runtime, terminate, interrupt } = self;
        runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => (),
                _ = interrupt.recv() => (),
            }
        });
    }
}
