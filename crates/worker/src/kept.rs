//! Room for bodies that are kept for a next attempt.
//!
//! Rule: reserved before it is filled, or refused at once; an isolate has 128 MB for everything.

use std::time::Duration;

use potluck_gemini::answer::{Problem, Reason};

use crate::memory;

/// All bodies kept in an isolate together.
const BUDGET: usize = 32 << 20;
/// The largest body that is kept; a larger one goes with the caller's own key, and streams.
pub const LARGEST: usize = 16 << 20;
/// A key that has proved nothing yet may have this much kept.
pub const UNPROVEN: usize = 1 << 20;
/// Room for a body that does not say how long it is, until it turns out to be longer: most are
/// short, and two that might be of the largest would leave none for anybody.
pub const UNTOLD: usize = 1 << 20;
/// When to come back after the room was full: an answer's head takes some seconds.
const BUSY: Duration = Duration::from_secs(2);

/// Room that is held until this is dropped.
pub struct Room(usize);

impl Room {
    /// Reserves room for a body.
    pub fn reserve(length: usize) -> Result<Room, Problem> {
        memory::with(|memory| {
            let kept = memory.kept.get().saturating_add(length);
            if kept > BUDGET {
                return Err(Problem::new(Reason::Busy).after(BUSY));
            }
            memory.kept.set(kept);
            Ok(Room(length))
        })
    }

    /// Gives back what a body did not need after all.
    pub fn shrink(&mut self, length: usize) {
        let over = self.0.saturating_sub(length);
        self.0 -= over;
        memory::with(|memory| memory.kept.set(memory.kept.get().saturating_sub(over)));
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.shrink(0);
    }
}
