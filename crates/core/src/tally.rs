//! Counts of what came of attempts: since the start, and over the last hour.

use crate::{
    call::Refusal,
    rest::Cause,
    time::{Mono, Wall},
    verdict::Verdict,
};

/// Counters of the whole pool.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) exchanges: u64,
    pub(crate) under_way: u64,
    pub(crate) kept_conversations: u64,
    /// Exchanges that were told to wait for a key.
    pub(crate) waited: u64,
    /// All that was served took, and the prompts' part of it.
    pub(crate) tokens: [u64; 2],
    ended: [u64; OUTCOMES.len()],
    verdicts: [u64; VERDICTS],
    refusals: [u64; REFUSALS],
    cooldowns: [u64; CAUSES],
    minutes: Box<[Minute; MINUTES]>,
    hours: Box<[Hour; HOURS]>,
}

/// What became of the exchanges that ended within an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hour {
    /// When it began.
    pub at: Wall,
    /// Answered by Google with success.
    pub served: u64,
    /// Not served, through no fault of their callers.
    pub failed: u64,
    /// Told to wait for a key that was about to wake, whatever became of them then.
    pub waited: u64,
}

#[derive(Clone, Copy, Debug)]
struct Minute {
    at: u64,
    verdicts: [u32; VERDICTS],
}

impl Default for Tally {
    fn default() -> Self {
        Tally {
            exchanges: 0,
            under_way: 0,
            kept_conversations: 0,
            waited: 0,
            tokens: [0; 2],
            ended: [0; OUTCOMES.len()],
            verdicts: [0; VERDICTS],
            refusals: [0; REFUSALS],
            cooldowns: [0; CAUSES],
            minutes: Box::new([Minute { at: 0, verdicts: [0; VERDICTS] }; MINUTES]),
            hours: Box::new([Hour::default(); HOURS]),
        }
    }
}

impl Tally {
    pub(crate) fn verdict(&mut self, verdict: Verdict, now: Mono) {
        let place = verdict.place();
        self.verdicts[place] += 1;
        let at = now.0 / 60_000;
        let minute = &mut self.minutes[at as usize % MINUTES];
        if minute.at != at {
            *minute = Minute { at, verdicts: [0; VERDICTS] };
        }
        minute.verdicts[place] = minute.verdicts[place].saturating_add(1);
    }

    /// An exchange that is about to end is not to be counted.
    pub(crate) fn unbegin(&mut self) {
        self.exchanges = self.exchanges.saturating_sub(1);
        self.ended[2] = self.ended[2].wrapping_sub(1);
    }

    /// An exchange has ended.
    pub(crate) fn ended(&mut self, served: bool, failed: bool, waited: bool, now: Wall) {
        let at = Wall(now.0 - now.0.rem_euclid(HOUR));
        let hour = &mut self.hours[place_of(at)];
        if hour.at != at {
            *hour = Hour { at, ..Hour::default() };
        }
        let outcome = if served { 0 } else { 2 - usize::from(failed) };
        self.ended[outcome] = self.ended[outcome].wrapping_add(1);
        self.waited += u64::from(waited);
        hour.served += u64::from(served);
        hour.failed += u64::from(failed);
        hour.waited += u64::from(waited);
    }

    pub(crate) fn outcomes(&self) -> Vec<(&'static str, u64)> {
        named(&OUTCOMES, &self.ended)
    }

    /// The last day by hours, oldest first, the present one last.
    pub(crate) fn last_day(&self, now: Wall) -> Vec<Hour> {
        let present = now.0 - now.0.rem_euclid(HOUR);
        let begins = (0..HOURS as i64).rev().map(|ago| Wall(present - ago * HOUR));
        let told = begins.map(|at| {
            let hour = self.hours[place_of(at)];
            if hour.at == at { hour } else { Hour { at, ..Hour::default() } }
        });
        told.collect()
    }

    pub(crate) fn refusal(&mut self, refusal: Refusal) {
        self.refusals[refusal.place()] += 1;
    }

    pub(crate) fn cooldown(&mut self, cause: Cause) {
        self.cooldowns[cause as usize] += 1;
    }

    pub(crate) fn verdicts(&self) -> Vec<(&'static str, u64)> {
        named(&Verdict::NAMES, &self.verdicts)
    }

    pub(crate) fn refusals(&self) -> Vec<(&'static str, u64)> {
        named(&Refusal::NAMES, &self.refusals)
    }

    pub(crate) fn cooldowns(&self) -> Vec<(&'static str, u64)> {
        named(&Cause::ALL.map(Cause::name), &self.cooldowns)
    }

    pub(crate) fn last_hour(&self, now: Mono) -> Vec<(&'static str, u64)> {
        let minute = now.0 / 60_000;
        let mut sums = [0; VERDICTS];
        for one in self.minutes.iter().filter(|one| minute.saturating_sub(one.at) < 60) {
            sums.iter_mut().zip(one.verdicts).for_each(|(sum, count)| *sum += u64::from(count));
        }
        named(&Verdict::NAMES, &sums)
    }
}

fn named(names: &[&'static str], counts: &[u64]) -> Vec<(&'static str, u64)> {
    names.iter().copied().zip(counts.iter().copied()).collect()
}

/// What becomes of exchanges: the last are those of which their callers were to blame, or who left.
const OUTCOMES: [&str; 3] = ["served", "failed", "other"];
const VERDICTS: usize = Verdict::NAMES.len();
const REFUSALS: usize = Refusal::NAMES.len();
const CAUSES: usize = Cause::ALL.len();
const MINUTES: usize = 60;
const HOURS: usize = 24;
/// In milliseconds.
const HOUR: i64 = 3_600_000;

fn place_of(hour: Wall) -> usize {
    hour.0.div_euclid(HOUR).rem_euclid(HOURS as i64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_day_is_told_hour_by_hour_with_those_in_which_nothing_was() {
        let mut tally = Tally::default();
        let at = |hour: i64| Wall(hour * HOUR + 5);
        tally.ended(true, false, true, at(100));
        tally.ended(false, true, false, at(102));
        let day = tally.last_day(at(102));
        assert_eq!(day.len(), 24);
        let told: Vec<_> = day[21..].iter().map(|h| (h.served, h.failed, h.waited)).collect();
        assert_eq!(told, [(1, 0, 1), (0, 0, 0), (0, 1, 0)]);
        assert!(tally.last_day(at(124)).iter().all(|hour| hour.served == 0));
    }

    #[test]
    fn the_last_hour_forgets_minute_by_minute() {
        let mut tally = Tally::default();
        tally.verdict(Verdict::Served, Mono(0));
        tally.verdict(Verdict::Served, Mono(30 * 60_000));
        let served = |tally: &Tally, minute: u64| tally.last_hour(Mono(minute * 60_000))[0];
        assert_eq!(served(&tally, 59), ("served", 2));
        assert_eq!(served(&tally, 60), ("served", 1));
        assert_eq!(served(&tally, 90), ("served", 0));
        assert_eq!(tally.verdicts()[0], ("served", 2));
    }
}
