//! From settings to a server that answers, and back to nothing.
//!
//! Order at the start: the data, the pool out of it, the way to Google, the socket, the workers. At
//! a stop: drain, write what is unwritten, close the data.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use potluck_core::invites::Invites;
use potluck_core::tokens::Tokens;
use potluck_core::{Config, KeyId, Pool, Tombstone};
use potluck_edition::admission;
use potluck_edition::gate::Gate;
use potluck_edition::ids::RequestIds;
use potluck_edition::rows;
use potluck_store::{AdmissionStore, OpenError, SqliteStore, Store, StoreError};
use potluck_vault::Vault;
use tokio::runtime::{Builder, Runtime};

use crate::app::{App, Hand};
use crate::clock::{self, Clock};
use crate::kept::Budget;
use crate::lent::Lent;
use crate::metrics::Metrics;
use crate::pools::{PartNumber, Pools, home};
use crate::settings::{Secrets, Settings, Webhook};
use crate::traces::Traces;
use crate::transport::listen::{Door, Limits as DoorLimits, bind, serve};
use crate::transport::tls::{self, TlsError};
use crate::transport::upstream::ConfigError;
use crate::transport::{Shutdown, Upstream, UpstreamConfig, Workers};
use crate::{background, handle, webhook};

/// A server that runs.
pub struct Server {
    addr: SocketAddr,
    shutdown: Shutdown,
    keys: usize,
    /// Gone once somebody has waited for it.
    thread: Mutex<Option<JoinHandle<Result<(), StopError>>>>,
}

