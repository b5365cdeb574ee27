//! Time as the pool knows it: two readings that the driver takes, and Google's midnight.
//!
//! The pool never looks at a clock. Waiting is measured on the monotonic reading, so that a
//! corrected wall clock neither wakes keys early nor parks them for ever; the wall reading serves
//! what people and the store see, and the day quota, which Google resets at midnight in California.

use std::{ops::Add, time::Duration};

use jiff::{
    Timestamp, ToSpan,
    tz::{self, TimeZone},
};

/// Milliseconds on a clock that never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

impl Mono {
    /// A moment that never comes.
    pub const NEVER: Mono = Mono(u64::MAX);

    /// The time from `earlier` to this moment, or nothing if it lies later.
    pub fn since(self, earlier: Mono) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Mono;

    fn add(self, span: Duration) -> Mono {
        Mono(self.0.saturating_add(millis(span)))
    }
}

/// Milliseconds since 1970 on the wall clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wall(pub i64);

impl Add<Duration> for Wall {
    type Output = Wall;

    fn add(self, span: Duration) -> Wall {
        Wall(self.0.saturating_add_unsigned(millis(span)))
    }
}

/// Both readings, taken together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For waiting.
    pub mono: Mono,
    /// For people, the store and the day.
    pub wall: Wall,
}

impl Now {
    /// The monotonic moment at which the wall clock will show `wall`.
    pub fn mono_at(self, wall: Wall) -> Mono {
        let ahead = wall.0.saturating_sub(self.wall.0).max(0);
        Mono(self.mono.0.saturating_add(ahead.unsigned_abs()))
    }

    /// What the wall clock will show at `mono`.
    pub fn wall_at(self, mono: Mono) -> Wall {
        let ahead = i128::from(mono.0) - i128::from(self.mono.0);
        let wall = i128::from(self.wall.0) + ahead;
        Wall(i64::try_from(wall).unwrap_or(i64::MAX))
    }
}

impl Add<Duration> for Now {
    type Output = Now;

    fn add(self, span: Duration) -> Now {
        Now { mono: self.mono + span, wall: self.wall + span }
    }
}

/// The next midnight in California: when Google gives a day's quota anew.
pub fn next_midnight(now: Wall) -> Wall {
    pacific_midnight(now).unwrap_or(now + FALLBACK_DAY)
}

fn pacific_midnight(now: Wall) -> Option<Wall> {
    let here = Timestamp::from_millisecond(now.0).ok()?.to_zoned(QUOTA_ZONE);
    let tomorrow = here.start_of_day().ok()?.checked_add(1.day()).ok()?.start_of_day().ok()?;
    Some(Wall(tomorrow.timestamp().as_millisecond()))
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Where Google's day begins. The one zone that is built in: no file is read.
const QUOTA_ZONE: TimeZone = tz::get!("America/Los_Angeles");
/// A day, for wall clocks that no calendar knows.
const FALLBACK_DAY: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn wall(text: &str) -> Wall {
        Wall(text.parse::<Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn the_day_ends_at_midnight_in_california_whatever_the_clocks_do() {
        let cases = [
            ("2026-07-01T12:00:00Z", "2026-07-02T07:00:00Z"),
            ("2026-12-01T12:00:00Z", "2026-12-02T08:00:00Z"),
            // 25 hours: clocks go back on 2026-11-01.
            ("2026-11-01T07:00:00Z", "2026-11-02T08:00:00Z"),
            ("2026-11-01T06:59:59.999Z", "2026-11-01T07:00:00Z"),
            ("2026-11-02T07:59:59.999Z", "2026-11-02T08:00:00Z"),
            // 23 hours: clocks go forward on 2027-03-14.
            ("2027-03-14T08:00:00Z", "2027-03-15T07:00:00Z"),
            ("2027-03-14T07:59:59.999Z", "2027-03-14T08:00:00Z"),
            ("2027-03-15T06:59:59.999Z", "2027-03-15T07:00:00Z"),
        ];
        for (now, midnight) in cases {
            assert_eq!(next_midnight(wall(now)), wall(midnight), "asked at {now}");
        }
    }

    #[test]
    fn an_impossible_clock_still_ends_its_day() {
        assert_eq!(next_midnight(Wall(i64::MAX)), Wall(i64::MAX));
        assert!(next_midnight(Wall(i64::MIN)) > Wall(i64::MIN));
    }

    #[test]
    fn the_two_readings_translate_into_each_other() {
        let now = Now { mono: Mono(5_000), wall: Wall(1_000_000) };
        assert_eq!(now.mono_at(Wall(1_002_000)), Mono(7_000));
        assert_eq!(now.mono_at(Wall(1)), Mono(5_000));
        assert_eq!(now.wall_at(Mono(7_000)), Wall(1_002_000));
        assert_eq!(now.wall_at(Mono(4_000)), Wall(999_000));
    }
}
