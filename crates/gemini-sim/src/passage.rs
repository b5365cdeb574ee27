//! One request's way through the simulator: whatever becomes of it, the log learns.

use std::sync::Arc;

use crate::world::World;

/// Held as long as a request is not answered. Dropped before [`Passage::done`], it reports that
/// the caller left.
#[derive(Debug)]
pub struct Passage {
    world: Arc<World>,
    id: u64,
    done: bool,
}

impl Passage {
    /// The way of the arrival with that number.
    #[must_use]
    pub fn new(world: Arc<World>, id: u64) -> Self {
        Self { world, id, done: false }
    }

    /// The arrival's number.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The answer is out.
    pub fn done(mut self) {
        self.done = true;
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        self.world.ended(self.id, !self.done);
    }
}
