//! The two clocks, read in one place.
//!
//! Rule: the pool is told the time and never asks; what it wants waited for comes back through
//! here. A call looks at one clock: the time of day is reckoned from it, and set right once a turn
//! of the background's.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use potluck_core::{Mono, Now, Wall};
use tokio::time::Instant;

/// Counts from the moment it is made.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
    /// The time of day at the start, in milliseconds since 1970, as the system sees it now.
    day: AtomicI64,
}

impl Clock {
    /// Starts counting.
    pub fn start() -> Clock {
        Clock { start: Instant::now(), day: wall().0.into() }
    }

    /// Now, for the pool.
    pub fn now(&self) -> Now {
        let mono = self.mono();
        let since = i64::try_from(mono.0).unwrap_or(i64::MAX);
        Now { mono, wall: Wall(self.day.load(Relaxed).saturating_add(since)) }
    }

    /// When it was started, as the system sees it now.
    pub fn started(&self) -> Wall {
        Wall(self.day.load(Relaxed))
    }

    /// Follows the system's time of day, should it have been set or corrected.
    pub fn set_right(&self) {
        let since = i64::try_from(self.mono().0).unwrap_or(i64::MAX);
        self.day.store(wall().0.saturating_sub(since), Relaxed);
    }

    /// The moment that the pool means.
    pub fn instant(&self, at: Mono) -> Instant {
        self.start + Duration::from_millis(at.0)
    }

    fn mono(&self) -> Mono {
        Mono(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

/// The time of day; before 1970 only on a machine whose clock is unset, which then counts as 1970.
pub fn wall() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
