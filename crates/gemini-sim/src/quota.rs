//! Quotas as Google keeps them: per project, model and kind of call, in requests and input
//! tokens, by minute and by day.
//!
//! The model knows no clock: every call says what time it is (Unix milliseconds), so that the
//! server can pass the real time and a simulator a virtual one.
//!
//! A *minute* is by default the sixty seconds that end now (sliding, in cells of one second): a
//! call refused with a delay of `d` passes after `d`, and not before. [`Window::Fixed`] counts by
//! the wall clock's minutes. A *day* always ends at midnight in America/Los_Angeles, whatever
//! daylight saving does to its length. Refused calls spend nothing.

use std::collections::VecDeque;

use jiff::{
    Timestamp, ToSpan,
    tz::{self, TimeZone},
};
use serde::{Deserialize, Serialize};

const MINUTE_MS: i64 = 60_000;
const CELL_MS: i64 = 1_000;
/// Where Google's days begin.
const ZONE: TimeZone = tz::get!("America/Los_Angeles");

/// What a project may spend on one model. Absent: no limit. Zero: not for this project at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Requests per minute.
    pub rpm: Option<u64>,
    /// Input tokens per minute.
    pub tpm: Option<u64>,
    /// Requests per day.
    pub rpd: Option<u64>,
    /// Input tokens per day.
    pub tpd: Option<u64>,
}

impl Limits {
    /// No limit of any kind.
    pub const NONE: Self = Self { rpm: None, tpm: None, rpd: None, tpd: None };
    /// The model is not in this project's tier.
    pub const ZERO: Self = Self { rpm: Some(0), tpm: Some(0), rpd: Some(0), tpd: Some(0) };

    /// Limits in the usual three figures.
    #[must_use]
    pub const fn new(rpm: u64, tpm: u64, rpd: u64) -> Self {
        Self { rpm: Some(rpm), tpm: Some(tpm), rpd: Some(rpd), tpd: None }
    }

    /// True when the model is not in this project's tier.
    #[must_use]
    pub fn zero(&self) -> bool {
        [self.rpm, self.tpm, self.rpd, self.tpd].contains(&Some(0))
    }
}

/// How minutes are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// The sixty seconds that end now.
    #[default]
    Sliding,
    /// The minutes of the wall clock.
    Fixed,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Calls.
    Requests,
    /// Tokens of prompts.
    InputTokens,
}

/// Over which time it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Span {
    /// Sixty seconds.
    Minute,
    /// Until midnight in California.
    Day,
}

/// One limit that a call would have broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What was counted.
    pub kind: Kind,
    /// Over which time.
    pub span: Span,
    /// The limit; zero means that the model is not in the project's tier.
    pub limit: u64,
}

/// Why a call was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Every limit that stands in the way, the most lasting first.
    pub violations: Vec<Violation>,
    /// What Google would print as the time to wait. True for minutes; for days and for limits of
    /// zero it says some seconds, as Google's does.
    pub retry_ms: u64,
    /// When the same call passes, if ever.
    pub passes_at_ms: Option<i64>,
}

/// The counts of one (project, model, kind of call).
#[derive(Clone, Debug)]
pub struct Bucket {
    limits: Limits,
    window: Window,
    cells: VecDeque<Cell>,
    minute: Spent,
    day: Spent,
    day_ends_ms: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Spent {
    requests: u64,
    tokens: u64,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    start_ms: i64,
    last_ms: i64,
    spent: Spent,
}

impl Bucket {
    /// An unspent bucket.
    #[must_use]
    pub fn new(limits: Limits, window: Window) -> Self {
        Self {
            limits,
            window,
            cells: VecDeque::new(),
            minute: Spent::default(),
            day: Spent::default(),
            day_ends_ms: i64::MIN,
        }
    }

    /// Spends one request of so many input tokens, or says why not.
    ///
    /// # Errors
    /// The limits in the way; nothing is spent.
    pub fn spend(&mut self, tokens: u64, now_ms: i64) -> Result<(), Refusal> {
        self.turn(now_ms);
        let violations = self.violations(tokens);
        if !violations.is_empty() {
            return Err(self.refusal(violations, tokens, now_ms));
        }
        self.count(Spent { requests: 1, tokens }, now_ms);
        Ok(())
    }

