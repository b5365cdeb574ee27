//! What all keys together may spend on one quota today, and for whom it is kept.
//!
//! Nobody is to be worse off for joining: whatever a contributor's own keys alone would have
//! served, the pool serves, with whichever key. Calls within that are *entitled*; all others
//! *borrow*, and get what is left over once the entitled calls still to come today are provided
//! for. How many come is the sum of what each contributor usually wants of a day, so that keys that
//! join or leave bring theirs or take it with them; when in the day, is learned of all together.
//!
//! One account for all, not one a contributor: many people's demand is far steadier than one's, and
//! a decision costs the same with ten keys and a million. Among borrowers, who has had more of the
//! left-over for what they bring finds it empty earlier: as in telephony, the last lines are kept
//! for those who have had less. So it is shared out max-min fairly without anybody waiting in turn.

mod hours;
mod kept;
mod pace;
mod tokens;

use self::{
    hours::{HOURS, Hours},
    pace::Pace,
    tokens::OfTokens,
};
use crate::{
    habit::{self, Learning},
    id::KeyId,
    meter::{Booked, Taken},
    quota::{Axis, Tiers},
    record::Room,
    time::Mono,
};

/// The account of one quota.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) tiers: Tiers,
    day: u32,
    /// The last day on which a call was sent, or Google told of it: what is not used is forgotten one
    /// day.
    used: u32,
    /// What the keys may spend a day, as far as that is limited, and what of it they have spent.
    capacity: u64,
    spent: u64,
    /// Projects booked.
    projects: u32,
    /// Those of them whose day's limit is known.
    told: u32,
    /// What those may spend a minute of which that is known, and how many the others are.
    a_minute: u64,
    boundless_minutes: u32,
    /// Entitled calls today.
    taken: u64,
    hours: Hours,
    /// Entitled calls that are usual in a day, and how far they vary (squared);
    usual: f64,
    spread: f64,
    /// and how much of them comes at once, times all that come,
    clumps: f64,
    /// as far as today has not brought it.
    loose: f64,
    /// What a day brings at the very most, and what today may yet.
    peaks: u64,
    most: u64,
    /// What was borrowed today, and the weight of those who asked.
    borrowed: u64,
    weight: u64,
    /// What each access token had of the left-over today.
    tokens: OfTokens,
    pace: Pace,
    /// What other parts of the pool usually have served here that they owe,
    guests: Learning,
    /// and have had served today.
    guests_taken: u32,
    /// Something was learned that is not kept yet.
    pub(crate) changed: bool,
}

/// The present moment in a ledger's terms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Moment {
    pub(crate) today: u32,
    /// Hours left of the day.
    pub(crate) hours_left: f32,
    pub(crate) now: Mono,
}

impl Moment {
    /// The hour of the day, from midnight.
    pub(crate) fn hour(&self) -> usize {
        (self.passed() as usize).min(HOURS - 1)
    }

    /// The minute of the hour.
    pub(crate) fn minute(&self) -> u8 {
        (self.passed().fract() * 60.0) as u8
    }

    /// What is left of the present hour.
    fn of_hour(&self) -> f32 {
        1.0 - self.passed().fract()
    }

    fn passed(&self) -> f32 {
        (HOURS as f32 - self.hours_left).max(0.0)
    }

    fn of_day(&self) -> f32 {
        (self.hours_left / HOURS as f32).clamp(0.0, 1.0)
    }
}

/// What a ledger is beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beside {
    /// Keys that lend and of which nothing is booked.
    pub(crate) newcomers: u32,
    /// Of how many parts of a pool it is one. What one lacks the others have: together they need
    /// the safety of one.
    pub(crate) parts: u8,
}

/// Who borrows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Borrower {
    /// A contributor.
    Brings {
        /// Calls borrowed today.
        borrowed: u32,
        /// What the own keys may spend a day.
        weight: u32,
        /// The own keys alone would serve it, too, but later: their day is not spent, only their minute.
        ahead: bool,
    },
    /// A contributor of another part of the pool.
    Guest,
    /// Who brings nothing of use here.
    Nobody,
    /// An access token: nothing either, but known from one call to the next.
    Token {
        /// Calls borrowed today.
        borrowed: u32,
    },
}

impl Ledger {
    /// Begins another day.
    pub(crate) fn turn(&mut self, today: u32) {
        if self.day == today {
            return;
        }
        if self.day != 0 {
            self.hours.learn();
            self.changed |= self.used == self.day;
        }
        let days = if self.day == 0 { 1 } else { today.saturating_sub(self.day) };
        self.guests.learn(std::mem::take(&mut self.guests_taken), days);
        self.day = today;
        (self.loose, self.most) = (self.clumps, self.peaks);
        (self.spent, self.taken, self.borrowed, self.weight) = (0, 0, 0, 0);
        self.tokens = OfTokens::default();
    }

