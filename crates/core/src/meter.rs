//! One project's account of one quota: what it may spend, what it spent, and what its contributor
//! took from the pool.
//!
//! A refusal of Google's costs a caller time, so the pool counts what it sends and stops before
//! the limit. The limits are learned ([`Allowance`]); the counts are of what was sent by us, and
//! where Google refuses below a limit, somebody else spends of the same quota, and it counts as
//! spent. Limits are raised too: one that only the count enforces is tried once in a while.

mod kept;

use std::time::Duration;

use crate::{
    habit::{Habit, Learning},
    ledger::Moment,
    quota::{Allowance, Axis, Tiers},
    rare::{Rare, Usual},
    rest::Cause,
    time::Mono,
    verdict::size_bound,
    window::Window,
};

pub(crate) use kept::{Elsewhere, Kept};

/// Counts of one project on one quota. Two lines of memory: with a million keys, what is waited for
/// is memory.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Meter {
    /// The lane of the quota.
    pub(crate) lane: u16,
    /// Limits in force, told or taken from the tier.
    pub(crate) allowance: Allowance,
    /// The day that the counts are of.
    day: Day,
    requests: u32,
    tokens: u32,
    /// Counted only where a minute's limit is known.
    minute: Window,
    seldom: Rare<Seldom>,
    /// Calls of the contributor's today that the own keys alone would have served,
    pub(crate) taken: u32,
    /// and calls beyond them that were served.
    pub(crate) borrowed: u32,
    /// What the lane's ledger holds of this meter.
    pub(crate) booked: Booked,
    /// What the contributor mostly wants of a day.
    pub(crate) habit: Learning,
    met: Met,
    /// The contributor wanted more today than the own keys have.
    pub(crate) asked: bool,
    /// The day on which Google last said that the limits hold, or was asked whether.
    confirmed: Day,
}

/// Which day's end was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Met {
    No,
    /// The day before was spent, as far as is known.
    Yesterday,
    /// Google refused a call today. Others that were under way meet the same end: of what was counted
    /// they were not served, and say nothing else.
    Today,
}

/// A day's number, good for a hundred years more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Day(u16);

impl Day {
    fn of(number: u32) -> Day {
        Day(u16::try_from(number).unwrap_or(u16::MAX))
    }

    /// Days from this one to another.
    fn until(self, number: u32) -> u32 {
        number.saturating_sub(self.0.into())
    }
}

/// What few projects need counted.
#[derive(Clone, Debug)]
struct Seldom {
    /// Prompts near a minute's tokens are not for this project before then.
    large_from: Mono,
    /// Calls of the contributor's last minute that the own keys alone would have served, where no
    /// day's limit is known.
    taken_minute: Window,
    /// The project was served beyond what is usual.
    unlike: bool,
    /// Requests of the project's day that others spend, as they were last: another key of it that nobody
    /// knows to be one, or the contributor without us. Keys that share a project have each what it could
    /// spend, so that together they are as large as the project, whoever is whose.
    elsewhere: u32,
}

impl Usual for Seldom {
    const USUAL: &'static Seldom =
        &Seldom { large_from: Mono(0), taken_minute: Window::EMPTY, unlike: false, elsewhere: 0 };
}

impl Default for Seldom {
    fn default() -> Self {
        Self::USUAL.clone()
    }
}

/// A call that the own keys alone would have served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// It was among the most that was booked.
    pub(crate) expected: bool,
}

/// What a ledger holds of one project.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Booked {
    pub(crate) capacity: u32,
    pub(crate) spent: u32,
    /// What it may spend a minute, while its day is not spent;
    pub(crate) a_minute: u32,
    /// as much as it likes, as far as is known.
    pub(crate) boundless: bool,
    pub(crate) counts: bool,
    /// Its day's limit is known, not only likely.
    pub(crate) told: bool,
    /// The contributor's habits, see [`Habit`].
    pub(crate) usual: f32,
    pub(crate) spread: f32,
    pub(crate) clump: f32,
    /// Most of the usual has come today: no clump is to be waited for.
    pub(crate) settled: bool,
}

impl Booked {
    /// What a whole day may bring at the very most.
    pub(crate) fn peak(&self) -> u32 {
        let Booked { usual, spread, clump, .. } = *self;
        Habit { usual, spread, clump }.most(self.capacity)
    }

    /// What today may yet bring of that, if so much has come.
    pub(crate) fn most(&self, taken: u32) -> u64 {
        self.peak().saturating_sub(taken).into()
    }

    /// What may yet come at once today.
    pub(crate) fn loose(&self) -> f32 {
        if self.settled { 0.0 } else { self.clump }
    }
}