    /// Adds tokens that were found out after the call (the estimate before it was low).
    pub fn settle(&mut self, tokens: u64, now_ms: i64) {
        self.turn(now_ms);
        self.count(Spent { requests: 0, tokens }, now_ms);
    }

    /// Other limits from now on; what was spent stays spent.
    pub fn limit(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Requests spent in this minute and this day.
    pub fn requests(&mut self, now_ms: i64) -> (u64, u64) {
        self.turn(now_ms);
        (self.minute.requests, self.day.requests)
    }

    /// Input tokens spent in this minute and this day.
    pub fn tokens(&mut self, now_ms: i64) -> (u64, u64) {
        self.turn(now_ms);
        (self.minute.tokens, self.day.tokens)
    }

    fn count(&mut self, spent: Spent, now_ms: i64) {
        self.minute.add(spent);
        self.day.add(spent);
        let start_ms = now_ms - now_ms.rem_euclid(CELL_MS);
        match self.cells.back_mut() {
            Some(cell) if cell.start_ms == start_ms => {
                cell.spent.add(spent);
                cell.last_ms = now_ms;
            }
            _ => self.cells.push_back(Cell { start_ms, last_ms: now_ms, spent }),
        }
    }

    /// Forgets what has left its window.
    fn turn(&mut self, now_ms: i64) {
        if now_ms >= self.day_ends_ms {
            self.day = Spent::default();
            self.day_ends_ms = next_midnight(now_ms);
        }
        while let Some(cell) = self.cells.front() {
            if now_ms < self.leaves_at(cell) {
                break;
            }
            self.minute.requests -= cell.spent.requests;
            self.minute.tokens -= cell.spent.tokens;
            self.cells.pop_front();
        }
    }

    fn leaves_at(&self, cell: &Cell) -> i64 {
        match self.window {
            Window::Sliding => cell.last_ms + MINUTE_MS,
            Window::Fixed => cell.start_ms - cell.start_ms.rem_euclid(MINUTE_MS) + MINUTE_MS,
        }
    }

    fn violations(&self, tokens: u64) -> Vec<Violation> {
        let Limits { rpm, tpm, rpd, tpd } = self.limits;
        let zero = self.limits.zero();
        let asked = [
            (Kind::Requests, Span::Day, rpd, self.day.requests + 1),
            (Kind::InputTokens, Span::Day, tpd, self.day.tokens + tokens),
            (Kind::Requests, Span::Minute, rpm, self.minute.requests + 1),
            (Kind::InputTokens, Span::Minute, tpm, self.minute.tokens + tokens),
        ];
        asked
            .into_iter()
            .filter_map(|(kind, span, limit, asked)| Some((kind, span, limit?, asked)))
            .filter(|(_, _, limit, asked)| if zero { *limit == 0 } else { asked > limit })
            .map(|(kind, span, limit, _)| Violation { kind, span, limit })
            .collect()
    }

    fn refusal(&self, violations: Vec<Violation>, tokens: u64, now_ms: i64) -> Refusal {
        let passes_at_ms = violations
            .iter()
            .map(|violation| self.passes_at(violation, tokens))
            .collect::<Option<Vec<i64>>>()
            .and_then(|times| times.into_iter().max());
        let lasting = violations.iter().any(|v| v.span == Span::Day || v.limit == 0);
        let minute_end = MINUTE_MS - now_ms.rem_euclid(MINUTE_MS);
        let wait = match passes_at_ms {
            Some(at) if !lasting => at - now_ms,
            _ => minute_end,
        };
        Refusal { violations, retry_ms: wait.unsigned_abs(), passes_at_ms }
    }

    fn passes_at(&self, violation: &Violation, tokens: u64) -> Option<i64> {
        let asked = match violation.kind {
            Kind::Requests => 1,
            Kind::InputTokens => tokens,
        };
        let room = violation.limit.checked_sub(asked)?;
        match violation.span {
            Span::Day => Some(self.day_ends_ms),
            Span::Minute => {
                let mut left = self.minute.of(violation.kind);
                for cell in &self.cells {
                    left -= cell.spent.of(violation.kind);
                    if left <= room {
                        return Some(self.leaves_at(cell));
                    }
                }
                None
            }
        }
    }
}

impl Spent {
    fn add(&mut self, more: Self) {
        self.requests += more.requests;
        self.tokens += more.tokens;
    }