    /// Replaces what is booked of one project, of which so much was taken today.
    pub(crate) fn rebook(&mut self, old: Booked, new: Booked, taken: u32) {
        if old == new {
            return;
        }
        self.capacity = (self.capacity + u64::from(new.capacity)) - u64::from(old.capacity);
        self.spent = (self.spent + u64::from(new.spent)).saturating_sub(u64::from(old.spent));
        self.a_minute = (self.a_minute + u64::from(new.a_minute)) - u64::from(old.a_minute);
        self.projects = self.projects + u32::from(new.counts) - u32::from(old.counts);
        self.told = self.told + u32::from(new.told) - u32::from(old.told);
        self.boundless_minutes =
            self.boundless_minutes + u32::from(new.boundless) - u32::from(old.boundless);
        self.usual += f64::from(new.usual) - f64::from(old.usual);
        self.spread += f64::from(new.spread) - f64::from(old.spread);
        self.clumps += f64::from(new.clump) - f64::from(old.clump);
        self.loose += f64::from(new.loose()) - f64::from(old.loose());
        self.peaks = (self.peaks + u64::from(new.peak())).saturating_sub(u64::from(old.peak()));
        self.most = (self.most + new.most(taken)).saturating_sub(old.most(taken));
    }

    /// A first limit is known: of today's calls so many were within it.
    pub(crate) fn begins(&mut self, taken: u64, moment: Moment) {
        self.taken = taken;
        self.hours.begin(taken, moment);
    }

    /// Whether the day's limits bind: that of one key says little of a pool whose others were never
    /// told any.
    pub(crate) fn is_bounded(&self, beside: Beside) -> bool {
        self.told > 0 && 2 * self.told >= self.projects + beside.newcomers
    }

    /// What a project that was not told may spend a day, most likely.
    pub(crate) fn day_limit(&self) -> Option<u32> {
        self.tiers.likeliest().and_then(|tier| tier.limit(Axis::DayRequests))
    }

    /// Projects of which something is booked.
    pub(crate) fn projects(&self) -> u32 {
        self.projects
    }

    /// The day that it is of.
    pub(crate) fn day(&self) -> u32 {
        self.day
    }

    /// An entitled call came.
    pub(crate) fn took(&mut self, taken: Taken, moment: Moment) {
        self.taken += 1;
        self.most = self.most.saturating_sub(u64::from(taken.expected));
        self.changed = true;
        self.hours.came(moment);
        self.pace.came(moment.now);
    }

    /// It did not come after all.
    pub(crate) fn untook(&mut self, taken: Taken, moment: Moment) {
        self.most += u64::from(taken.expected);
        self.taken = self.taken.saturating_sub(1);
        self.changed = true;
        self.hours.left(moment);
    }

    /// Google told of it, under whatever name.
    pub(crate) fn is_used(&mut self, today: u32) {
        self.used = self.used.max(today);
    }

    /// A call came that another part of the pool owes.
    pub(crate) fn took_in(&mut self, moment: Moment) {
        self.guests_taken = self.guests_taken.saturating_add(1);
        self.guests.came(moment);
    }

    /// It was not served here after all.
    pub(crate) fn left_again(&mut self) {
        self.guests_taken = self.guests_taken.saturating_sub(1);
        self.guests.left();
    }

    /// A call is about to be sent.
    pub(crate) fn sends(&mut self, now: Mono) {
        self.used = self.day;
        self.pace.sends(now);
    }

    /// A borrower asks for the first time today.
    pub(crate) fn joins(&mut self, borrower: Borrower) {
        if let Borrower::Brings { weight, .. } = borrower {
            self.weight += u64::from(weight);
        }
    }

    pub(crate) fn lent(&mut self) {
        self.borrowed += 1;
    }

    pub(crate) fn unlent(&mut self) {
        self.borrowed = self.borrowed.saturating_sub(1);
    }

    pub(crate) fn borrowed_by(&self, token: KeyId) -> u32 {
        self.tokens.of(token)
    }

    pub(crate) fn lent_to(&mut self, token: KeyId) {
        self.tokens.lent(token);
    }

    pub(crate) fn unlent_to(&mut self, token: KeyId) {
        self.tokens.unlent(token);
    }

    /// What is left of the day, and how much of it is kept for entitled calls.
    pub(crate) fn outlook(&self, beside: Beside, moment: Moment) -> Room {
        let more = u64::from(beside.newcomers) * u64::from(self.day_limit().unwrap_or(0));
        let capacity = self.capacity + more;
        let left = capacity.saturating_sub(self.spent);
        let guests = self.guests.as_learned().most(u32::MAX).saturating_sub(self.guests_taken);
        let most = self.most + more + u64::from(guests);
        let most = capacity.saturating_sub(self.taken).min(most);
        Room { left, kept: self.to_come(beside, more, moment).min(most) }
    }

