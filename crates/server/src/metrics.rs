//! What operators read at `/metrics`.
//!
//! Rule: label values come from tables in the code, never from a request; what the pool counts is
//! read from the pool at that moment, so that no number has two homes. Every number is described in
//! `docs/metrics.md`.

mod times;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use http::StatusCode;
use potluck_edition::numbers::{self, count, counts, gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::app::App;
pub use times::{Stopwatch, Times};

/// What is counted outside the pool.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Answers by the first digit of their status.
    answers: [AtomicU64; 6],
    broken_streams: AtomicU64,
    panics: AtomicU64,
    /// Bytes of bodies: taken from callers, passed to them.
    bytes: [AtomicU64; 2],
    waiting: AtomicI64,
    store_failures: AtomicU64,
    /// Probes: with an answer, and without.
    probes: [AtomicU64; 2],
    /// How long calls take.
    pub times: Times,
}

impl Metrics {
    /// An answer's head goes out.
    pub fn answered(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).min(self.answers.len() - 1);
        self.answers[class].fetch_add(1, Relaxed);
    }

    /// A stream broke behind its head.
    pub fn broke(&self) {
        self.broken_streams.fetch_add(1, Relaxed);
    }

    /// A request ran into a fault of ours.
    pub fn panicked(&self) {
        self.panics.fetch_add(1, Relaxed);
    }

    /// A body was read whole.
    pub fn took(&self, bytes: usize) {
        self.bytes[0].fetch_add(bytes as u64, Relaxed);
    }

    /// So much of an answer went to its caller.
    pub fn passed(&self, bytes: u64) {
        self.bytes[1].fetch_add(bytes, Relaxed);
    }

    /// The store did not do what it was asked.
    pub fn store_failed(&self) {
        self.store_failures.fetch_add(1, Relaxed);
    }

    /// How often the store did not do what it was asked.
    pub fn store_failures(&self) -> u64 {
        self.store_failures.load(Relaxed)
    }

    /// A probe is over.
    pub fn probed(&self, answered: bool) {
        self.probes[usize::from(!answered)].fetch_add(1, Relaxed);
    }

    /// A call waits for a key for as long as this is kept.
    pub fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Relaxed);
        Waiting(&self.waiting)
    }

    /// Requests that ran into a fault of ours.
    #[cfg(test)]
    pub fn panics(&self) -> u64 {
        self.panics.load(Relaxed)
    }

    /// Everything, as OpenMetrics text.
    pub fn text(&self, app: &App) -> String {
        let pool = numbers::told(&app.pools.metrics());
        let mut registry = numbers::registry();
        self.register(&mut registry);
        numbers::register(&mut registry, &pool);
        register_app(&mut registry, app);
        numbers::text(&registry)
    }

    fn register(&self, registry: &mut Registry) {
        let load = |number: &AtomicU64| number.load(Relaxed);
        let classes = self.answers.iter().zip(CLASSES).skip(1);
        let answers: Vec<_> = classes.map(|(n, class)| (class, load(n))).collect();
        counts(registry, "answers", "Answers by class of status", &answers);
        count(registry, "broken_streams", "Streams told as broken", load(&self.broken_streams));
        count(registry, "panics", "Requests that met a fault of ours", load(&self.panics));
        let bytes = [("taken", load(&self.bytes[0])), ("passed", load(&self.bytes[1]))];
        counts(registry, "body_bytes", "Bytes of bodies read whole, and of answers passed", &bytes);
        let waiting = u64::try_from(self.waiting.load(Relaxed)).unwrap_or(0);
        gauge(registry, "calls_waiting", "Calls that wait for a key", waiting);
        let failures = load(&self.store_failures);
        count(registry, "store_failures", "Requests that the store did not fulfil", failures);
        let probes = [("answered", load(&self.probes[0])), ("unanswered", load(&self.probes[1]))];
        counts(registry, "probes", "Questions whether a key lives", &probes);
        self.times.register(registry);
    }
}

/// A call that waits.
pub struct Waiting<'m>(&'m AtomicI64);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

const CLASSES: [&str; 6] = ["other", "1xx", "2xx", "3xx", "4xx", "5xx"];

fn register_app(registry: &mut Registry, app: &App) {
    let connections = app.shutdown.open() as u64;
    gauge(registry, "connections_open", "Callers' connections", connections);
    let kept = app.kept.held() as u64;
    gauge(registry, "kept_bytes", "Bytes of bodies kept for a next attempt", kept);
    let healthy = u64::from(app.store.healthy());
    gauge(registry, "store_healthy", "1 while the store can be trusted", healthy);
    let queued = app.store.queued() as u64;
    gauge(registry, "store_queued", "Requests that wait for the store", queued);
    let started = u64::try_from(app.clock.started().0 / 1000).unwrap_or(0);
    gauge(registry, "start_time_seconds", "When the process began, in Unix time", started);
    let info = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "What is running", info);
}
