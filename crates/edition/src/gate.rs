//! How often somebody may try an operator's token.
//!
//! Rule: whoever showed too many wrong ones is not compared any more for a while, so that a token
//! cannot be found by trying; and nobody's tries shut the gate for another.

use std::time::Duration;

use potluck_core::{Mono, SourceBlock};

/// Wrong tokens of late, by address block.
#[derive(Debug)]
pub struct Gate {
    places: Box<[Place]>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    block: SourceBlock,
    since: Mono,
    wrong: u32,
}

impl Default for Gate {
    fn default() -> Self {
        let nobody = Place { block: SourceBlock(0), since: Mono(0), wrong: 0 };
        Gate { places: vec![nobody; PLACES].into() }
    }
}

impl Gate {
    /// How long a block must wait; nothing if it may try.
    pub fn wait(&self, block: SourceBlock, now: Mono) -> Option<Duration> {
        let place = self.places[place_of(block)];
        let shut = place.block == block && place.wrong >= TRIES;
        let end = place.since + WINDOW;
        (shut && end > now).then(|| end.since(now))
    }

    /// A block showed a wrong token.
    pub fn wrong(&mut self, block: SourceBlock, now: Mono) {
        let place = &mut self.places[place_of(block)];
        if place.block != block || place.since + WINDOW <= now {
            *place = Place { block, since: now, wrong: 0 };
        }
        place.wrong = place.wrong.saturating_add(1);
    }
}

fn place_of(block: SourceBlock) -> usize {
    let halves = (block.0 ^ (block.0 >> 64)) as u64;
    let mixed = halves.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as usize % PLACES
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
        let (mut gate, here, there) = (Gate::default(), SourceBlock(7), SourceBlock(8));
        for _ in 0..TRIES {
            assert_eq!(gate.wait(here, Mono(1_000)), None);
            gate.wrong(here, Mono(1_000));
        }
        assert_eq!(gate.wait(here, Mono(1_000)), Some(WINDOW));
        assert_eq!(gate.wait(there, Mono(1_000)), None);
        assert_eq!(gate.wait(here, Mono(61_000)), None);
    }
}
