//! Time as the pool knows it, out of the one clock that the platform has.
//!
//! Rule: both readings are the milliseconds of that clock. The one for waiting never goes back:
//! while the clock is behind what it showed before, it stands still. So a moment for waiting is a
//! time of day as well, and an alarm can be set for it.

use std::cell::Cell;

use potluck_core::{Mono, Now, Wall};

/// The latest that was read.
#[derive(Debug, Default)]
pub struct Clock(Cell<u64>);

impl Clock {
    /// What the pool is told while the platform's clock shows these milliseconds since 1970.
    pub fn at(&self, shown: u64) -> Now {
        self.0.set(shown.max(self.0.get()));
        Now { mono: Mono(self.0.get()), wall: Wall(i64::try_from(shown).unwrap_or(i64::MAX)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_never_goes_back_and_the_time_of_day_is_as_shown() {
        let clock = Clock::default();
        assert_eq!(clock.at(5_000), Now { mono: Mono(5_000), wall: Wall(5_000) });
        assert_eq!(clock.at(4_000), Now { mono: Mono(5_000), wall: Wall(4_000) });
        assert_eq!(clock.at(6_000), Now { mono: Mono(6_000), wall: Wall(6_000) });
    }
}
