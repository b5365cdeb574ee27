//! What was spent in the last minute.
//!
//! Google does not say how it counts minutes. The strictest way is the sixty seconds that end now,
//! and who keeps within those keeps within any other. A second's spending is one cell, and leaves
//! as a whole a minute after the last of it, and a little later still, for one call is longer under
//! way than another. Only seconds in which something was spent take room, sixty-two at most.

use std::time::Duration;

use crate::time::Mono;

/// Requests and tokens of the last minute.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    /// Room for cells, of which so many are held. A list of the usual kind would be half as large
    /// again, and most keys have one cell.
    room: Option<Box<[Cell]>>,
    held: u8,
    /// The newest cell's second, whole.
    newest: u32,
    requests: u32,
    tokens: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cell {
    /// The lower bits of the second: cells are at most a minute apart.
    second: u16,
    /// When in that second something was spent last, in milliseconds.
    last: u16,
    requests: u16,
    tokens: u32,
}

impl Window {
    /// Nothing spent.
    pub(crate) const EMPTY: Window =
        Window { room: None, held: 0, newest: 0, requests: 0, tokens: 0 };

    pub(crate) fn requests(&self) -> u32 {
        self.requests
    }

    #[cfg(test)]
    fn tokens(&self) -> u32 {
        self.tokens
    }

    /// Counts what is spent now.
    pub(crate) fn add(&mut self, requests: u16, tokens: u32, now: Mono) {
        self.turn(now);
        // Two callers may have read the clock in another order than they come here.
        let second = second(now).max(self.newest);
        self.requests += u32::from(requests);
        self.tokens = self.tokens.saturating_add(tokens);
        match self.cells_mut().last_mut() {
            Some(cell) if cell.second == second as u16 => {
                cell.requests = cell.requests.saturating_add(requests);
                cell.tokens = cell.tokens.saturating_add(tokens);
                cell.last = cell.last.max(within(now));
            }
            _ => {
                let (second, last) = (second as u16, within(now));
                self.push(Cell { second, last, requests, tokens });
            }
        }
        self.newest = second;
    }

    /// Takes back what was counted at a moment and was not spent after all.
    pub(crate) fn remove(&mut self, requests: u16, tokens: u32, at: Mono) {
        let second = second(at) as u16;
        let Some(cell) = self.cells_mut().iter_mut().rev().find(|cell| cell.second == second)
        else {
            return;
        };
        let (requests, tokens) = (requests.min(cell.requests), tokens.min(cell.tokens));
        cell.requests -= requests;
        cell.tokens -= tokens;
        self.requests = self.requests.saturating_sub(requests.into());
        self.tokens = self.tokens.saturating_sub(tokens);
    }

    /// Forgets what has left the minute.
    pub(crate) fn turn(&mut self, now: Mono) {
        let cells = self.cells();
        let left = match second(now).saturating_sub(self.newest) {
            0..=LONGEST => cells.iter().take_while(|cell| self.leaves(cell) <= now).count(),
            _ => cells.len(),
        };
        if left > 0 {
            self.forget(left);
        }
    }

    /// Forgets the oldest cells.
    fn forget(&mut self, left: usize) {
        let (mut requests, mut tokens) = (0, 0_u32);
        for cell in &self.cells()[..left] {
            requests += u32::from(cell.requests);
            tokens = cell.tokens.saturating_add(tokens);
        }
        self.requests = self.requests.saturating_sub(requests);
        self.tokens = self.tokens.saturating_sub(tokens);
        self.cells_mut().copy_within(left.., 0);
        self.held -= left as u8;
    }

    fn push(&mut self, cell: Cell) {
        let held = usize::from(self.held);
        if self.room.as_ref().map_or(0, |room| room.len()) == held {
            let mut more = vec![Cell::default(); (held * 2).max(1)].into_boxed_slice();
            more[..held].copy_from_slice(self.cells());
            self.room = Some(more);
        }
        self.held += 1;
        if let Some(last) = self.cells_mut().last_mut() {
            *last = cell;
        }
    }

    fn cells(&self) -> &[Cell] {
        self.room.as_deref().map_or(&[], |room| &room[..usize::from(self.held)])
    }

    fn cells_mut(&mut self) -> &mut [Cell] {
        self.room.as_deref_mut().map_or(&mut [], |room| &mut room[..usize::from(self.held)])
    }