impl Meter {
    pub(crate) fn new(lane: u16, today: u32) -> Meter {
        Meter {
            lane,
            allowance: Allowance::default(),
            day: Day::of(today),
            requests: 0,
            tokens: 0,
            minute: Window::EMPTY,
            seldom: Rare::default(),
            taken: 0,
            borrowed: 0,
            booked: Booked::default(),
            habit: Learning::default(),
            met: Met::No,
            asked: false,
            confirmed: Day::of(today),
        }
    }

    /// Begins the day anew if there is another one.
    pub(crate) fn turn(&mut self, today: u32) {
        if self.day != Day::of(today) {
            let limit = self.own_day().unwrap_or(u32::MAX);
            self.habit.learn(self.taken.min(limit), self.day.until(today));
            self.met = if self.is_spent() { Met::Yesterday } else { Met::No };
            self.day = Day::of(today);
            (self.requests, self.tokens) = (0, 0);
            (self.taken, self.borrowed, self.asked) = (0, 0, false);
            (self.booked.spent, self.booked.settled) = (0, false);
            if self.confirmed.until(today) > BELIEVED_FOR_DAYS {
                self.allowance = Allowance::default();
                self.confirmed = Day::of(today);
                self.clear_elsewhere();
            }
        }
    }

    /// Requests of a day that are not spent elsewhere; nothing where no limit is known. One in any
    /// case: nobody else would find out that the day is ours again.
    pub(crate) fn own_day(&self) -> Option<u32> {
        let limit = self.allowance.limit(Axis::DayRequests)?;
        Some(limit.saturating_sub(self.seldom.elsewhere).max(1))
    }

    /// Whether more was sent than is not spent elsewhere. Not where Google said today what is.
    pub(crate) fn is_beyond_own_day(&self) -> bool {
        let limit = self.allowance.limit(Axis::DayRequests).unwrap_or(u32::MAX);
        let elsewhere = self.seldom.elsewhere;
        let beyond = self.requests > limit.saturating_sub(elsewhere);
        elsewhere > 0 && self.met != Met::Today && beyond
    }

    /// So many requests of a day are spent elsewhere.
    pub(crate) fn set_elsewhere(&mut self, requests: u32) {
        // What is as usual takes no memory.
        if self.seldom.elsewhere != requests {
            self.seldom.elsewhere = requests;
        }
    }

    /// The whole day is ours, as far as is known.
    pub(crate) fn clear_elsewhere(&mut self) {
        self.set_elsewhere(0);
    }

    /// The day's limit was met. Says how many requests were counted by then, if that is known.
    fn met_day(&mut self, limit: u32) -> Option<u32> {
        let counted = self.requests;
        // More may be under way than there was room for.
        self.requests = counted.max(limit);
        if self.met == Met::Today {
            // Counted when the day was met, though it was refused as well.
            let late = limit.saturating_sub(counted);
            self.set_elsewhere((self.seldom.elsewhere + late).min(limit));
            return None;
        }
        self.met = Met::Today;
        let known_since_before = self.seldom.elsewhere > 0 && counted >= limit;
        if known_since_before {
            return None;
        }
        self.set_elsewhere(limit.saturating_sub(counted));
        Some(counted)
    }

    /// Whether the day before `today` was spent to its end, as far as is known.
    pub(crate) fn was_spent(&self, today: u32) -> bool {
        if self.day == Day::of(today) { self.met == Met::Yesterday } else { self.is_spent() }
    }

    /// Google served: today is another day there, too.
    pub(crate) fn thaws(&mut self) {
        if self.met == Met::Yesterday {
            self.met = Met::No;
        }
    }

    fn is_spent(&self) -> bool {
        let limit = |axis| self.allowance.limit(axis).unwrap_or(u32::MAX);
        let requests = self.own_day().unwrap_or(u32::MAX);
        self.requests >= requests || self.tokens >= limit(Axis::DayTokens)
    }

    /// Requests of the present day.
    pub(crate) fn requests(&self) -> u32 {
        self.requests
    }

    /// Counts a call that is about to be sent.
    pub(crate) fn spend(&mut self, tokens: u32, now: Mono) {
        self.requests = self.requests.saturating_add(1);
        self.tokens = self.tokens.saturating_add(tokens);
        if let Some(minute) = self.minute() {
            minute.add(1, tokens, now);
        }
    }

    /// Takes back a call that Google refused: it spent nothing.
    pub(crate) fn unspend(&mut self, tokens: u32, at: Mono) {
        self.requests = self.requests.saturating_sub(1);
        self.tokens = self.tokens.saturating_sub(tokens);
        if let Some(minute) = self.minute() {
            minute.remove(1, tokens, at);
        }
    }

    /// Puts right the tokens of a call, once they are known.
    pub(crate) fn settle(&mut self, estimate: u32, actual: u32, now: Mono) {
        let more = actual.saturating_sub(estimate);
        self.tokens = self.tokens.saturating_add(more);
        self.tokens = self.tokens.saturating_sub(estimate.saturating_sub(actual));
        if let Some(minute) = self.minute().filter(|_| more > 0) {
            minute.add(0, more, now);
        }
    }