/// Why a server did not start. Each is a sentence for whoever starts it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The socket.
    #[error("Cannot listen on {address}: {error}. Choose another address with --listen.")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// The data.
    #[error(transparent)]
    Data(#[from] OpenError),
    /// The data, while it was read.
    #[error("The data cannot be read: {0}.")]
    Load(#[from] StoreError),
    /// The certificate of the upstream's authority.
    #[error("The file {} cannot be read: {error}.", path.display())]
    UpstreamCa {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The way to Google.
    #[error("The upstream cannot be used: {0}.")]
    Upstream(#[from] ConfigError),
    /// Our own certificate.
    #[error("TLS cannot be served: {0}.")]
    Tls(#[from] TlsError),
    /// Where traces go.
    #[error("Traces cannot be sent: {0}.")]
    Traces(String),
    /// Threads, timers or randomness.
    #[error("The system refuses what is needed to run: {0}.")]
    System(io::Error),
}

/// Why a stop was not clean.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// The socket failed.
    #[error("The server stopped: {0}.")]
    Serve(#[from] io::Error),
    /// What was unwritten could not be written.
    #[error("The data could not be closed: {0}.")]
    Close(#[from] StoreError),
    /// A fault of ours.
    #[error("The server ended by a fault of its own.")]
    Panicked,
}

impl Server {
    /// Starts, and returns once callers can connect.
    pub fn start(settings: Settings, secrets: Secrets) -> Result<Server, StartError> {
        let vault = Vault::with_older(&secrets.master_key, &secrets.older_keys);
        let store = Arc::new(SqliteStore::open(&settings.data, &vault)?);
        let upstream = upstream(&settings)?;
        let door = door(&settings)?;
        let addr = door.listener.local_addr().map_err(StartError::System)?;
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(StartError::System)?;
        let (pools, stones, seed) = runtime.block_on(hydrate(&*store, &vault, &settings))?;
        let (tokens, invites) = runtime.block_on(admissions(&*store))?;
        let workers = Workers::start(settings.threads).map_err(StartError::System)?;
        let shutdown = Shutdown::new();
        let keys = pools.key_count();
        let hook = settings.webhook.clone().zip(secrets.webhook);
        let hook = hook.map(|(url, secret)| webhook::queue(Webhook { url, secret }));
        let (queue, sending) = hook.unzip();
        sending.into_iter().for_each(|sending| drop(runtime.spawn(sending)));
        let traces = settings.otlp.as_ref().map(Traces::to).transpose();
        let traces = traces.map_err(StartError::Traces)?;
        let app = Arc::new(App {
            admin_token: secrets.admin_token,
            pools,
            gate: Gate::of(seed).into(),
            sessions: Default::default(),
            turns: Default::default(),
            alarms: Default::default(),
            erasures: Default::default(),
            stones,
            traces,
            webhook: queue,
            vault,
            tokens: tokens.into(),
            invites: invites.into(),
            seals: store.clone(),
            store,
            renewal: secrets.renewal,
            rekeying: Default::default(),
            clock: Clock::start(),
            seed,
            ids: RequestIds::new((seed >> 32) as u32),
            kept: Budget::new(settings.limits.kept_bodies),
            metrics: Metrics::default(),
            shutdown: shutdown.clone(),
            settings,
        });
        let hand = Hand { app, upstream };
        let thread = std::thread::Builder::new()
            .name("potluck".to_owned())
            .spawn(move || run(&runtime, door, &workers, hand))
            .map_err(StartError::System)?;
        Ok(Server { addr, shutdown, keys, thread: Mutex::new(Some(thread)) })
    }

    /// Where callers connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Keys that were at the table when it started.
    pub fn keys(&self) -> usize {
        self.keys
    }

    /// Begins to stop: what runs may finish.
    pub fn begin_drain(&self) {
        self.shutdown.begin();
    }

    /// Stops at once.
    pub fn cut(&self) {
        self.shutdown.cut();
    }

    /// Waits until it has stopped and everything is on the disk. Only the first to ask waits.
    pub fn wait(&self) -> Result<(), StopError> {
        let thread = self.thread.lock().take();
        thread.map_or(Ok(()), |thread| thread.join().unwrap_or(Err(StopError::Panicked)))
    }
}

/// The way to Google.
pub(crate) fn upstream(
    settings: &Settings,
) -> Result<Upstream<crate::sending::Sending>, StartError> {
    let extra_ca = match &settings.upstream_ca {
        Some(path) => Some(
            std::fs::read(path)
                .map_err(|error| StartError::UpstreamCa { path: path.clone(), error })?,
        ),
        None => None,
    };
    Ok(Upstream::new(UpstreamConfig {
        origin: settings.upstream.clone(),
        extra_ca,
        egress: settings.egress.clone(),
        connect_timeout: settings.limits.connect,
        idle_stream: settings.limits.idle_stream,
    })?)
}

fn door(settings: &Settings) -> Result<Door, StartError> {
    let address = settings.listen;
    let tls = match &settings.tls {
        Some(files) => Some(tls::server(&files.cert, &files.key)?),
        None => None,
    };
    let limits = DoorLimits {
        stuck: settings.limits.idle_stream,
        connections: settings.limits.connections,
        connections_per_address: settings.limits.connections_per_address,
        grace: settings.limits.drain,
        ..DoorLimits::default()
    };
    let listener = bind(address).map_err(|error| StartError::Listen { address, error })?;
    Ok(Door { listener, tls, limits, trusted: settings.trusted_proxies.clone() })
}

/// The pool out of the store, each key in its part, and a seed nobody can foresee.
async fn hydrate(
    store: &dyn Store,
    vault: &Vault,
    settings: &Settings,
) -> Result<(Pools, HashSet<[u8; 16]>, u64), StartError> {
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).map_err(|error| StartError::System(io::Error::other(error)))?;
    let seed = u64::from_le_bytes(seed);
    let (max_wait, parts) = (settings.limits.wait, settings.parts);
    let config = Config { max_wait, parts, ..Config::default() };
    let part = |number: PartNumber| Pool::new(config.clone(), seed.wrapping_add(number.into()));
    let mut pools: Vec<Pool<Lent>> = (0..parts.max(1)).map(part).collect();
    let clock = Clock::start();
    let day_end = potluck_core::next_midnight(clock::wall());
    let snapshot = store.load(rows::day_ending(day_end)).await?;
    for stone in &snapshot.tombstones {
        pools.iter_mut().for_each(|pool| pool.restore_tombstone(Tombstone(stone.id)));
    }
    for id in &snapshot.barred {
        pools.iter_mut().for_each(|pool| pool.restore_barred(Tombstone(*id)));
    }
    for (pool, number) in pools.iter_mut().zip(0..) {
        rows::restore_quotas(pool, &snapshot, number, clock.now());
    }
    let found = rows::Found::of(&snapshot);
    for row in &snapshot.keys {
        let key = match vault.open(&row.id, &row.sealed) {
            Ok(key) => key,
            Err(error) => {
                tracing::error!(id = %KeyId(row.id), %error, "a stored key cannot be opened");
                continue;
            }
        };
        let record = found.record(row, day_end);
        let home = usize::from(home(record.id, parts));
        pools[home].restore(record, Lent::of(&key), clock.now());
    }
    let stones = snapshot.tombstones.iter().map(|stone| stone.id);
    let stones = stones.filter(|_| vault.has_older()).collect();
    Ok((Pools::new(pools), stones, seed))
}

/// Who may come without a key, and with one that nobody knows.
async fn admissions(store: &dyn AdmissionStore) -> Result<(Tokens, Invites), StartError> {
    let stored = store.load_admissions().await?;
    let (mut tokens, mut invites) = (Tokens::default(), Invites::default());
    for row in stored.tokens {
        tokens.add(admission::rows::stored_token(row));
    }
    for row in stored.invites {
        invites.add(admission::rows::stored_invite(row));
    }
    Ok((tokens, invites))
}

/// Serves until it is told to stop, then leaves everything on the disk.
fn run(runtime: &Runtime, door: Door, workers: &Workers, hand: Hand) -> Result<(), StopError> {
    runtime.block_on(async {
        let shutdown = hand.app.shutdown.clone();
        let make = |worker| {
            let hand = Hand { app: hand.app.clone(), upstream: hand.upstream.sibling() };
            if let Some(runtime) = workers.runtime(worker) {
                runtime.spawn(hand.upstream.clone().keep_swept());
            }
            let hand = Arc::new(hand);
            move |request, peer| handle::handle(hand.clone(), request, peer)
        };
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let beside = tokio::spawn(background::run(hand.clone(), stopped));
        let served = serve(door, workers, make, shutdown).await;
        // Fails only if the task has ended by itself, which is told below.
        let _ = stop.send(());
        let written = beside.await;
        hand.app.store.close().await?;
        hand.app.traces.iter().for_each(Traces::end);
        served?;
        written.map_err(|_| StopError::Panicked)
    })
}
