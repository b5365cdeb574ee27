//! A table of constant size for what callers could make grow without end.
//!
//! Conversations, refused keys and address blocks are all remembered here: four entries to a row,
//! and a full row forgets what was used least recently. Forgetting costs a conversation its key or
//! a refused key one more question, never an answer.

/// A bounded map from 64-bit hashes.
#[derive(Debug)]
pub(crate) struct Assoc<V> {
    entries: Vec<Option<Entry<V>>>,
    rows: usize,
    clock: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry<V> {
    hash: u64,
    used: u32,
    value: V,
}

impl<V: Copy> Assoc<V> {
    /// A table for about `capacity` entries; memory is taken with the first of them.
    pub(crate) fn new(capacity: u32) -> Self {
        let rows = (capacity as usize / WAYS).next_power_of_two().max(1);
        Assoc { entries: Vec::new(), rows, clock: 0 }
    }

    pub(crate) fn get(&mut self, hash: u64) -> Option<V> {
        self.find(hash).map(|entry| entry.value)
    }

    /// Changes the value in place, if it is there.
    pub(crate) fn get_mut(&mut self, hash: u64) -> Option<&mut V> {
        self.find(hash).map(|entry| &mut entry.value)
    }

    pub(crate) fn insert(&mut self, hash: u64, value: V) {
        if self.entries.is_empty() {
            self.entries.resize_with(self.rows * WAYS, || None);
        }
        self.clock = self.clock.wrapping_add(1);
        let used = self.clock;
        let row = self.row(hash);
        let age = |entry: &Option<Entry<V>>| match entry {
            Some(entry) if entry.hash == hash => u64::MAX,
            Some(entry) => u64::from(used.wrapping_sub(entry.used)),
            None => u64::from(u32::MAX) + 1,
        };
        if let Some(victim) = row.iter_mut().max_by_key(|entry| age(entry)) {
            *victim = Some(Entry { hash, used, value });
        }
    }

    pub(crate) fn remove(&mut self, hash: u64) {
        if self.entries.is_empty() {
            return;
        }
        let held = |entry: &Option<Entry<V>>| entry.as_ref().is_some_and(|e| e.hash == hash);
        if let Some(entry) = self.row(hash).iter_mut().find(|entry| held(entry)) {
            *entry = None;
        }
    }

    fn find(&mut self, hash: u64) -> Option<&mut Entry<V>> {
        if self.entries.is_empty() {
            return None;
        }
        self.clock = self.clock.wrapping_add(1);
        let used = self.clock;
        let found = self.row(hash).iter_mut().flatten().find(|entry| entry.hash == hash)?;
        found.used = used;
        Some(found)
    }

    fn row(&mut self, hash: u64) -> &mut [Option<Entry<V>>] {
        let row = (hash as usize ^ (hash >> 32) as usize) & (self.rows - 1);
        &mut self.entries[row * WAYS..(row + 1) * WAYS]
    }
}

/// Entries to a row.
const WAYS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_row_forgets_what_was_used_least_recently() {
        let mut table = Assoc::new(4);
        (1..=4).for_each(|hash| table.insert(hash, hash * 10));
        assert_eq!(table.get(1), Some(10));

        table.insert(5, 50);

        assert_eq!(table.get(2), None);
        assert_eq!([1, 3, 4, 5].map(|hash| table.get(hash)), [10, 30, 40, 50].map(Some));
    }

    #[test]
    fn a_value_can_be_replaced_and_removed() {
        let mut table = Assoc::new(64);
        assert_eq!(table.get(7), None);
        table.remove(7);
        table.insert(7, 1);
        table.insert(7, 2);
        assert_eq!(table.get(7), Some(2));
        table.remove(7);
        assert_eq!(table.get(7), None);
    }
}
