//! When in the day calls come.
//!
//! Hour by hour, of all contributors together, as shares of a day's calls: so that what is usual of
//! a day, which changes as keys join and leave, need only be multiplied by what is left of the day.

use super::Moment;
use crate::habit::pace;

/// When in the day entitled calls come, all contributors together.
#[derive(Debug, Default)]
pub(super) struct Hours {
    /// Days learned from.
    pub(super) days: u32,
    /// Shares of a day's calls.
    pub(super) usual: [f32; HOURS],
    /// The sum of those after each hour.
    pub(super) after: [f32; HOURS],
    pub(super) today: [u32; HOURS],
    /// The hour from which today is counted; nothing before the first call.
    pub(super) from: Option<usize>,
    /// Calls before that hour, if they were counted otherwise.
    pub(super) before: u64,
}

impl Hours {
    pub(super) fn came(&mut self, moment: Moment) {
        let hour = moment.hour();
        if self.from.is_none() {
            self.from = Some(hour);
        }
        self.today[hour] = self.today[hour].saturating_add(1);
    }

    pub(super) fn left(&mut self, moment: Moment) {
        let hour = &mut self.today[moment.hour()];
        *hour = hour.saturating_sub(1);
    }

    /// What came before is known as a sum alone.
    pub(super) fn begin(&mut self, before: u64, moment: Moment) {
        self.before = before;
        self.today = [0; HOURS];
        self.from = Some(moment.hour());
    }

    /// Learns from a day that is over.
    pub(super) fn learn(&mut self) {
        let today = std::mem::take(&mut self.today);
        let from = self.from.replace(0).unwrap_or(0);
        let came = today.iter().fold(0_u32, |sum, count| sum.saturating_add(*count));
        if came == 0 {
            return;
        }
        let counted = match std::mem::take(&mut self.before) {
            // Hours that were not counted are taken to be like any other.
            0 => (HOURS - from) as f32 / HOURS as f32,
            before => came as f32 / (came as f32 + before as f32),
        };
        let pace = pace(self.days);
        for hour in 0..HOURS {
            // Who calls at nine on one day calls at ten on another.
            let near = |at: usize| today.get(at).map_or(0.0, |count| *count as f32);
            let around = near(hour.wrapping_sub(1)) + 2.0 * near(hour) + near(hour + 1);
            let share = match hour < from {
                true => (1.0 - counted) / from as f32,
                false => around / 4.0 / came as f32 * counted,
            };
            self.usual[hour] += pace * (share - self.usual[hour]);
        }
        self.days = self.days.saturating_add(1);
        self.sum_up();
    }

    pub(super) fn sum_up(&mut self) {
        let mut sum = 0.0;
        for hour in (0..HOURS).rev() {
            self.after[hour] = sum;
            sum += self.usual[hour];
        }
    }

    /// The share of a day's calls that are yet to come.
    pub(super) fn to_come(&self, moment: Moment) -> f32 {
        let hour = moment.hour();
        let seen = (self.after[hour] + self.usual[hour] * moment.of_hour()).min(1.0);
        // As if a part of a day had been seen in which every hour was like the others.
        let days = self.days as f32;
        (seen * days + moment.of_day() * EVEN_DAYS) / (days + EVEN_DAYS)
    }
}

/// Hours in a day's profile; the two odd days of a year borrow their hour from the first.
pub(super) const HOURS: usize = 24;
/// Before hours were learned all are taken to be alike; it weighs as much as so many days.
const EVEN_DAYS: f32 = 0.5;
