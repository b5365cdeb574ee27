//! What the present minute has room for.
//!
//! What Google counts leaves a minute after it was sent, so a minute that was spent in its first half
//! gives nothing back in its second: whoever comes then finds nothing, though no more was spent than there
//! is. So it is looked ahead: at each moment of the next minute there must be room for those who count on
//! it, as fast as they come now.

use crate::{record::Room, time::Mono};

/// Calls of the last minute, all of them and those that were entitled.
#[derive(Debug, Default)]
pub(super) struct Pace {
    sent: Minute,
    came: Minute,
    /// What seemed to be left and was on no key that could serve, as of when.
    unusable: f32,
    as_of: Mono,
}

impl Pace {
    /// Of a minute of so many calls an entitled one found nothing: what seems to be left is where tokens
    /// are spent, or on its way.
    pub(super) fn ran_dry(&mut self, capacity: u64, now: Mono) {
        self.sent.turn(now);
        let left = capacity.saturating_sub(self.sent.sum) as f32;
        self.unusable = left.max(self.unusable(now));
        self.as_of = now;
    }

    fn unusable(&self, now: Mono) -> f32 {
        let minutes = now.since(self.as_of).as_secs_f32() / 60.0;
        self.unusable * FADES.powf(minutes)
    }

    pub(super) fn sends(&mut self, now: Mono) {
        self.sent.add(now);
    }

    pub(super) fn came(&mut self, now: Mono) {
        self.came.add(now);
    }

    /// What a minute of so many calls has left, and what of it is kept for entitled calls.
    pub(super) fn room(&mut self, capacity: u64, now: Mono) -> Room {
        self.sent.turn(now);
        self.came.turn(now);
        let lately = self.came.latest(LATELY) as f32 / LATELY as f32;
        let rate = lately.max(self.came.sum as f32 / MINUTE as f32);
        let (mut kept, mut freed, mut seen) = (0.0_f32, 0, 0);
        for ahead in LOOKS {
            freed += self.sent.oldest(seen..ahead);
            seen = ahead;
            let coming = (rate * ahead as f32).min(capacity as f32);
            kept = kept.max(coming + SAFETY * coming.sqrt() - freed as f32);
        }
        let kept = (kept + self.unusable(now)) as u64;
        Room { left: capacity.saturating_sub(self.sent.sum), kept }
    }
}

/// How many in the last minute, by short steps.
#[derive(Debug)]
struct Minute {
    steps: [u32; MINUTE],
    sum: u64,
    step: u64,
}

impl Default for Minute {
    fn default() -> Self {
        Minute { steps: [0; MINUTE], sum: 0, step: 0 }
    }
}

impl Minute {
    fn add(&mut self, now: Mono) {
        self.turn(now);
        self.steps[self.step as usize % MINUTE] += 1;
        self.sum += 1;
    }

    fn turn(&mut self, now: Mono) {
        let step = now.0 / STEP_MS;
        for passed in 0..step.saturating_sub(self.step).min(MINUTE as u64) {
            let place = (step - passed) as usize % MINUTE;
            self.sum -= u64::from(std::mem::take(&mut self.steps[place]));
        }
        self.step = self.step.max(step);
    }

    /// What came in the last steps, so many of them.
    fn latest(&self, steps: usize) -> u64 {
        self.oldest(MINUTE - steps..MINUTE)
    }

    /// What came in some of the steps, counted from the oldest.
    fn oldest(&self, steps: std::ops::Range<usize>) -> u64 {
        let first = (self.step as usize + 1) % MINUTE;
        let (from, to) = (first + steps.start, first + steps.end);
        let (tail, head) = (from.min(MINUTE)..to.min(MINUTE), from.max(MINUTE)..to.max(MINUTE));
        let sum = |range: std::ops::Range<usize>| self.steps[range].iter().sum::<u32>();
        u64::from(sum(tail)) + u64::from(sum(head.start - MINUTE..head.end - MINUTE))
    }
}

/// How long a step is: what came in it leaves the minute together.
const STEP_MS: u64 = 100;
/// Steps of a minute, the present one included: what is about to leave has left, as nobody is to be turned
/// away for a moment's sake.
const MINUTE: usize = 60_000 / STEP_MS as usize;
/// How far ahead it is looked: a second, 3, 8, 20, 40, and a minute.
const LOOKS: [usize; 6] = [10, 30, 80, 200, 400, MINUTE];
/// How far back it is looked for how fast calls come: ten seconds.
const LATELY: usize = 100;
/// What of that which could not be used is expected not to be a minute later.
const FADES: f32 = 0.5;
/// Those who come are provided for with so many standard deviations.
const SAFETY: f32 = 2.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_leaves_after_a_minute() {
        let mut pace = Pace::default();
        (0..30).for_each(|second| pace.sends(Mono(second * 1000)));

        assert_eq!(pace.room(50, Mono(30_000)).left, 20);
        assert_eq!(pace.room(50, Mono(59_000)).left, 20);
        assert_eq!(pace.room(50, Mono(75_000)).left, 36);
        assert_eq!(pace.room(50, Mono(300_000)).left, 50);
    }

    #[test]
    fn room_is_kept_until_what_was_sent_is_given_back() {
        let mut pace = Pace::default();
        for tenth in 0..300 {
            pace.came(Mono(tenth * 100));
            pace.sends(Mono(tenth * 100));
        }

        let Room { left, kept } = pace.room(600, Mono(30_000));

        assert_eq!(left, 300);
        assert!((300..345).contains(&kept), "ten a second until the minute's first leave: {kept}");
        assert_eq!(pace.room(600, Mono(120_000)).kept, 0, "nobody comes any more");
    }
}