    /// The same for a borrower, from whom something is kept for others who have had less.
    pub(crate) fn outlook_of(&self, borrower: Borrower, beside: Beside, moment: Moment) -> Room {
        let Room { left, kept } = self.outlook(beside, moment);
        let for_others = self.kept_for_others(borrower, moment).max(0);
        Room { left, kept: kept.saturating_add(for_others.unsigned_abs()) }
    }

    /// Entitled calls to provide for until midnight: the share of the usual day that comes after
    /// this hour, and more, for days differ, calls come by chance, and some come all at once.
    fn to_come(&self, beside: Beside, more: u64, moment: Moment) -> u64 {
        let share = f64::from(self.hours.to_come(moment));
        let guests = self.guests.as_learned();
        let usual = self.usual.max(0.0) + more as f64 * f64::from(habit::NEW_USE);
        let mean = (usual + f64::from(guests.usual)) * share;
        let of_days = (self.spread.max(0.0) + f64::from(guests.spread)) * share * share;
        let of_clumps = self.loose.max(0.0) * share * (1.0 - share);
        let safety = (SAFETY / f64::from(beside.parts.max(1)).sqrt()).max(PART_SAFETY);
        (mean + safety * (mean + of_days + of_clumps + AT_LEAST).sqrt()).ceil() as u64
    }

    /// What is left of the day and kept for nobody.
    pub(crate) fn left_over(&self, beside: Beside, moment: Moment) -> i64 {
        let Room { left, kept } = self.outlook(beside, moment);
        left as i64 - kept as i64
    }

    /// Whether a call that borrows may be served.
    pub(crate) fn lends(&mut self, borrower: Borrower, beside: Beside, moment: Moment) -> bool {
        let day = !self.is_bounded(beside) || self.outlook_of(borrower, beside, moment).has_more();
        let ahead = matches!(borrower, Borrower::Brings { ahead: true, .. });
        day && (ahead || self.minute(moment.now).is_none_or(Room::has_more))
    }

    /// Whether so little is left that it matters with whose key a call is served.
    pub(crate) fn is_scarce(&self, left_over: i64, moment: Moment) -> bool {
        left_over <= 2 * self.headroom(moment)
    }

    /// What a borrower leaves to those who have had less for what they bring.
    fn kept_for_others(&self, borrower: Borrower, moment: Moment) -> i64 {
        let headroom = self.headroom(moment);
        let (borrowed, weight) = match borrower {
            Borrower::Brings { borrowed, weight, .. } => (borrowed, weight.max(1)),
            Borrower::Guest => return 0,
            Borrower::Nobody => return 2 * headroom,
            Borrower::Token { borrowed } => {
                let above = self.tokens.above(borrowed);
                return 2 * headroom + (headroom as f64 * above) as i64;
            }
        };
        let mean = self.borrowed as f64 / self.weight.max(1) as f64;
        let level = f64::from(borrowed) / f64::from(weight);
        (headroom as f64 * above(level, mean)) as i64
    }

    fn headroom(&self, moment: Moment) -> i64 {
        (self.capacity as f32 * HEADROOM * moment.of_day()) as i64
    }

    /// An entitled call found no key that could serve it now.
    pub(crate) fn ran_dry(&mut self, now: Mono) {
        if self.boundless_minutes == 0 && self.a_minute > 0 {
            self.pace.ran_dry(self.a_minute, now);
        }
    }

    /// What the minute has room for, and the entitled calls that it may bring yet; nothing where
    /// not all limits are known.
    pub(crate) fn minute(&mut self, now: Mono) -> Option<Room> {
        if self.boundless_minutes > 0 || self.a_minute == 0 {
            return None;
        }
        Some(self.pace.room(self.a_minute, now))
    }
}

/// Who has had less than the mean finds nothing kept; who has had twice as much finds all.
fn above(level: f64, mean: f64) -> f64 {
    ((level - mean) / mean.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0)
}

/// The reserve covers the expected by so many standard deviations: far more than chance alone asks
/// for, as people change their ways from one day to the next.
const SAFETY: f64 = 4.0;
/// Parts of a split pool help each other out, so that each needs less; but help that is not near
/// comes too late: with less than this some found nothing at the end of the day.
const PART_SAFETY: f64 = 2.0;
/// Somebody may call in the day's last minutes, whatever was seen.
const AT_LEAST: f64 = 0.15;
/// What is kept of a day for borrowers who have had less.
const HEADROOM: f32 = 0.03;
