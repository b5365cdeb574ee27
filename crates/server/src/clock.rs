//! The two clocks, read in one place.
//!
//! Rule: the pool is told the time and never asks; what it wants waited for comes back through
//! here.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use potluck_core::{Mono, Now, Wall};
use tokio::time::Instant;

/// Counts from the moment it is made.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts counting.
    pub fn start() -> Clock {
        Clock { start: Instant::now() }
    }

    /// Now, for the pool.
    pub fn now(self) -> Now {
        Now { mono: self.mono(), wall: wall() }
    }

    /// The moment that the pool means.
    pub fn instant(self, at: Mono) -> Instant {
        self.start + Duration::from_millis(at.0)
    }

    fn mono(self) -> Mono {
        Mono(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

/// The time of day; before 1970 only on a machine whose clock is unset, which then counts as 1970.
pub fn wall() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
