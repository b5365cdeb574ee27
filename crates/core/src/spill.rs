//! Where to ask next when a part of a pool has nothing for a call.
//!
//! A pool can be split into parts by its keys' hashes: one owner of everything must not cap what a
//! large installation serves. A call begins where its bearer's key lives; if nothing is left there,
//! another part may serve it as a *guest's*, whom the first part vouches for. Parts that have just
//! refused guests are not asked again for a moment, so that a pool that is spent as a whole is not
//! asked part by part for every call.

use std::time::Duration;

use crate::{
    assoc::Assoc,
    call::{Guest, Refusal},
    id::seeded,
    lane,
    time::Mono,
    wire::{Family, Metered},
};

/// Remembers which parts of a split pool have nothing for guests.
#[derive(Debug)]
pub struct Spill {
    /// By part, what is asked for and kind of guest: until when it is not asked.
    refused: Assoc<Mono>,
    /// By what is asked for and kind of guest: which part served one last, and may have more.
    served: Assoc<u8>,
    /// Where the next search begins, so that guests are spread.
    turn: u8,
}

/// A call that looks for a part of the pool to be served by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seek<'a> {
    /// How many parts there are.
    pub parts: u8,
    /// Where the bearer's key lives.
    pub home: u8,
    /// The model,
    pub model: &'a str,
    /// the kind of method,
    pub family: Family,
    /// and the metered features: parts may have keys for one and not for the other.
    pub metered: Metered,
    /// What is said of the bearer at home.
    pub guest: Guest,
}

impl Default for Spill {
    fn default() -> Self {
        Spill { refused: Assoc::new(REMEMBERED), served: Assoc::new(REMEMBERED), turn: 0 }
    }
}

impl Spill {
    /// The next part to ask: first the one that served such a guest last; not the bearer's own, nor
    /// any that was asked for this call, nor one that refused such a guest a moment ago. No more than
    /// a few are asked for one call.
    pub fn next(&mut self, seek: Seek<'_>, asked: &[u8], now: Mono) -> Option<u8> {
        let most = if seek.guest == Guest::Borrows { MOST_ASKED } else { MOST_OWED };
        if asked.len() >= most {
            return None;
        }
        let last = self.served.get(place(ANY, seek)).filter(|part| *part < seek.parts);
        if let Some(last) = last.filter(|part| self.may_ask(*part, seek, asked, now)) {
            return Some(last);
        }
        let turn = self.turn;
        let mut others = (0..seek.parts).map(|step| turn.wrapping_add(step) % seek.parts);
        let part = others.find(|part| self.may_ask(*part, seek, asked, now))?;
        self.turn = (part + 1) % seek.parts;
        Some(part)
    }

    fn may_ask(&mut self, part: u8, seek: Seek<'_>, asked: &[u8], now: Mono) -> bool {
        let fresh = part != seek.home && !asked.contains(&part);
        fresh && self.refused.get(place(part, seek)).is_none_or(|until| until <= now)
    }

    /// A part served a guest.
    pub fn served(&mut self, part: u8, seek: Seek<'_>) {
        self.served.insert(place(ANY, seek), part);
    }

    /// A part had nothing for a guest.
    pub fn refused(&mut self, part: u8, seek: Seek<'_>, refusal: Refusal, now: Mono) {
        let wait = match refusal {
            // That is the prompt's fault.
            Refusal::TooLarge => return,
            Refusal::Resting { wait, .. } | Refusal::Reserved { wait } => wait.min(LONGEST),
            _ => SHORTEST,
        };
        self.refused.insert(place(part, seek), now + wait.max(SHORTEST));
    }
}

fn place(part: u8, seek: Seek<'_>) -> u64 {
    let guest = match seek.guest {
        Guest::Borrows => 0,
        Guest::Entitled => 1,
        Guest::Token => 2,
    };
    let kind = lane::kind(seek.family, seek.metered) << 16;
    seeded(kind | u64::from(part) << 2 | guest, seek.model.as_bytes())
}

/// No part's number: parts are fewer.
const ANY: u8 = u8::MAX;
/// Parts asked beside its own for a call that borrows,
const MOST_ASKED: usize = 3;
/// and for one that the own keys alone would have served: it is rare, and owed an answer; or for a
/// token's, whose home need not have any key.
const MOST_OWED: usize = 6;
/// Refusals remembered: a few models of each of sixteen parts.
const REMEMBERED: u32 = 1 << 10;
/// A part that refused is left alone at least so long,
const SHORTEST: Duration = Duration::from_secs(1);
/// and at most: what is kept is released over the day.
const LONGEST: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn seek(parts: u8, model: &str, guest: Guest) -> Seek<'_> {
        Seek { parts, home: 0, model, family: Family::Generate, metered: Metered::NONE, guest }
    }

    #[test]
    fn a_part_that_refused_is_not_asked_again_for_a_moment() {
        let mut spill = Spill::default();
        let refusal = Refusal::Reserved { wait: Duration::from_secs(5) };
        let borrows = seek(3, "m", Guest::Borrows);
        for part in [1, 2] {
            assert_eq!(spill.next(borrows, &[], Mono(0)), Some(part));
            spill.refused(part, borrows, refusal, Mono(0));
        }
        assert_eq!(spill.next(borrows, &[], Mono(4_999)), None);
        let entitled = seek(3, "m", Guest::Entitled);
        assert!(spill.next(entitled, &[], Mono(0)).is_some(), "other guests may be served");
        assert!(spill.next(seek(3, "n", Guest::Borrows), &[], Mono(0)).is_some());
        let searches = Seek { metered: Metered::SEARCH, ..borrows };
        assert!(spill.next(searches, &[], Mono(0)).is_some(), "so may other kinds of call");
        assert!(spill.next(borrows, &[], Mono(5_000)).is_some());
    }

    #[test]
    fn the_part_that_served_last_is_asked_first_until_it_refuses() {
        let mut spill = Spill::default();
        let borrows = seek(16, "m", Guest::Borrows);
        spill.served(9, borrows);
        assert_eq!(spill.next(borrows, &[], Mono(0)), Some(9));
        assert_eq!(spill.next(borrows, &[], Mono(0)), Some(9));
        assert_ne!(spill.next(borrows, &[9], Mono(0)), Some(9));
        spill.refused(9, borrows, Refusal::OurPlace, Mono(0));
        assert_ne!(spill.next(borrows, &[], Mono(0)), Some(9));
    }

    #[test]
    fn guests_are_spread_and_few_parts_are_asked() {
        let mut spill = Spill::default();
        let borrows = seek(16, "m", Guest::Borrows);
        let mut first: Vec<u8> =
            (0..15).filter_map(|_| spill.next(borrows, &[], Mono(0))).collect();
        first.sort_unstable();
        assert_eq!(first, (1..16).collect::<Vec<u8>>());
        assert_eq!(spill.next(borrows, &[1, 2, 3], Mono(0)), None);
        let entitled = seek(16, "m", Guest::Entitled);
        assert!(spill.next(entitled, &[1, 2, 3], Mono(0)).is_some(), "it is owed an answer");
        assert_eq!(spill.next(entitled, &[1, 2, 3, 4, 5, 6], Mono(0)), None);
    }
}