    /// When so much of what is counted will have left that `fits` holds; now if it does already,
    /// and nothing if it never will.
    pub(crate) fn fits_at(&self, now: Mono, fits: impl Fn(u32, u32) -> bool) -> Option<Mono> {
        let (mut requests, mut tokens) = (self.requests, self.tokens);
        if fits(requests, tokens) {
            return Some(now);
        }
        for cell in self.cells() {
            requests = requests.saturating_sub(cell.requests.into());
            tokens = tokens.saturating_sub(cell.tokens);
            if fits(requests, tokens) {
                return Some(self.leaves(cell).max(now));
            }
        }
        None
    }

    /// When a cell is a minute old.
    fn leaves(&self, cell: &Cell) -> Mono {
        let second = self.newest.saturating_sub(age(self.newest, *cell));
        Mono((u64::from(second) + u64::from(MINUTE)) * 1000 + u64::from(cell.last)) + UNDER_WAY
    }
}

/// How many seconds before the newest a cell was.
fn age(newest: u32, cell: Cell) -> u32 {
    u32::from((newest as u16).wrapping_sub(cell.second))
}

fn second(at: Mono) -> u32 {
    u32::try_from(Duration::from_millis(at.0).as_secs()).unwrap_or(u32::MAX)
}

fn within(at: Mono) -> u16 {
    (at.0 % 1000) as u16
}

/// Seconds in a minute.
const MINUTE: u32 = 60;
/// Seconds after which nothing is left.
const LONGEST: u32 = MINUTE + 1;
/// By how much one call may be longer on its way to Google than another.
const UNDER_WAY: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_second_leaves_a_minute_after_the_last_of_it() {
        let mut window = Window::default();
        window.add(1, 10, Mono(5_400));
        window.add(2, 20, Mono(5_900));
        let empty = |requests, _| requests == 0;
        assert_eq!(window.fits_at(Mono(6_000), empty), Some(Mono(66_100)));
        window.turn(Mono(66_099));
        assert_eq!((window.requests(), window.tokens()), (3, 30));
        window.turn(Mono(66_100));
        assert_eq!((window.requests(), window.tokens()), (0, 0));
    }

    #[test]
    fn what_was_not_spent_is_taken_back_where_it_was_counted() {
        let mut window = Window::default();
        window.add(1, 10, Mono(1_000));
        window.add(1, 10, Mono(9_000));
        window.remove(1, 10, Mono(1_000));
        window.turn(Mono(62_000));
        assert_eq!((window.requests(), window.tokens()), (1, 10));
        window.remove(1, 10, Mono(1_000));
        assert_eq!(window.requests(), 1, "its second has left");
    }

    #[test]
    fn a_caller_who_read_the_clock_early_and_came_late_is_counted_with_the_newest() {
        let mut window = Window::default();
        window.add(1, 10, Mono(2_001));
        window.add(1, 10, Mono(1_999));
        assert_eq!((window.requests(), window.cells().len()), (2, 1));
        let free = window.fits_at(Mono(2_001), |requests, _| requests == 0);
        assert_eq!(free, Some(Mono(63_199)));
    }

    #[test]
    fn a_sleep_of_hours_leaves_nothing_behind() {
        let mut window = Window::default();
        window.add(7, 70, Mono(1_000));
        // A whole turn of the seconds' lower bits.
        window.turn(Mono(1_000 + 65_536_000));
        assert_eq!(window.requests(), 0);
    }

    proptest! {
        #[test]
        fn the_sums_are_those_of_a_plain_list(
            steps in prop::collection::vec((0u64..9_000, 0u16..4, 0u32..900), 1..300)
        ) {
            let (mut window, mut plain, mut now) = (Window::default(), VecDeque::new(), 0);
            for (wait, requests, tokens) in steps {
                now += wait;
                window.add(requests, tokens, Mono(now));
                plain.push_back((now, requests, tokens));
                let last = |at: u64| {
                    let second = plain.iter().map(|one| one.0).filter(|one| one / 1000 == at / 1000);
                    second.max().unwrap_or(at)
                };
                let gone = |at: u64| last(at) + 60_200 <= now;
                let left = plain.iter().take_while(|one| gone(one.0)).count();
                plain.drain(..left);
                let sums = plain.iter().fold((0, 0), |(r, t), one| (r + u32::from(one.1), t + one.2));
                prop_assert_eq!((window.requests(), window.tokens()), sums);
                prop_assert!(window.cells().len() <= LONGEST as usize + 1);
            }
        }
    }
}