    /// Whether a prompt of this size fits what is left.
    pub(crate) fn fits(&self, tokens: u32, today: u32, now: Mono) -> bool {
        let spent = if self.day == Day::of(today) { self.tokens } else { 0 };
        let minute = self.allowance.limit(Axis::MinuteTokens).is_none_or(|limit| {
            if is_large(tokens, limit) {
                return self.seldom.large_from <= now;
            }
            let under = |_: u32, spent: u32| spent.saturating_add(tokens) <= limit;
            self.minute.fits_at(now, under) == Some(now)
        });
        let day = self.allowance.limit(Axis::DayTokens);
        minute && day.is_none_or(|limit| spent.saturating_add(tokens) <= limit)
    }

    /// Whether a prompt alone is too large for a minute, as one of its size was.
    pub(crate) fn is_outgrown(&self, tokens: u32, now: Mono) -> bool {
        let limit = self.allowance.limit(Axis::MinuteTokens);
        self.seldom.large_from > now && limit.is_some_and(|limit| is_large(tokens, limit))
    }

    /// What is spent, as far as is known, so that not even a small call passes; and until when.
    pub(crate) fn spent_until(&mut self, midnight: Mono, now: Mono) -> Option<(Cause, Mono)> {
        if self.is_spent() {
            return Some((Cause::Day, midnight));
        }
        let limit = |axis| self.allowance.limit(axis).unwrap_or(u32::MAX);
        let (rpm, tpm) = (limit(Axis::MinuteRequests), limit(Axis::MinuteTokens));
        let minute = self.minute()?;
        minute.turn(now);
        let at = minute.fits_at(now, |requests, tokens| requests < rpm && tokens < tpm)?;
        (at > now).then_some((Cause::Minute, at))
    }

    /// A prompt alone was refused as larger than a minute: others like it are kept away for a day.
    pub(crate) fn outgrown_by_prompt(&mut self, now: Mono) {
        self.seldom.large_from = now + LARGE_FOR;
    }

    /// The minute's counts, if there is a limit that they are for.
    fn minute(&mut self) -> Option<&mut Window> {
        self.allowance.has_minute().then_some(&mut self.minute)
    }

    /// Google named a limit, and it was yesterday's that was met.
    pub(crate) fn told_late(&mut self, axis: Axis, limit: u32, today: u32) {
        self.allowance.set(axis, Some(limit));
        self.confirmed = Day::of(today);
    }

    /// Google named a limit that was met: it is spent, whoever spent it. Says how many requests were
    /// counted here by then, if that says anything.
    pub(crate) fn told(&mut self, axis: Axis, limit: u32, today: u32, now: Mono) -> Option<u32> {
        self.allowance.set(axis, Some(limit));
        // The minutes of a day that is shared are met often; what is left of the day is to be tried
        // all the same.
        if axis.is_of_day() || self.seldom.elsewhere == 0 {
            self.confirmed = Day::of(today);
        }
        match axis {
            Axis::DayRequests => self.met_day(limit),
            Axis::MinuteRequests => {
                self.minute.turn(now);
                Some(self.minute.requests())
            }
            Axis::DayTokens => {
                self.tokens = self.tokens.max(limit);
                None
            }
            Axis::MinuteTokens => None,
        }
    }

    /// Takes what the project was not told from its tier.
    pub(crate) fn complete(&mut self, tiers: &Tiers, binds: bool) {
        if self.allowance == Allowance::default() {
            if binds && !self.seldom.unlike {
                self.presume(tiers);
            }
        } else if !self.allowance.is_complete() {
            tiers.complete(&mut self.allowance);
        }
    }

    /// A project of which nothing is known has spent what is usually the limit: it is most likely
    /// its limit as well, and may be tried all the same where nothing else is left.
    fn presume(&mut self, tiers: &Tiers) {
        let Some(tier) = tiers.likeliest() else { return };
        if tier.limit(Axis::DayRequests).is_some_and(|limit| self.requests >= limit) {
            self.allowance = *tier;
            self.confirmed = Day(0);
        }
    }

    /// Whether a limit that only the count enforces may be tried: Google raises limits too. Sooner where
    /// it is a `guess` whose count it is, or what is spent elsewhere was only seen: at first, and for
    /// the key's `own` bearer, who alone has a call to lose.
    pub(crate) fn may_try_beyond(&self, today: u32, guess: bool, own: bool) -> bool {
        let shared = self.seldom.elsewhere > 0 && self.is_spent();
        let after = match (guess, shared) {
            (true, _) => TRY_GUESS_AFTER_DAYS,
            (false, false) => TRY_BEYOND_AFTER_DAYS,
            (false, true) if own || self.habit.is_new() => TRY_GUESS_AFTER_DAYS,
            (false, true) => TRY_ELSEWHERE_AFTER_DAYS,
        };
        self.confirmed.until(today) >= after
    }

