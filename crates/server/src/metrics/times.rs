//! How long calls take, and how much of it is ours.

use std::time::{Duration, Instant};

use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// What is measured of calls that Google answers.
#[derive(Debug)]
pub struct Times {
    head: Histogram,
    first_byte: Histogram,
    added: Histogram,
}

impl Default for Times {
    fn default() -> Times {
        Times {
            head: Histogram::new(ANSWERS),
            first_byte: Histogram::new(ANSWERS),
            added: Histogram::new(OURS),
        }
    }
}

impl Times {
    /// A head is there.
    pub fn head(&self, watch: &Stopwatch) {
        let all = watch.began.elapsed();
        self.head.observe(all.as_secs_f64());
        self.added.observe(all.saturating_sub(watch.elsewhere).as_secs_f64());
    }

    /// The first byte of a body goes out.
    pub fn first_byte(&self, began: Instant) {
        self.first_byte.observe(began.elapsed().as_secs_f64());
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let mut add = |name: &str, help: &str, times: &Histogram| {
            registry.register_with_unit(name, help, Unit::Seconds, times.clone());
        };
        add("head", "From a call that was read to its answer's head", &self.head);
        add("first_byte", "From a call that was read to its answer's first byte", &self.first_byte);
        add("added", "What of the way to the head was neither Google's nor waiting", &self.added);
    }
}

/// A call's time so far, and what of it was spent waiting for others.
#[derive(Debug)]
pub struct Stopwatch {
    began: Instant,
    elsewhere: Duration,
}

impl Stopwatch {
    /// Begins now.
    pub fn start() -> Stopwatch {
        Stopwatch { began: Instant::now(), elsewhere: Duration::ZERO }
    }

    /// When it began.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// Waits for something that is not ours.
    pub async fn pausing<T>(&mut self, other: impl Future<Output = T>) -> T {
        let paused = Instant::now();
        let done = other.await;
        self.elsewhere += paused.elapsed();
        done
    }
}

/// In seconds: short answers take some tenths, long ones minutes.
const ANSWERS: [f64; 11] = [0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 180.0];
/// In seconds: some tens of microseconds, unless something is wrong.
const OURS: [f64; 10] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.01, 0.05, 0.25, 1.0];
