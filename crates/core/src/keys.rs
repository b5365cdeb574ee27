//! The table of keys: by place for speed, by id for whoever asks.

use std::hash::BuildHasher;

use hashbrown::HashTable;

use crate::{
    id::{Hashed, KeyId, Slot},
    key::{Key, Kin},
    meter::Meter,
};

/// All keys of the pool.
#[derive(Debug)]
pub(crate) struct Keys<S> {
    places: Vec<Seat<S>>,
    free: Vec<u32>,
    /// Places by their keys' ids, which stand there and nowhere else.
    by_id: HashTable<u32>,
    /// Withdrawn keys whose last attempts are still under way.
    leaving: Vec<(Slot, u32)>,
    /// What all of them have lent.
    lent_calls: u64,
}

/// A key in its place, two lines of memory.
#[derive(Debug)]
#[repr(align(64))]
struct Seat<S> {
    generation: u32,
    key: Option<Key<S>>,
}

impl<S> Keys<S> {
    pub(crate) fn new() -> Self {
        let by_id = HashTable::new();
        Keys { places: Vec::new(), free: Vec::new(), by_id, leaving: Vec::new(), lent_calls: 0 }
    }

    pub(crate) fn len(&self) -> u32 {
        self.by_id.len() as u32
    }

    /// Calls lent by the keys that are there, each since it joined.
    pub(crate) fn lent_calls(&self) -> u64 {
        self.lent_calls
    }

    /// A call was served, by the bearer's own key or for another.
    pub(crate) fn count_served(&mut self, slot: Slot, own: bool) {
        if let Some(key) = self.get_mut(slot) {
            key.usage.served(own);
            self.lent_calls += u64::from(!own);
        }
    }

    /// How many places there are, free ones among them.
    pub(crate) fn places(&self) -> u32 {
        self.places.len() as u32
    }

    pub(crate) fn find(&self, id: KeyId) -> Option<Slot> {
        let is = |at: &u32| self.id_at(*at) == Some(id);
        let at = *self.by_id.find(Hashed.hash_one(id), is)?;
        Some(Slot { at, generation: self.places.get(at as usize)?.generation })
    }

    fn id_at(&self, at: u32) -> Option<KeyId> {
        Some(self.places.get(at as usize)?.key.as_ref()?.id)
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&Key<S>> {
        let place = self.places.get(slot.at as usize)?;
        place.key.as_ref().filter(|_| place.generation == slot.generation)
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut Key<S>> {
        let place = self.places.get_mut(slot.at as usize)?;
        place.key.as_mut().filter(|_| place.generation == slot.generation)
    }

    /// The key at a place, whatever its generation, with its full name.
    pub(crate) fn at(&self, at: u32) -> Option<(Slot, &Key<S>)> {
        let place = self.places.get(at as usize)?;
        let slot = Slot { at, generation: place.generation };
        place.key.as_ref().map(|key| (slot, key))
    }

    /// The account that a key's project has of a quota, if it has one.
    pub(crate) fn meter(&self, slot: Slot, quota: u16) -> Option<&Meter> {
        let key = self.get(slot)?;
        let head = match key.apart.kin.as_deref() {
            Some(Kin::Of(head)) => self.get(*head).unwrap_or(key),
            _ => key,
        };
        head.meters.iter().find(|meter| meter.lane == quota)
    }

    /// Every key's place.
    pub(crate) fn slots(&self) -> Vec<Slot> {
        let taken = |(at, seat): (usize, &Seat<S>)| {
            let slot = Slot { at: at as u32, generation: seat.generation };
            seat.key.is_some().then_some(slot)
        };
        self.places.iter().enumerate().filter_map(taken).collect()
    }

    pub(crate) fn insert(&mut self, key: Key<S>) -> Slot {
        let id = key.id;
        self.lent_calls += key.usage.lent_calls();
        let slot = match self.free.pop() {
            Some(at) => {
                let place = &mut self.places[at as usize];
                place.key = Some(key);
                Slot { at, generation: place.generation }
            }
            None => {
                self.places.push(Seat { generation: 0, key: Some(key) });
                Slot { at: self.places.len() as u32 - 1, generation: 0 }
            }
        };
        let places = &self.places;
        let hash = |at: &u32| {
            let key = places.get(*at as usize).and_then(|place| place.key.as_ref());
            key.map_or(0, |key| Hashed.hash_one(key.id))
        };
        self.by_id.insert_unique(Hashed.hash_one(id), slot.at, hash);
        slot
    }

    /// Takes a key out; attempts under way with it are counted on.
    pub(crate) fn remove(&mut self, slot: Slot) -> Option<Key<S>> {
        let place = self.places.get_mut(slot.at as usize)?;
        if place.generation != slot.generation {
            return None;
        }
        let key = place.key.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(slot.at);
        self.lent_calls = self.lent_calls.saturating_sub(key.usage.lent_calls());
        if let Ok(entry) = self.by_id.find_entry(Hashed.hash_one(key.id), |at| *at == slot.at) {
            entry.remove();
        }
        if key.leases > 0 {
            self.leaving.push((slot, key.leases));
        }
        Some(key)
    }

    pub(crate) fn leases(&self, slot: Slot) -> u32 {
        let left = || self.leaving.iter().find(|(at, _)| *at == slot).map_or(0, |(_, n)| *n);
        self.get(slot).map_or_else(left, |key| key.leases)
    }

    pub(crate) fn release(&mut self, slot: Slot) {
        match self.get_mut(slot) {
            Some(key) => key.leases = key.leases.saturating_sub(1),
            None => {
                let mut leaving = self.leaving.iter_mut();
                if let Some((_, left)) = leaving.find(|(at, _)| *at == slot) {
                    *left -= 1;
                    self.leaving.retain(|(_, left)| *left > 0);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{limits::Limits, time::Wall};

    fn key(number: u8) -> Key<()> {
        Key::new(KeyId([number; 16]), (), Limits::default(), Wall(0))
    }

    #[test]
    fn a_place_given_anew_is_not_mistaken_for_the_old_one() {
        let mut keys = Keys::new();
        let old = keys.insert(key(1));
        keys.remove(old).unwrap();
        let new = keys.insert(key(2));
        assert_eq!(old.at, new.at);
        assert!(keys.get(old).is_none() && keys.get(new).is_some());
        assert!(keys.remove(old).is_none());
    }

    #[test]
    fn a_key_and_its_account_take_less_than_three_hundred_bytes() {
        // The list of places has some room to spare, and the table of ids is half empty.
        let a_key = size_of::<Seat<u64>>() + size_of::<u32>() * 4;
        assert!(a_key + size_of::<Meter>() <= 272, "{a_key} + {}", size_of::<Meter>());
    }

    #[test]
    fn attempts_of_a_removed_key_are_counted_to_their_end() {
        let mut keys = Keys::new();
        let slot = keys.insert(key(1));
        keys.get_mut(slot).unwrap().leases = 2;
        keys.remove(slot);
        keys.insert(key(2));
        assert_eq!(keys.leases(slot), 2);
        keys.release(slot);
        keys.release(slot);
        assert_eq!(keys.leases(slot), 0);
    }
}
