//! How often somebody may try an operator's token.
//!
//! Rule: whoever showed too many wrong ones is not compared any more for a while, so that a token
//! cannot be found by trying; and nobody's tries shut the gate for another.

use std::time::Duration;

use potluck_core::{Mono, SourceBlock};
use potluck_gemini::answer::{Problem, Reason};

/// Wrong tokens of late, by address block.
#[derive(Debug)]
pub struct Gate {
    places: Box<[Place]>,
    /// Nobody outside knows which blocks share a place.
    seed: u64,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    block: SourceBlock,
    since: Mono,
    wrong: u32,
}

impl Gate {
    /// Open; the seed is nobody's to foresee.
    pub fn of(seed: u64) -> Gate {
        let nobody = Place { block: SourceBlock(0), since: Mono(0), wrong: 0 };
        Gate { places: vec![nobody; PLACES].into(), seed }
    }

    /// Lets in whoever shows what is right, if the block may try; what is wrong is remembered.
    pub fn check(
        &mut self,
        (block, now): (SourceBlock, Mono),
        shown: Option<&[u8]>,
        is_right: impl FnOnce(&[u8]) -> bool,
    ) -> Result<(), Problem> {
        if let Some(wait) = self.wait(block, now) {
            return Err(Problem::new(Reason::TooManyTries).after(wait));
        }
        match shown.map(is_right) {
            Some(true) => return Ok(()),
            Some(false) => self.wrong(block, now),
            None => {}
        }
        Err(Problem::new(Reason::NotAdmin))
    }

    /// How long a block must wait; nothing if it may try.
    fn wait(&self, block: SourceBlock, now: Mono) -> Option<Duration> {
        let place = self.places[self.place_of(block)];
        let shut = place.block == block && place.wrong >= TRIES;
        let end = place.since + WINDOW;
        (shut && end > now).then(|| end.since(now))
    }

    /// A block showed a wrong token.
    fn wrong(&mut self, block: SourceBlock, now: Mono) {
        let place = &mut self.places[self.place_of(block)];
        if place.block != block || place.since + WINDOW <= now {
            *place = Place { block, since: now, wrong: 0 };
        }
        place.wrong = place.wrong.saturating_add(1);
    }

    fn place_of(&self, block: SourceBlock) -> usize {
        let (high, low) = ((block.0 >> 64) as u64, block.0 as u64);
        let mixed = stirred(stirred(high, self.seed) ^ low, self.seed.rotate_left(32));
        (mixed >> 32) as usize % PLACES
    }
}

/// Stirred with the seed before the halves meet, so that equal sums are not equal places.
fn stirred(half: u64, seed: u64) -> u64 {
    let mixed = (half ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

/// Wrong tokens that one block may show in a minute: more than anybody mistypes, and too few to
/// find even a short one.
const TRIES: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);
/// Blocks remembered: a newer one takes an older one's place.
const PLACES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_wrong_tokens_shut_the_gate_for_that_block_until_the_minute_is_over() {
        let (mut gate, here, there) = (Gate::of(7), SourceBlock(7), SourceBlock(8));
        for _ in 0..TRIES {
            assert_eq!(gate.wait(here, Mono(1_000)), None);
            gate.wrong(here, Mono(1_000));
        }
        assert_eq!(gate.wait(here, Mono(1_000)), Some(WINDOW));
        assert_eq!(gate.wait(there, Mono(1_000)), None);
        assert_eq!(gate.wait(here, Mono(61_000)), None);
    }
}
