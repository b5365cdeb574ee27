//! What a project may spend on a model, as Google told it.
//!
//! Google publishes no limits per project; a refusal names the one that was met. So every limit is
//! learned one by one, and what one project was told is taken to hold for the others of its tier
//! until they are told otherwise: tiers are few, and a limit that is known need not be run into.

use std::fmt;

use crate::{learned::list, wire::Quota};

/// One kind of limit: what is counted, over which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Axis {
    MinuteRequests,
    MinuteTokens,
    DayRequests,
    DayTokens,
}

impl Axis {
    /// Whether it is counted over a day.
    pub(crate) fn is_of_day(self) -> bool {
        matches!(self, Axis::DayRequests | Axis::DayTokens)
    }

    pub(crate) const ALL: [Axis; 4] =
        [Axis::MinuteRequests, Axis::MinuteTokens, Axis::DayRequests, Axis::DayTokens];

    /// The kind of a quota that Google named; others than of requests and prompts' tokens are not
    /// counted here (`gemini-api.md` §3.4 has the ids).
    pub(crate) fn of(quota: &Quota) -> Option<Axis> {
        let tokens = quota.id.contains("InputTokens");
        if !tokens && !quota.id.contains("Requests") {
            return None;
        }
        match (quota.id.contains("PerDay"), quota.id.contains("PerMinute")) {
            (true, _) if tokens => Some(Axis::DayTokens),
            (true, _) => Some(Axis::DayRequests),
            (_, true) if tokens => Some(Axis::MinuteTokens),
            (_, true) => Some(Axis::MinuteRequests),
            _ => None,
        }
    }
}

/// The limits of one project on one model; what is not known is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allowance {
    /// By [`Axis`]; 0 where nothing is known: a limit of zero is no quota but a closed model.
    limits: [u32; 4],
}

impl Allowance {
    pub(crate) fn limit(&self, axis: Axis) -> Option<u32> {
        Some(self.limits[axis as usize]).filter(|limit| *limit > 0)
    }

    pub(crate) fn set(&mut self, axis: Axis, limit: Option<u32>) {
        self.limits[axis as usize] = limit.unwrap_or(0);
    }

    /// Whether a minute's limit is among those known, so that minutes are worth counting.
    pub(crate) fn has_minute(&self) -> bool {
        self.limits[Axis::MinuteRequests as usize] | self.limits[Axis::MinuteTokens as usize] != 0
    }

    pub(crate) fn is_complete(&self) -> bool {
        !self.limits.contains(&0)
    }

    /// Whether both may be of one tier: they agree in at least one limit, and differ in none.
    fn is_kin(&self, other: &Allowance) -> bool {
        let both = self.limits.iter().zip(&other.limits).filter(|(a, b)| **a > 0 && **b > 0);
        let mut agree = false;
        for (a, b) in both {
            if a != b {
                return false;
            }
            agree = true;
        }
        agree
    }

    /// Takes what is not known from another of the same tier.
    fn fill(&mut self, other: &Allowance) {
        for (mine, theirs) in self.limits.iter_mut().zip(&other.limits) {
            if *mine == 0 {
                *mine = *theirs;
            }
        }
    }
}

impl fmt::Display for Allowance {
    /// As [`Allowance::parse`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [minute_requests, minute_tokens, day_requests, day_tokens] = self.limits;
        write!(f, "{minute_requests},{minute_tokens},{day_requests},{day_tokens}")
    }
}

impl Allowance {
    /// Reads what was kept of limits.
    pub(crate) fn parse(text: &str) -> Option<Allowance> {
        list(text).map(|limits| Allowance { limits })
    }
}

/// The tiers that were met on one quota, latest first.
#[derive(Debug, Default)]
pub(crate) struct Tiers {
    known: Vec<Allowance>,
}

impl Tiers {
    /// What a project of unknown tier is taken to have: that of the tier met last whose day is
    /// limited, as far as that is known.
    pub(crate) fn likeliest(&self) -> Option<&Allowance> {
        self.known.iter().find(|tier| tier.limit(Axis::DayRequests).is_some())
    }

    /// A project's limits were told: its tier is known better.
    pub(crate) fn learn(&mut self, told: &Allowance) {
        let place = self.known.iter().position(|tier| tier.is_kin(told));
        let mut tier = place.map_or(*told, |place| self.known.remove(place));
        tier.fill(told);
        self.known.insert(0, tier);
        self.known.truncate(MAX_TIERS);
    }

    /// All of them, latest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Allowance> {
        self.known.iter()
    }

    /// A tier that was met before the pool started anew: earlier than all that are known.
    pub(crate) fn recall(&mut self, told: &Allowance) {
        let has_room = self.known.len() < MAX_TIERS;
        match self.known.iter_mut().find(|tier| tier.is_kin(told)) {
            Some(tier) => tier.fill(told),
            None if has_room => self.known.push(*told),
            None => {}
        }
    }

    /// What a project's tier says of limits that the project was not told.
    pub(crate) fn complete(&self, allowance: &mut Allowance) {
        if let Some(tier) = self.known.iter().find(|tier| tier.is_kin(allowance)) {
            allowance.fill(tier);
        }
    }
}

/// Tiers remembered on one quota: Google has a free one and three that are paid; the rest is for
/// projects with limits of their own.
const MAX_TIERS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn allowance(limits: [u32; 4]) -> Allowance {
        Allowance { limits }
    }

    #[test]
    fn the_kind_of_a_quota_is_read_from_its_id() {
        let axis = |id: &str| Axis::of(&Quota { id: id.into(), ..Quota::default() });
        let table = [
            ("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", Some(Axis::MinuteRequests)),
            ("GenerateContentInputTokensPerModelPerMinute-FreeTier", Some(Axis::MinuteTokens)),
            ("GenerateRequestsPerDayPerProjectPerModel-FreeTier", Some(Axis::DayRequests)),
            ("GenerateContentInputTokensPerModelPerDay-FreeTier", Some(Axis::DayTokens)),
            ("GenerateContentPaidTierInputTokensPerModelPerMinute", Some(Axis::MinuteTokens)),
            ("PredictImagesPerDayPerProjectPerModel", None),
            ("Requests", None),
        ];
        for (id, expected) in table {
            assert_eq!(axis(id), expected, "{id}");
        }
    }

    #[test]
    fn what_one_project_was_told_completes_another_of_its_tier_and_of_no_other() {
        let mut tiers = Tiers::default();
        tiers.learn(&allowance([5, 0, 20, 0]));
        tiers.learn(&allowance([1000, 0, 0, 0]));
        tiers.learn(&allowance([0, 250_000, 20, 0]));

        let mut free = allowance([0, 0, 20, 0]);
        tiers.complete(&mut free);
        assert_eq!(free, allowance([5, 250_000, 20, 0]));
        let mut odd = allowance([7, 0, 20, 0]);
        tiers.complete(&mut odd);
        assert_eq!(odd, allowance([7, 0, 20, 0]), "it differs in one limit");
        assert_eq!(tiers.known.len(), 2);
    }

    #[test]
    fn tiers_are_bounded() {
        let mut tiers = Tiers::default();
        (1..100).for_each(|limit| tiers.learn(&allowance([0, 0, limit, 0])));
        assert_eq!(tiers.known.len(), MAX_TIERS);
        assert_eq!(tiers.likeliest(), Some(&allowance([0, 0, 99, 0])));
    }
}
