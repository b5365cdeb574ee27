//! Which keys were erased of late, for those who are storing one meanwhile.
//!
//! Rule: a key goes on the disk first and into the pool then. Whoever erases it in between finds it on
//! the disk alone; so whoever is storing it looks, before it goes into the pool, whether it was.

use std::collections::VecDeque;

use parking_lot::Mutex;
use potluck_core::KeyId;

/// A moment, told by how many erasures were before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

/// The last erasures.
#[derive(Debug, Default)]
pub struct Erasures(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    count: u64,
    latest: VecDeque<(KeyId, u64)>,
}

impl Erasures {
    /// Now: taken when a key's storing is ordered, under the lock of its pool.
    pub fn now(&self) -> Moment {
        Moment(self.0.lock().count)
    }

    /// A key is being erased: noted when that is ordered, under the same lock.
    pub fn note(&self, id: KeyId) {
        let mut noted = self.0.lock();
        noted.count += 1;
        if noted.latest.len() == KEPT {
            noted.latest.pop_front();
        }
        let count = noted.count;
        noted.latest.push_back((id, count));
    }

    /// Whether a key was erased since then.
    pub fn since(&self, then: Moment, id: KeyId) -> bool {
        let noted = self.0.lock();
        noted.latest.iter().any(|(one, count)| *one == id && *count > then.0)
    }
}

/// Erasures remembered: many more than are ordered while one key is stored.
const KEPT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_erased_since_then_counts() {
        let (erasures, id) = (Erasures::default(), KeyId([7; 16]));
        let before = erasures.now();
        erasures.note(id);
        let after = erasures.now();
        assert!(erasures.since(before, id));
        assert!(!erasures.since(after, id) && !erasures.since(before, KeyId([8; 16])));
    }
}
