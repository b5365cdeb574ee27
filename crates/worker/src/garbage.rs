//! Keys that Google refused, as an isolate remembers them.
//!
//! Why: there is one object, and whoever shows keys that are none must not reach it with each. It
//! says once how long a key, or an address block, is not to be asked for; until then the isolate
//! answers by itself.

use std::collections::HashMap;
use std::hash::Hash;

use potluck_core::{KeyId, Mono, Refusal};

/// So many callers of a refused block are asked for all the same: proven keys are served wherever
/// they are shown, and an isolate does not know each.
const ASKED_PER_BLOCK: u32 = 16;
/// Keys, and blocks, remembered; beyond, those whose time is over are forgotten, then all.
const MOST: usize = 4096;

/// Who is not to be asked for.
#[derive(Debug, Default)]
pub struct Garbage {
    keys: HashMap<KeyId, Mono>,
    /// Until when, and how many were asked for since.
    blocks: HashMap<[u8; 16], (Mono, u32)>,
}

impl Garbage {
    /// Whether the key itself was refused.
    pub fn holds(&self, key: KeyId, now: Mono) -> bool {
        self.keys.get(&key).is_some_and(|until| *until > now)
    }

    /// Why a caller whom the isolate does not know need not be asked for.
    pub fn refusal(&mut self, key: KeyId, block: [u8; 16], now: Mono) -> Option<Refusal> {
        if let Some(until) = self.keys.get(&key).filter(|until| **until > now) {
            return Some(Refusal::KeyRefused { wait: until.since(now) });
        }
        let (until, asked) = self.blocks.get_mut(&block).filter(|(until, _)| *until > now)?;
        *asked += 1;
        let wait = until.since(now);
        (*asked > ASKED_PER_BLOCK).then_some(Refusal::TooManyRefused { wait })
    }

    /// The object refused that caller.
    pub fn remember(&mut self, key: KeyId, block: [u8; 16], refusal: Refusal, now: Mono) {
        match refusal {
            Refusal::KeyRefused { wait } => {
                make_room(&mut self.keys, |until| *until > now);
                self.keys.insert(key, now + wait);
            }
            Refusal::TooManyRefused { wait } => {
                make_room(&mut self.blocks, |(until, _)| *until > now);
                let (until, asked) = self.blocks.entry(block).or_default();
                if *until <= now {
                    *asked = 0;
                }
                *until = now + wait;
            }
            _ => {}
        }
    }
}

fn make_room<K: Hash + Eq, V>(map: &mut HashMap<K, V>, lasts: impl Fn(&V) -> bool) {
    if map.len() >= MOST {
        map.retain(|_, value| lasts(value));
    }
    if map.len() >= MOST {
        map.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_refused_caller_is_refused_for_as_long_as_was_said() {
        let mut garbage = Garbage::default();
        let (now, wait) = (Mono(1_000), Duration::from_secs(60));
        let (bad, good) = (KeyId([1; 16]), KeyId([2; 16]));
        garbage.remember(bad, [9; 16], Refusal::KeyRefused { wait }, now);

        let mut refused = |now| garbage.refusal(bad, [9; 16], now);
        assert_eq!(refused(now), Some(Refusal::KeyRefused { wait }));
        assert_eq!(refused(now + wait), None);
        assert_eq!(garbage.refusal(good, [9; 16], now), None);
    }

    #[test]
    fn a_refused_block_is_refused_whatever_it_shows() {
        let mut garbage = Garbage::default();
        let (now, wait) = (Mono(1_000), Duration::from_secs(9));
        garbage.remember(KeyId([1; 16]), [9; 16], Refusal::TooManyRefused { wait }, now);

        let mut refused = |block| garbage.refusal(KeyId([2; 16]), block, now);
        for _ in 0..ASKED_PER_BLOCK {
            assert_eq!(refused([9; 16]), None, "somebody's proven key may be among them");
        }
        assert_eq!(refused([9; 16]), Some(Refusal::TooManyRefused { wait }));
        assert_eq!(refused([8; 16]), None);

        let later = now + wait;
        garbage.remember(KeyId([1; 16]), [9; 16], Refusal::TooManyRefused { wait }, later);
        assert_eq!(garbage.refusal(KeyId([2; 16]), [9; 16], later), None, "a new count");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut garbage = Garbage::default();
        for n in 0..20_000u128 {
            let wait = Duration::from_secs(60);
            let key = KeyId(n.to_be_bytes());
            garbage.remember(key, [0; 16], Refusal::KeyRefused { wait }, Mono(0));
        }
        assert!(garbage.keys.len() <= MOST);
    }
}
