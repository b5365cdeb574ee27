//! The simulator as a library: start it, steer it, ask what it saw.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use crate::{
    catalog::Model,
    config::Config,
    key::{Key, KeyState},
    log::{Arrival, Counters},
    problem::Family,
    quota::Limits,
    rule::{Act, Rule},
    serve,
    tls::{self, Tls},
    world::World,
};

/// A running simulator. It has a thread of its own and stops when dropped. All methods may be
/// called from any thread, inside a runtime or outside.
#[derive(Debug)]
pub struct Sim {
    world: Arc<World>,
    addr: SocketAddr,
    tls_addr: Option<SocketAddr>,
    ca_pem: Option<String>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sim {
    /// Starts a simulator; it accepts connections when this returns.
    ///
    /// # Errors
    /// When it cannot listen there, or cannot write its certificate.
    pub fn start(config: Config) -> io::Result<Self> {
        let plain = listen(config.listen)?;
        let addr = plain.local_addr()?;
        let mut secure = None;
        let (mut tls_addr, mut ca_pem) = (None, None);
        if let Some(at) = config.tls_listen {
            let listener = listen(at)?;
            let Tls { acceptor, ca_pem: pem } = tls::make(&config.tls_names)?;
            if let Some(path) = &config.ca_out {
                std::fs::write(path, &pem)?;
            }
            tls_addr = Some(listener.local_addr()?);
            ca_pem = Some(pem);
            secure = Some((listener, acceptor));
        }
        let world = Arc::new(World::new(config));
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let theirs = Arc::clone(&world);
        let thread = thread::Builder::new().name("gemini-sim".to_owned()).spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    () = serve::run(theirs, plain, secure) => {}
                    _ = stopped => {}
                }
            });
        })?;
        let (stop, thread) = (Some(stop), Some(thread));
        Ok(Self { world, addr, tls_addr, ca_pem, stop, thread })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Where it listens for TLS.
    #[must_use]
    pub fn tls_addr(&self) -> Option<SocketAddr> {
        self.tls_addr
    }

    /// The certificate of the authority that vouches for it.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Adds a key, or puts another in its place.
    pub fn add_key(&self, key: Key) {
        self.world.state().keys.insert(key.key.clone(), key);
    }

    /// Removes a key: from now on it is unknown.
    pub fn remove_key(&self, key: &str) -> bool {
        self.world.state().keys.remove(key).is_some()
    }

    /// Changes a key's state. False when there is no such key.
    pub fn set_state(&self, key: &str, state: KeyState) -> bool {
        let mut world = self.world.state();
        let Some(key) = world.keys.get_mut(key) else { return false };
        key.state = state;
        true
    }

    /// Adds a model, or puts another in its place.
    pub fn add_model(&self, model: Model) {
        let mut world = self.world.state();
        world.models.retain(|known| known.name != model.name);
        world.models.push(model);
    }

    /// Sets what a project may spend on generating with a model.
    pub fn set_limits(&self, project: u64, model: &str, limits: Limits) {
        self.set_limits_of(project, model, Family::Generate, limits);
    }

    /// Sets what a project may spend on one kind of calls of a model.
    pub fn set_limits_of(&self, project: u64, model: &str, family: Family, limits: Limits) {
        self.world.state().set_limits(project, model, family, limits);
    }

    /// Forgets what was spent, everywhere.
    pub fn refill(&self) {
        self.world.state().refill();
    }

    /// Lets time pass for quotas and files, at once.
    pub fn advance(&self, time: Duration) {
        self.world.advance(time);
    }

    /// The simulator's time, Unix milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.world.now_ms()
    }

    /// Adds a rule: an answer by script, or a fault. The number removes it.
    pub fn rule(&self, rule: Rule) -> u64 {
        self.world.state().rules.add(rule)
    }

    /// The next calls get that recorded error.
    pub fn next_sample(&self, times: u64, name: &str) -> u64 {
        self.rule(Rule::next(times, Act::Sample(name.to_owned())))
    }

    /// Removes a rule.
    pub fn remove_rule(&self, id: u64) -> bool {
        self.world.state().rules.remove(id)
    }

    /// Removes all rules.
    pub fn clear_rules(&self) {
        self.world.state().rules.clear();
    }

    /// What arrived, as far as it is kept.
    #[must_use]
    pub fn log(&self) -> Vec<Arrival> {
        self.world.state().log.since(0)
    }

    /// The last arrival.
    #[must_use]
    pub fn last(&self) -> Option<Arrival> {
        self.log().pop()
    }

    /// Sums over everything that arrived.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.world.state().log.counters().clone()
    }

    /// Forgets what arrived.
    pub fn clear_log(&self) {
        self.world.state().log.clear();
    }

    /// As configured again: no rules, nothing spent, nothing stored, nothing logged.
    pub fn reset(&self) {
        self.world.reset();
    }

    /// Waits (blocking) until the counters satisfy a test. False when they do not in that time.
    pub fn wait_until(&self, time: Duration, test: impl Fn(&Counters) -> bool) -> bool {
        let end = Instant::now() + time;
        loop {
            if test(self.world.state().log.counters()) {
                return true;
            }
            if Instant::now() >= end {
                return false;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(at)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
