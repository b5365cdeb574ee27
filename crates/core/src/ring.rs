//! The ring of keys that can serve a lane now.
//!
//! Round robin over a million keys must neither scan past resting keys nor keep a million places
//! per lane. So a ring is a bit a key, with a tree of summaries above it: the next set bit after
//! the cursor is found in at most four words, and mostly in the first. A key that joins or wakes
//! takes its turn when the cursor comes by: no burst reaches it.

/// A set of places, with a cursor that goes round it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ring {
    /// Level 0 has a bit a place; a bit above says that a word below is not empty.
    levels: [Vec<u64>; LEVELS],
    count: u32,
    cursor: u32,
}

impl Ring {
    pub(crate) fn len(&self) -> u32 {
        self.count
    }

    pub(crate) fn contains(&self, place: u32) -> bool {
        let word = self.levels[0].get((place >> BITS) as usize).copied().unwrap_or(0);
        word & bit(place) != 0
    }

    /// Puts a place in or takes it out.
    pub(crate) fn set(&mut self, place: u32, present: bool) {
        debug_assert!(place < CAPACITY);
        match (self.contains(place), present) {
            (false, true) => self.insert(place),
            (true, false) => self.remove(place),
            _ => {}
        }
    }

    /// Starts somewhere else: at the first place after `number` modulo the ring's extent.
    pub(crate) fn turn_to(&mut self, number: u64) {
        let extent = (self.levels[0].len() as u64) << BITS;
        self.cursor = number.checked_rem(extent).unwrap_or(0) as u32;
    }

    /// Goes on where another ring was.
    pub(crate) fn go_on(&mut self, before: &Ring) {
        self.cursor = before.cursor;
    }

    /// The first place at or after the cursor that `fits`, looking at no more than `looks` places.
    ///
    /// The cursor moves past the chosen place only if nothing before it was passed over: a key
    /// that did not fit one call keeps its turn for the next.
    pub(crate) fn take(&mut self, looks: u32, mut fits: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut place = self.next(self.cursor)?;
        for look in 0..looks.min(self.count) {
            if fits(place) {
                if look == 0 {
                    self.cursor = place + 1;
                }
                return Some(place);
            }
            place = self.next(place + 1)?;
        }
        None
    }

    /// Whether any place fits, without taking it.
    pub(crate) fn any(&self, looks: u32, mut fits: impl FnMut(u32) -> bool) -> bool {
        let Some(mut place) = self.next(self.cursor) else { return false };
        for _ in 0..looks.min(self.count) {
            if fits(place) {
                return true;
            }
            match self.next(place + 1) {
                Some(next) => place = next,
                None => return false,
            }
        }
        false
    }

    fn next(&self, from: u32) -> Option<u32> {
        self.at_or_after(from).or_else(|| self.at_or_after(0))
    }

    fn at_or_after(&self, from: u32) -> Option<u32> {
        let mut place = from;
        for level in 0..LEVELS {
            let above = place >> BITS;
            let word = self.levels[level].get(above as usize).copied().unwrap_or(0);
            let rest = word & (u64::MAX << (place & MASK));
            if rest != 0 {
                return Some(self.descend(level, (above << BITS) | rest.trailing_zeros()));
            }
            place = above + 1;
        }
        None
    }

    fn descend(&self, level: usize, mut place: u32) -> u32 {
        for below in (0..level).rev() {
            let word = self.levels[below][place as usize];
            place = (place << BITS) | word.trailing_zeros();
        }
        place
    }

    fn insert(&mut self, place: u32) {
        let mut place = place;
        for level in &mut self.levels {
            let word = (place >> BITS) as usize;
            if level.len() <= word {
                level.resize(word + 1, 0);
            }
            level[word] |= bit(place);
            place >>= BITS;
        }
        self.count += 1;
    }

    fn remove(&mut self, place: u32) {
        let mut place = place;
        for level in &mut self.levels {
            let word = &mut level[(place >> BITS) as usize];
            *word &= !bit(place);
            if *word != 0 {
                break;
            }
            place >>= BITS;
        }
        self.count -= 1;
    }
}

/// How many places a ring can hold: 64 to the fourth.
pub(crate) const CAPACITY: u32 = 1 << (BITS * LEVELS as u32);

const LEVELS: usize = 4;
const BITS: u32 = 6;
const MASK: u32 = 63;

fn bit(place: u32) -> u64 {
    1 << (place & MASK)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ten_places_get_a_hundred_of_a_thousand_turns_each() {
        let mut ring = Ring::default();
        (0..10).for_each(|place| ring.set(place * 1000, true));
        let mut turns = [0; 10];

        for _ in 0..1000 {
            turns[ring.take(4, |_| true).unwrap() as usize / 1000] += 1;
        }

        assert_eq!(turns, [100; 10]);
    }

    #[test]
    fn a_place_that_did_not_fit_keeps_its_turn() {
        let mut ring = Ring::default();
        (0..3).for_each(|place| ring.set(place, true));

        assert_eq!(ring.take(4, |place| place == 2), Some(2));
        assert_eq!(ring.take(4, |_| true), Some(0));
        assert_eq!(ring.take(4, |_| true), Some(1));
        assert_eq!(ring.take(4, |_| true), Some(2));
        assert_eq!(ring.take(2, |place| place == 2), None);
    }

    #[test]
    fn a_newcomer_gets_one_turn_a_round() {
        let mut ring = Ring::default();
        (0..5).for_each(|place| ring.set(place, true));
        (0..7).for_each(|_| assert!(ring.take(1, |_| true).is_some()));
        ring.set(70, true);

        let turns: Vec<_> = (0..6).map(|_| ring.take(1, |_| true).unwrap()).collect();

        assert_eq!(turns, [2, 3, 4, 70, 0, 1]);
    }

    proptest! {
        #[test]
        fn the_tree_agrees_with_a_plain_set(
            steps in prop::collection::vec((0..CAPACITY, any::<bool>(), any::<bool>()), 1..200)
        ) {
            let mut ring = Ring::default();
            let mut plain = BTreeSet::new();
            for (place, near, present) in steps {
                let place = if near { place % 300 } else { place };
                ring.set(place, present);
                if present { plain.insert(place); } else { plain.remove(&place); }
                prop_assert_eq!(ring.len() as usize, plain.len());
                let after = plain.range(place..).next().copied();
                prop_assert_eq!(ring.at_or_after(place), after);
                prop_assert_eq!(ring.contains(place), present);
            }
        }
    }
}
