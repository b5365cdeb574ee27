//! What the present minute has room for.

use crate::time::Mono;

/// Calls of the last minute, all of them and those that were entitled.
#[derive(Debug, Default)]
pub(super) struct Pace {
    sent: Minute,
    came: Minute,
    /// The most entitled calls in a minute, forgotten within a quarter of an hour.
    busiest: f32,
    as_of: Mono,
}

impl Pace {
    pub(super) fn sends(&mut self, now: Mono) {
        self.sent.add(now);
    }

    pub(super) fn sent(&mut self, now: Mono) -> u64 {
        self.sent.sum(now)
    }

    pub(super) fn came(&mut self, now: Mono) {
        self.came.add(now);
        let minute = self.came.sum(now) as f32;
        self.busiest = minute.max(self.fade(now));
        self.as_of = now;
    }

    /// Entitled calls that a busy minute brings beyond those it has brought.
    pub(super) fn coming(&mut self, now: Mono) -> u64 {
        let came = self.came.sum(now) as f32;
        let busy = came.max(self.fade(now));
        (busy - came + MINUTE_SAFETY * busy.sqrt()) as u64
    }

    fn fade(&self, now: Mono) -> f32 {
        if now == self.as_of {
            return self.busiest;
        }
        let minutes = now.since(self.as_of).as_secs_f32() / 60.0;
        self.busiest * PEAK_FADES.powf(minutes)
    }
}

/// How many in the last minute, by the second.
#[derive(Debug)]
struct Minute {
    seconds: [u32; SECONDS],
    sum: u64,
    second: u64,
}

impl Default for Minute {
    fn default() -> Self {
        Minute { seconds: [0; SECONDS], sum: 0, second: 0 }
    }
}

impl Minute {
    fn add(&mut self, now: Mono) {
        self.turn(now);
        self.seconds[self.second as usize % SECONDS] += 1;
        self.sum += 1;
    }

    fn sum(&mut self, now: Mono) -> u64 {
        self.turn(now);
        self.sum
    }

    fn turn(&mut self, now: Mono) {
        let second = now.0 / 1000;
        for passed in 0..second.saturating_sub(self.second).min(SECONDS as u64) {
            let place = (second - passed) as usize % SECONDS;
            self.sum -= u64::from(std::mem::take(&mut self.seconds[place]));
        }
        self.second = self.second.max(second);
    }
}

/// Seconds looked back on for what a minute has room for.
const SECONDS: usize = 61;
/// What of a busy minute is expected a minute later.
const PEAK_FADES: f32 = 0.5;
/// A minute is provided for with so many standard deviations.
const MINUTE_SAFETY: f32 = 1.0;