    fn of(&self, kind: Kind) -> u64 {
        match kind {
            Kind::Requests => self.requests,
            Kind::InputTokens => self.tokens,
        }
    }
}

/// The first midnight in California after the given time, both in Unix milliseconds.
#[must_use]
pub fn next_midnight(now_ms: i64) -> i64 {
    let found = || {
        let now = Timestamp::from_millisecond(now_ms).ok()?.to_zoned(ZONE);
        let next = now.checked_add(1.day()).ok()?.start_of_day().ok()?;
        Some(next.timestamp().as_millisecond())
    };
    // Outside the years a calendar knows, days are as good as any.
    found().unwrap_or_else(|| now_ms.saturating_add(24 * 60 * MINUTE_MS))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const NOON: i64 = 1_790_000_000_000;

    #[test]
    fn a_minute_refuses_the_call_after_the_last_and_passes_it_when_it_said() {
        let mut bucket = Bucket::new(Limits::new(2, 1_000, 100), Window::Sliding);
        bucket.spend(1, NOON).unwrap();
        bucket.spend(1, NOON + 700).unwrap();

        let refusal = bucket.spend(1, NOON + 5_000).unwrap_err();

        let violation = Violation { kind: Kind::Requests, span: Span::Minute, limit: 2 };
        assert_eq!(refusal.violations, [violation]);
        let at = NOON + 5_000 + i64::try_from(refusal.retry_ms).unwrap();
        assert_eq!(refusal.passes_at_ms, Some(at));
        assert!(bucket.spend(1, at - 1).is_err());
        bucket.spend(1, at).unwrap();
    }

    #[test]
    fn tokens_are_counted_beside_requests() {
        let mut bucket = Bucket::new(Limits::new(100, 1_000, 100), Window::Sliding);
        bucket.spend(900, NOON).unwrap();

        let refusal = bucket.spend(200, NOON + 1_000).unwrap_err();

        assert_eq!(refusal.violations[0].kind, Kind::InputTokens);
        assert_eq!(refusal.passes_at_ms, Some(NOON + 60_000));
        bucket.spend(100, NOON + 1_000).unwrap();
    }

    #[test]
    fn a_prompt_larger_than_the_minute_never_passes() {
        let mut bucket = Bucket::new(Limits::new(100, 1_000, 100), Window::Sliding);
        assert_eq!(bucket.spend(1_001, NOON).unwrap_err().passes_at_ms, None);
    }

    #[test]
    fn a_day_ends_at_midnight_in_california_and_its_retry_delay_lies() {
        let mut bucket = Bucket::new(Limits { rpd: Some(1), ..Limits::NONE }, Window::Sliding);
        bucket.spend(1, NOON).unwrap();

        let refusal = bucket.spend(1, NOON).unwrap_err();

        assert!(refusal.retry_ms <= 60_000);
        let midnight = next_midnight(NOON);
        assert!(bucket.spend(1, midnight - 1).is_err());
        bucket.spend(1, midnight).unwrap();
    }

    #[test]
    fn midnights_follow_daylight_saving() {
        for (now, midnight) in [
            ("2026-03-08T07:59:59Z", "2026-03-08T08:00:00Z"),
            ("2026-03-08T08:00:00Z", "2026-03-09T07:00:00Z"),
            ("2026-11-01T07:00:00Z", "2026-11-02T08:00:00Z"),
        ] {
            let ms = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond();
            assert_eq!(next_midnight(ms(now)), ms(midnight), "{now}");
        }
    }

    #[test]
    fn a_limit_of_zero_names_every_zero_and_never_passes() {
        let mut bucket = Bucket::new(Limits::ZERO, Window::Sliding);

        let refusal = bucket.spend(1, NOON).unwrap_err();

        assert_eq!(refusal.violations.len(), 4);
        assert_eq!(refusal.passes_at_ms, None);
    }

    #[test]
    fn fixed_minutes_begin_anew_with_the_wall_clock() {
        let start = NOON - NOON.rem_euclid(MINUTE_MS);
        let mut bucket = Bucket::new(Limits::new(1, 1_000, 100), Window::Fixed);
        bucket.spend(1, start + 59_000).unwrap();

        assert_eq!(bucket.spend(1, start + 59_500).unwrap_err().retry_ms, 500);
        bucket.spend(1, start + 60_000).unwrap();
    }
}
