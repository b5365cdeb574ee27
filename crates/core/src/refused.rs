//! Keys that Google refused, and the addresses they came from.
//!
//! Whoever shows keys that nobody knows makes us ask Google about each; so that a pool is no place
//! for trying stolen keys out, a refused key is not asked again for a while, and an address block
//! that showed ten of them within a minute shows no more in that minute. A proven key anywhere in
//! the block is served all the time: only unknown keys are looked up here.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    assoc::Assoc,
    call::{Refusal, SourceBlock},
    id::{KeyId, seeded},
    time::Mono,
};

/// What is remembered of refused keys.
#[derive(Debug)]
pub(crate) struct Refused {
    keys: Assoc<Rejected>,
    blocks: Assoc<Block>,
    /// Unproven keys under way, by block and key, and with how many requests. No larger than the
    /// requests that are open.
    under_way: BTreeMap<(u64, u64), u32>,
    seed: u64,
}

#[derive(Clone, Copy, Debug)]
struct Rejected {
    until: Mono,
    wait: Duration,
}

#[derive(Clone, Copy, Debug, Default)]
struct Block {
    began: Mono,
    refused: u32,
    pending: u32,
}

impl Refused {
    pub(crate) fn new(seed: u64) -> Self {
        let (keys, blocks) = (Assoc::new(MAX_KEYS), Assoc::new(MAX_BLOCKS));
        Refused { keys, blocks, under_way: BTreeMap::new(), seed }
    }

    /// Lets an unproven key ask, or says why not. Whoever was let in must `settle`.
    pub(crate) fn enter(&mut self, id: KeyId, from: SourceBlock, now: Mono) -> Option<Refusal> {
        if let Some(key) = self.keys.get(self.key_hash(id)).filter(|key| key.until > now) {
            return Some(Refusal::KeyRefused { wait: key.until.since(now) });
        }
        let hash = self.block_hash(from);
        // A program's first burst is one key, however many requests it is.
        if let Some(requests) = self.under_way.get_mut(&(hash, seeded(self.seed, &id.0))) {
            *requests += 1;
            return None;
        }
        let mut block = self.blocks.get(hash).unwrap_or_default();
        if now.since(block.began) >= WINDOW {
            block = Block { began: now, refused: 0, pending: block.pending };
        }
        if block.refused >= REFUSED_PER_BLOCK {
            return Some(Refusal::TooManyRefused { wait: (block.began + WINDOW).since(now) });
        }
        if block.refused + block.pending >= PENDING_PER_BLOCK {
            return Some(Refusal::TooManyRefused { wait: PENDING_WAIT });
        }
        block.pending += 1;
        self.blocks.insert(hash, block);
        self.under_way.insert((hash, self.key_hash(id)), 1);
        None
    }

    /// The request of an unproven key is over.
    pub(crate) fn settle(&mut self, id: KeyId, from: SourceBlock) {
        let hash = self.block_hash(from);
        let place = (hash, self.key_hash(id));
        let Some(requests) = self.under_way.get_mut(&place) else { return };
        *requests -= 1;
        if *requests > 0 {
            return;
        }
        self.under_way.remove(&place);
        if let Some(block) = self.blocks.get_mut(hash) {
            block.pending = block.pending.saturating_sub(1);
        }
    }

    /// Google refused the key.
    pub(crate) fn refuse(&mut self, id: KeyId, from: SourceBlock, now: Mono) {
        let hash = self.key_hash(id);
        let before = self.keys.get(hash);
        // Requests that were sent before the first refusal came count once.
        if before.is_some_and(|key| key.until > now) {
            return;
        }
        let wait = before.map_or(FIRST_WAIT, |key| (key.wait * 2).min(LONGEST_WAIT));
        self.keys.insert(hash, Rejected { until: now + wait, wait });
        let block_hash = self.block_hash(from);
        if let Some(block) = self.blocks.get_mut(block_hash) {
            block.refused += 1;
        }
    }

    /// The key proved good after all.
    pub(crate) fn forget(&mut self, id: KeyId) {
        self.keys.remove(self.key_hash(id));
    }

    fn key_hash(&self, id: KeyId) -> u64 {
        seeded(self.seed, &id.0)
    }

    fn block_hash(&self, from: SourceBlock) -> u64 {
        seeded(self.seed, &from.0.to_le_bytes())
    }
}

/// How long a refused key is not asked at first: a new key may take a minute to be known.
const FIRST_WAIT: Duration = Duration::from_secs(60);
/// And at most: its owner may mend it.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// Refused keys remembered: 16 distinct ones a second for ten minutes.
const MAX_KEYS: u32 = 1 << 14;
/// Address blocks remembered.
const MAX_BLOCKS: u32 = 1 << 14;
/// The window in which refused keys of a block are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// Distinct refused keys a block may show in it.
const REFUSED_PER_BLOCK: u32 = 10;
/// Unproven keys of a block under way at once, so that they cannot all slip through before the
/// first is refused; wide enough for a classroom behind one address.
const PENDING_PER_BLOCK: u32 = 32;
/// How soon a block with too many under way may try again.
const PENDING_WAIT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: SourceBlock = SourceBlock(7);

    fn key(number: u8) -> KeyId {
        KeyId([number; 16])
    }

    fn show(refused: &mut Refused, number: u8, now: Mono) -> Option<Refusal> {
        let answer = refused.enter(key(number), HOME, now);
        if answer.is_none() {
            refused.refuse(key(number), HOME, now);
            refused.settle(key(number), HOME);
        }
        answer
    }

    #[test]
    fn a_refused_key_waits_a_minute_then_longer_up_to_ten() {
        let mut refused = Refused::new(1);
        let mut now = Mono(0);
        for wait in [60, 120, 240, 480, 600, 600] {
            assert_eq!(show(&mut refused, 1, now), None);
            let wait = Duration::from_secs(wait);
            assert_eq!(show(&mut refused, 1, now), Some(Refusal::KeyRefused { wait }));
            now = now + wait;
        }
        refused.forget(key(1));
        assert_eq!(show(&mut refused, 1, now), None);
    }

    #[test]
    fn the_eleventh_refused_key_of_a_block_waits_for_the_minute_to_end() {
        let mut refused = Refused::new(1);
        (0..10).for_each(|number| assert_eq!(show(&mut refused, number, Mono(0)), None));
        let wait = Duration::from_secs(50);
        let answer = show(&mut refused, 99, Mono(10_000));
        assert_eq!(answer, Some(Refusal::TooManyRefused { wait }));
        assert_eq!(refused.enter(key(99), SourceBlock(8), Mono(10_000)), None);
        assert_eq!(show(&mut refused, 99, Mono(60_000)), None);
    }

    #[test]
    fn keys_under_way_at_once_are_bounded() {
        let mut refused = Refused::new(1);
        let let_in = (0..100).filter(|n| refused.enter(key(*n), HOME, Mono(0)).is_none()).count();
        assert_eq!(let_in, PENDING_PER_BLOCK as usize);
        assert_eq!(refused.enter(key(0), HOME, Mono(0)), None, "the same key, once more");
        refused.settle(key(0), HOME);
        assert!(refused.enter(key(200), HOME, Mono(0)).is_some());
        refused.settle(key(0), HOME);
        assert_eq!(refused.enter(key(200), HOME, Mono(0)), None);
    }
}
