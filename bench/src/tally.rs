//! What was measured, and how it is told.

use serde::Serialize;
use std::io::{Error, Write};
use std::time::Duration;

/// Counts and times of one run.
#[derive(Default)]
pub struct Tally {
    /// Calls answered whole.
    pub done: u64,
    /// Calls not answered, or not whole.
    pub failed: u64,
    /// Bytes of one answer's body; the same for all that count as done.
    pub bytes: usize,
    /// Each call's (or event's) time.
    pub times: Vec<Duration>,
    /// How long the run took.
    pub took: Duration,
}

#[derive(Serialize)]
struct Line {
    done: u64,
    failed: u64,
    bytes: usize,
    per_second: f64,
    p50_us: f64,
    p99_us: f64,
}

impl Tally {
    /// Adds what another connection counted.
    pub fn add(&mut self, other: Tally) {
        self.done += other.done;
        self.failed += other.failed;
        self.bytes = self.bytes.max(other.bytes);
        self.times.extend(other.times);
    }

    /// Prints it as one line of JSON.
    pub fn print(mut self) {
        self.times.sort_unstable();
        let line = Line {
            done: self.done,
            failed: self.failed,
            bytes: self.bytes,
            per_second: self.done as f64 / self.took.as_secs_f64(),
            p50_us: self.percentile(50),
            p99_us: self.percentile(99),
        };
        if let Ok(text) = serde_json::to_string(&line) {
            let _ = writeln!(std::io::stdout(), "{text}");
        }
    }

    fn percentile(&self, percent: usize) -> f64 {
        let at = (self.times.len() * percent / 100).min(self.times.len().saturating_sub(1));
        self.times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e6)
    }
}

/// Says why nothing was measured.
pub fn complain(why: &Error) {
    let _ = writeln!(std::io::stderr(), "potluck-bench: {why}");
}
