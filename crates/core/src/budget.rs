//! How many retries trouble upstream is worth.
//!
//! When Google as a whole is in trouble, trying every call four times makes four times the load
//! and no more answers. So retries for upstream trouble are a share of the calls of the last ten
//! seconds, with a floor for quiet pools. Retries that a key caused are not counted: each of them
//! puts a key to rest, so they end by themselves.

use crate::time::Mono;

/// Counts calls and retries over a sliding window of seconds.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    seconds: [Second; WINDOW],
}

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    at: u64,
    calls: u32,
    retries: u32,
}

impl Budget {
    pub(crate) fn call(&mut self, now: Mono) {
        self.second(now).calls += 1;
    }

    /// Takes a retry out of the budget, if there is one left.
    pub(crate) fn retry(&mut self, now: Mono) -> bool {
        let second = now.0 / 1000;
        let recent = |one: &&Second| second.saturating_sub(one.at) < WINDOW as u64;
        let (calls, retries) =
            self.seconds.iter().filter(recent).fold((0u64, 0u64), |(c, r), one| {
                (c + u64::from(one.calls), r + u64::from(one.retries))
            });
        let allowed = (calls * SHARE_PERCENT / 100).max(FLOOR);
        if retries < allowed {
            self.second(now).retries += 1;
        }
        retries < allowed
    }

    fn second(&mut self, now: Mono) -> &mut Second {
        let at = now.0 / 1000;
        let second = &mut self.seconds[at as usize % WINDOW];
        if second.at != at {
            *second = Second { at, calls: 0, retries: 0 };
        }
        second
    }
}

/// Seconds over which calls and retries are compared.
const WINDOW: usize = 10;
/// Retries as a share of calls: enough for single hiccups, too little to make an outage worse.
const SHARE_PERCENT: u64 = 20;
/// Retries that are always there, so that a quiet pool retries at all.
const FLOOR: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(budget: &mut Budget, asked: u32, now: Mono) -> usize {
        (0..asked).filter(|_| budget.retry(now)).count()
    }

    #[test]
    fn a_quiet_pool_has_ten_retries_and_a_busy_one_a_fifth_of_its_calls() {
        let mut budget = Budget::default();
        assert_eq!(granted(&mut budget, 50, Mono(0)), 10);

        let later = Mono(60_000);
        (0..1000).for_each(|_| budget.call(later));
        assert_eq!(granted(&mut budget, 500, Mono(65_000)), 200);
    }

    #[test]
    fn what_lies_ten_seconds_back_is_forgotten() {
        let mut budget = Budget::default();
        (0..1000).for_each(|_| budget.call(Mono(0)));
        assert_eq!(granted(&mut budget, 500, Mono(10_000)), 10);
        assert_eq!(granted(&mut budget, 500, Mono(19_999)), 0);
        assert_eq!(granted(&mut budget, 500, Mono(20_000)), 10);
    }
}