    /// A day's limit is tried: not again for a while, whatever comes of it.
    pub(crate) fn tries_beyond(&mut self, today: u32) {
        self.confirmed = Day::of(today);
    }

    /// Google served beyond a limit: less of the day is spent elsewhere, or the project is of another tier
    /// now, of which nothing is known.
    pub(crate) fn outgrew(&mut self) {
        if self.is_beyond_own_day() {
            self.clear_elsewhere();
        } else if self.met != Met::Today {
            self.allowance = Allowance::default();
            self.seldom.unlike = true;
        }
    }

    /// Whether the contributor's own keys alone would serve a call now; if so it counts as taken.
    ///
    /// Where both are known, the day's limit and the minute's: what a burst has beyond its own minutes is
    /// borrowed, or it would be taken from others who count on theirs.
    pub(crate) fn takes(&mut self, day_limit: Option<u32>, moment: Moment) -> Option<Taken> {
        let entitled = match day_limit {
            Some(limit) => self.taken < limit && self.has_own_minute(moment),
            None => self.takes_of_minute(moment.now),
        };
        if !entitled {
            return None;
        }
        self.habit.came(moment);
        self.taken = self.taken.saturating_add(1);
        Some(Taken { expected: self.taken <= self.booked.peak() })
    }

    fn has_own_minute(&self, moment: Moment) -> bool {
        let limit = self.allowance.limit(Axis::MinuteRequests);
        limit.zip(self.habit.in_minute(moment)).is_none_or(|(limit, came)| came < limit)
    }

    /// Whether what was taken changes what is booked: nothing was, or so much has come now that no
    /// clump is waited for.
    pub(crate) fn settles(&self) -> bool {
        !self.booked.counts || !self.booked.settled && is_settled(self.taken, self.booked.usual)
    }

    fn takes_of_minute(&mut self, now: Mono) -> bool {
        let Some(limit) = self.allowance.limit(Axis::MinuteRequests) else { return true };
        let minute = &mut self.seldom.taken_minute;
        minute.turn(now);
        let entitled = minute.requests() < limit;
        minute.add(u16::from(entitled), 0, now);
        entitled
    }

    /// A call that was counted as taken did not come.
    pub(crate) fn untake(&mut self) -> Taken {
        let expected = (1..=self.booked.peak()).contains(&self.taken);
        self.taken = self.taken.saturating_sub(1);
        self.habit.left();
        Taken { expected }
    }

    /// Adds another account of the same project's to this one: what it spent was spent elsewhere.
    pub(crate) fn merge(&mut self, other: Meter) {
        for axis in Axis::ALL {
            if self.allowance.limit(axis).is_none() {
                self.allowance.set(axis, other.allowance.limit(axis));
            }
        }
        if other.met != Met::Today {
            self.set_elsewhere(self.seldom.elsewhere.saturating_sub(other.requests));
        }
        self.requests = self.requests.saturating_add(other.requests);
        self.tokens = self.tokens.saturating_add(other.tokens);
        if self.met == Met::Today || other.met == Met::Today {
            self.met = Met::Today;
            let limit = self.allowance.limit(Axis::DayRequests);
            self.requests = limit.unwrap_or(self.requests);
        }
        self.taken = self.taken.saturating_add(other.taken);
        self.borrowed = self.borrowed.saturating_add(other.borrowed);
    }
}

/// Whether a contributor had so much of the usual day that it does not come all at once any more.
pub(crate) fn is_settled(taken: u32, usual: f32) -> bool {
    taken as f32 >= usual * SETTLED
}

/// Whether a prompt may be larger than a minute's tokens: estimates are rough.
fn is_large(tokens: u32, limit: u32) -> bool {
    u64::from(tokens) >= size_bound(limit.into())
}

/// The share of the usual day that this is.
const SETTLED: f32 = 0.8;
/// Limits that nothing confirmed for so long are forgotten.
pub(crate) const BELIEVED_FOR_DAYS: u32 = 60;
/// How long after Google last confirmed a limit it is tried whether more is served: at most one
/// call in two weeks is spent on it, which is less than one in two hundred of the smallest quota.
const TRY_BEYOND_AFTER_DAYS: u32 = 14;
/// A guess is soon put to the test.
const TRY_GUESS_AFTER_DAYS: u32 = 1;
/// Who spent elsewhere may have done with it; where keys share a project, each of them wastes a call.
const TRY_ELSEWHERE_AFTER_DAYS: u32 = 2;
/// Google raises limits now and then: what a large prompt met is asked again after a day.
const LARGE_FOR: Duration = Duration::from_secs(24 * 3600);
