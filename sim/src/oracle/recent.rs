//! Calls of the last minute: what of them leaves it soon.

use std::collections::VecDeque;

use crate::world::Ms;

/// When calls were served in the last minute, and of which projects.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent(VecDeque<(Ms, usize)>);

impl Recent {
    pub(super) fn served(&mut self, project: usize, now: Ms) {
        self.0.push_back((now, project));
        while self.0.front().is_some_and(|(at, _)| *at + MINUTE <= now) {
            self.0.pop_front();
        }
    }

    /// Calls that leave the minute within so long.
    pub(super) fn within(&self, ahead: Ms, now: Ms) -> impl ExactSizeIterator<Item = &(Ms, usize)> {
        self.0.range(self.gone(now)..self.gone(now + ahead))
    }

    /// Calls that are in the minute still, so long from now.
    pub(super) fn left(&self, ahead: Ms, now: Ms) -> usize {
        self.0.len() - self.gone(now + ahead)
    }

    fn gone(&self, now: Ms) -> usize {
        self.0.partition_point(|(at, _)| *at + MINUTE <= now)
    }
}

const MINUTE: Ms = 60_000;
