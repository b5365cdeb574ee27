//! What operators read at `/metrics`.
//!
//! Rule: label values come from tables in the code, never from a request; what the pool counts is
//! read from the pool at that moment, so that no number has two homes.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use http::StatusCode;
use potluck_edition::numbers::{self, count, counts, gauge};
use prometheus_client::registry::Registry;

use crate::app::App;

/// What is counted outside the pool.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Answers by the first digit of their status.
    answers: [AtomicU64; 6],
    broken_streams: AtomicU64,
    panics: AtomicU64,
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
        let classes = self.answers.iter().zip(CLASSES).skip(1);
        let answers: Vec<_> = classes.map(|(n, class)| (class, n.load(Relaxed))).collect();
        counts(registry, "answers", "Answers by class of status", &answers);
        count(
            registry,
            "broken_streams",
            "Streams told as broken",
            self.broken_streams.load(Relaxed),
        );
        count(registry, "panics", "Requests that met a fault of ours", self.panics.load(Relaxed));
    }
}

const CLASSES: [&str; 6] = ["other", "1xx", "2xx", "3xx", "4xx", "5xx"];

fn register_app(registry: &mut Registry, app: &App) {
    let connections = app.shutdown.open() as u64;
    gauge(registry, "connections_open", "Callers' connections", connections);
    gauge(
        registry,
        "kept_bytes",
        "Bytes of bodies kept for a next attempt",
        app.kept.held() as u64,
    );
    let healthy = u64::from(app.store.healthy());
    gauge(registry, "store_healthy", "1 while the store can be trusted", healthy);
}
