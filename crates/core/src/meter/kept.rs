//! An account as it outlives a restart; [`crate::learned`] has the rule.
//!
//! The minute's counts are not kept: a restart takes about as long as they matter.

use super::{BELIEVED_FOR_DAYS, Day, Met, Meter, Seldom};
use crate::{
    habit::Learning,
    learned::Words,
    quota::Allowance,
    rest::Scope,
    time::{Mono, Now, Wall},
};

/// An account that was kept.
pub(crate) struct Kept {
    pub(crate) scope: Scope,
    /// Of what it is, in this pool's numbers, is not known yet: the lane is 0.
    pub(crate) meter: Meter,
    /// The key rested by the count alone.
    pub(crate) counted: bool,
}

impl Meter {
    /// One line of what a key's text holds; nothing where there is nothing to tell.
    pub(crate) fn line(&self, scope: &Scope, counted: bool, now: Now) -> Option<String> {
        let nothing = self.allowance == Allowance::default()
            && self.habit == Learning::default()
            && (self.requests, self.taken, self.borrowed) == (0, 0, 0);
        if nothing {
            return None;
        }
        let Meter { allowance, confirmed, day, requests, tokens, taken, borrowed, habit, .. } =
            self;
        let large = match self.seldom.large_from > now.mono {
            true => now.wall_at(self.seldom.large_from).0,
            false => 0,
        };
        let flags = self.flags(counted);
        Some(format!(
            "{NAME} {allowance} {} {} {requests} {tokens} {taken} {borrowed} {flags} {large} \
             {habit} {scope}",
            confirmed.0, day.0,
        ))
    }

    /// Another line: what of the day is spent elsewhere, if anything is.
    pub(crate) fn elsewhere_line(&self, scope: &Scope) -> Option<String> {
        let requests = self.seldom.elsewhere;
        (requests > 0).then(|| format!("{ELSEWHERE} {requests} {scope}"))
    }

    fn flags(&self, counted: bool) -> String {
        let all = [
            (WAS_SPENT, self.met == Met::Yesterday),
            (ASKED, self.asked),
            (UNLIKE, self.seldom.unlike),
            (COUNTED, counted),
        ];
        let set = all.into_iter().filter(|(_, set)| *set);
        std::iter::once('-').chain(set.map(|(letter, _)| letter)).collect()
    }

    /// The day whose counts it has, and how many they are: accounts used last come first.
    pub(crate) fn recency(&self) -> (u32, u32) {
        (self.day.0.into(), self.requests)
    }

    /// Whether Google told at least one of the limits itself.
    pub(crate) fn was_told(&self) -> bool {
        self.confirmed > Day(0) && self.allowance != Allowance::default()
    }

    fn recall_seldom(&mut self, unlike: bool, large_from: Mono, now: Mono) {
        if unlike || large_from > now {
            *self.seldom = Seldom { unlike, large_from, ..Seldom::default() };
        }
    }

    /// Whether the day is spent by the count.
    pub(crate) fn spent_its_day(&self) -> bool {
        self.is_spent()
    }
}

impl Kept {
    /// Reads a line; none where it is no account, or one that is too old to be believed.
    pub(crate) fn read(
        line: &str,
        elsewhere: &Elsewhere<'_>,
        today: u32,
        now: Now,
    ) -> Option<Kept> {
        let mut words = Words::of(line, NAME, 11)?;
        let mut meter = Meter::new(0, today);
        meter.allowance = Allowance::parse(words.word()?)?;
        // What lies ahead would be believed for ever.
        meter.confirmed = Day::of(words.number::<u32>()?.min(today));
        meter.day = Day(words.number()?);
        (meter.requests, meter.tokens) = (words.number()?, words.number()?);
        (meter.taken, meter.borrowed) = (words.number()?, words.number()?);
        let flags = words.word()?;
        meter.met = if flags.contains(WAS_SPENT) { Met::Yesterday } else { Met::No };
        meter.asked = flags.contains(ASKED);
        meter.recall_seldom(flags.contains(UNLIKE), now.mono_at(Wall(words.number()?)), now.mono);
        meter.habit = Learning::parse(words.word()?)?;
        let scope = words.lane()?;
        // Whether the day was spent depends on it.
        meter.set_elsewhere(elsewhere.of(&scope));
        let believed = meter.day.until(today) <= BELIEVED_FOR_DAYS;
        meter.turn(today);
        believed.then_some(Kept { scope, meter, counted: flags.contains(COUNTED) })
    }
}

/// What of days is spent elsewhere, by quota, as it was kept: read before the accounts that it is of.
pub(crate) struct Elsewhere<'t>(Vec<(&'t str, u32)>);

impl<'t> Elsewhere<'t> {
    /// Reads a key's text.
    pub(crate) fn read(facts: &'t str) -> Elsewhere<'t> {
        let fact = |line: &'t str| {
            let mut words = Words::of(line, ELSEWHERE, 2)?;
            let requests = words.number()?;
            words.word().map(|scope| (scope, requests))
        };
        Elsewhere(facts.lines().filter_map(fact).collect())
    }

    fn of(&self, scope: &Scope) -> u32 {
        let scope = scope.to_string();
        self.0.iter().find(|(of, _)| *of == scope).map_or(0, |(_, requests)| *requests)
    }
}

/// The facts' names.
const NAME: &str = "account";
const ELSEWHERE: &str = "elsewhere";
const WAS_SPENT: char = 's';
const ASKED: char = 'a';
const UNLIKE: char = 'u';
const COUNTED: char = 'c';
