//! What one contributor mostly wants of a day on one quota.
//!
//! Learned from day to day, and forgotten within weeks: how many of the calls that the own keys
//! alone would serve, how far days differ, and how much comes at once, since who calls once a day
//! for everything is provided for until that has come.

use std::fmt;

use crate::{
    learned::{is_amount, list},
    ledger::Moment,
};

/// Habits of one contributor.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Habit {
    /// Calls of a day.
    pub(crate) usual: f32,
    /// How far days are from it, squared.
    pub(crate) spread: f32,
    /// How many come at once, times how many come in all.
    pub(crate) clump: f32,
}

impl Habit {
    /// What a day brings at the very most, of whom a day's limit is known or likely.
    pub(crate) fn most(&self, limit: u32) -> u32 {
        (self.usual + FARTHEST * self.spread.sqrt()).ceil().min(limit as f32) as u32
    }
}

/// A habit that is being learned.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Learning {
    usual: f32,
    spread: f32,
    /// The share of a day's calls that comes within its busiest hour.
    at_once: f32,
    days: u8,
    hour: u8,
    in_hour: u16,
    busiest: u16,
    /// The minute of that hour, and what came in it.
    minute: u8,
    in_minute: u8,
}

impl Learning {
    /// A call came.
    pub(crate) fn came(&mut self, moment: Moment) {
        let hour = moment.hour() as u8;
        if self.hour != hour {
            (self.hour, self.in_hour, self.in_minute) = (hour, 0, 0);
        }
        if self.minute != moment.minute() {
            (self.minute, self.in_minute) = (moment.minute(), 0);
        }
        self.in_minute = self.in_minute.saturating_add(1);
        self.in_hour = self.in_hour.saturating_add(1);
        self.busiest = self.busiest.max(self.in_hour);
    }

    /// The last call did not come after all.
    pub(crate) fn left(&mut self) {
        self.in_minute = self.in_minute.saturating_sub(1);
        self.in_hour = self.in_hour.saturating_sub(1);
    }

    /// Calls that came in the present minute, as a clock shows it: never fewer than within the last sixty
    /// seconds would have passed a limit of so many a minute. What is beyond this count is not told.
    pub(crate) fn in_minute(&self, moment: Moment) -> Option<u32> {
        let same = (self.hour, self.minute) == (moment.hour() as u8, moment.minute());
        (self.in_minute < u8::MAX).then_some(if same { self.in_minute.into() } else { 0 })
    }

    /// A day is over that brought so many calls, and of `days` since then those after it none.
    pub(crate) fn learn(&mut self, came: u32, days: u32) {
        let mut came = came as f32;
        if came > 0.0 {
            let busiest = (f32::from(self.busiest) / came).min(1.0);
            let at_once = ((busiest - BY_CHANCE) / (1.0 - BY_CHANCE)).max(0.0);
            self.at_once += pace(self.days.into()) * (at_once - self.at_once);
        }
        for _ in 0..days.min(FORGOTTEN_AFTER) {
            let off = came - self.usual;
            self.usual += pace(self.days.into()) * off;
            if let Some(before) = self.days.checked_sub(1) {
                // How far the second is from the first is forgotten with the third.
                let pace = pace(before.saturating_sub(1).into());
                self.spread += pace * (off * off - self.spread);
            }
            self.days = self.days.saturating_add(1);
            came = 0.0;
        }
        (self.in_hour, self.busiest, self.in_minute) = (0, 0, 0);
    }

    /// Whether no more than a first day was seen, which may not have been a whole one.
    pub(crate) fn is_new(&self) -> bool {
        self.days <= 1
    }

    /// The habit, as it was seen.
    pub(crate) fn as_learned(&self) -> Habit {
        Habit { usual: self.usual, spread: self.spread, clump: 0.0 }
    }

    /// The habit, of whom a day's limit is known or likely. Of a newcomer nothing else is known: a
    /// part of it is taken to be wanted, give or take another.
    pub(crate) fn within(&self, limit: u32) -> Habit {
        let (limit, days) = (limit as f32, f32::from(self.days));
        let unknown = (limit * NEW_SPREAD).powi(2) / (1.0 + days).powi(2);
        if self.days == 0 {
            let usual = limit * NEW_USE;
            return Habit { usual, spread: unknown, clump: usual * usual * NEW_AT_ONCE };
        }
        // Before the limit was known there was none to what could be wanted.
        let (usual, spread) = match self.usual > limit {
            true => (limit, limit),
            false => (self.usual, self.spread.max(self.usual)),
        };
        Habit { usual, spread: spread + unknown, clump: usual * usual * self.at_once }
    }
}

impl fmt::Display for Learning {
    /// As [`Learning::parse`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Learning { usual, spread, at_once, days, hour, in_hour, busiest, .. } = self;
        // What was forgotten for months is tiny, and would be long otherwise.
        write!(f, "{usual:e},{spread:e},{at_once:e},{days},{hour},{in_hour},{busiest}")
    }
}

impl Learning {
    /// Reads what was kept of a habit.
    pub(crate) fn parse(text: &str) -> Option<Learning> {
        let numbers: [f32; 7] = list(text)?;
        let [usual, spread, at_once, days, hour, in_hour, busiest] = numbers;
        let sound = numbers.into_iter().all(is_amount) && at_once <= 1.0;
        let (days, hour) = (days as u8, hour as u8);
        let (in_hour, busiest) = (in_hour as u16, busiest as u16);
        let (minute, in_minute) = (0, 0);
        sound.then_some(Learning {
            usual,
            spread,
            at_once,
            days,
            hour,
            in_hour,
            busiest,
            minute,
            in_minute,
        })
    }
}

/// How much one more day teaches, when so many were seen: the first is hardly ever a whole one, and weighs
/// less than those after it.
pub(crate) fn pace(days: u32) -> f32 {
    (2.0 / (days as f32 + 2.0)).max(SLOWEST_PACE)
}

/// A day is at most so many standard deviations from the usual one: chance alone would keep it nearer, but
/// both are estimates.
const FARTHEST: f32 = 4.0;
/// What a newcomer is taken to want of the own limit,
pub(crate) const NEW_USE: f32 = 0.5;
/// give or take so much,
const NEW_SPREAD: f32 = 0.25;
/// and so much of it at once.
const NEW_AT_ONCE: f32 = 0.1;
/// Even who calls all day long has a busiest hour, with about this share.
const BY_CHANCE: f32 = 0.15;
/// What a day teaches at least, when many were seen: about a week is remembered.
const SLOWEST_PACE: f32 = 0.2;
/// Days in a row without a call that are learned from one by one.
const FORGOTTEN_AFTER: u32 = 30;
