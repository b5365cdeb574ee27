//! Counts of what came of attempts: since the start, and over the last hour.

use crate::{call::Refusal, rest::Cause, time::Mono, verdict::Verdict};

/// Counters of the whole pool.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) exchanges: u64,
    pub(crate) under_way: u64,
    pub(crate) kept_conversations: u64,
    verdicts: [u64; VERDICTS],
    refusals: [u64; REFUSALS],
    cooldowns: [u64; CAUSES],
    minutes: Box<[Minute; MINUTES]>,
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
            verdicts: [0; VERDICTS],
            refusals: [0; REFUSALS],
            cooldowns: [0; CAUSES],
            minutes: Box::new([Minute { at: 0, verdicts: [0; VERDICTS] }; MINUTES]),
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

const VERDICTS: usize = Verdict::NAMES.len();
const REFUSALS: usize = Refusal::NAMES.len();
const CAUSES: usize = Cause::ALL.len();
const MINUTES: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

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
