//! A quota's ledger as it outlives a restart; [`crate::learned`] has the rule.
//!
//! Only what no key's own text tells: the hours of the day, and the tiers in the order in which they
//! were met. Sums are made anew out of the keys' accounts.

use super::{
    Ledger,
    hours::{HOURS, Hours},
};
use crate::{
    learned::{Words, joined},
    quota::Allowance,
};

impl Ledger {
    /// The day of its last use, and its lines.
    pub(crate) fn lines(&self) -> (u32, Vec<String>) {
        let Hours { days, usual, today, from, before, .. } = &self.hours;
        let from = from.map_or(NOWHERE, |hour| hour as u32);
        let (usual, today) = (joined(usual), joined(today));
        let hours = format!("{HOURS_OF} {} {days} {from} {before} {usual} {today}", self.day);
        let used = format!("{USED} {}", self.used);
        let tiers = self.tiers.all().map(|tier| format!("{TIER} {tier}"));
        (self.used, [hours, used].into_iter().chain(tiers).collect())
    }

    /// The day that lines say their quota was used last; before such a line was written, that of its hours.
    pub(crate) fn last_use(lines: &str) -> Option<u32> {
        let used = lines.lines().find_map(|line| Words::of(line, USED, 1)?.number());
        used.or_else(|| lines.lines().find_map(|line| Some(read(line)?.0)))
    }

    /// Takes one of those lines in, if it is one; tiers in the order in which they are written.
    pub(crate) fn recall(&mut self, line: &str) {
        if let Some((day, hours)) = read(line) {
            (self.day, self.hours, self.used) = (day, hours, day);
        } else if let Some(used) = Words::of(line, USED, 1).and_then(|mut words| words.number()) {
            self.used = used;
        } else if let Some(tier) = Words::of(line, TIER, 1).and_then(|mut words| words.word()) {
            Allowance::parse(tier).iter().for_each(|tier| self.tiers.recall(tier));
        }
    }

    /// An account of today's that was kept is part of the day again.
    pub(crate) fn recall_account(&mut self, taken: u32, borrowed: u32, asked: Option<u32>) {
        self.taken += u64::from(taken);
        self.borrowed += u64::from(borrowed);
        self.weight += u64::from(asked.unwrap_or(0));
    }

    /// What a contributor weighs who asks, as far as it is known.
    pub(crate) fn weight_of(&self, own_day: Option<u32>) -> u32 {
        own_day.or_else(|| self.day_limit()).unwrap_or(1)
    }
}

fn read(line: &str) -> Option<(u32, Hours)> {
    let mut words = Words::of(line, HOURS_OF, 6)?;
    let day = words.number()?;
    let (days, from) = (words.number()?, words.number::<u32>()? as usize);
    let before = words.number()?;
    let usual: [f32; HOURS] = words.list()?;
    let shares = usual.iter().all(|share| (0.0..=1.0).contains(share));
    let today: [u32; HOURS] = words.list()?;
    let from = Some(from).filter(|hour| *hour < HOURS);
    let mut hours = Hours { days, usual, today, from, before, ..Hours::default() };
    hours.sum_up();
    shares.then_some((day, hours))
}

/// The facts' names.
const HOURS_OF: &str = "hours";
const TIER: &str = "tier";
const USED: &str = "used";
/// No hour of the day.
const NOWHERE: u32 = HOURS as u32;
