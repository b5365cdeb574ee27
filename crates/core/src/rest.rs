//! Cooldowns: for what a key rests, until when, and why.
//!
//! A rest is as narrow as its cause: a spent quota rests one lane, a blocked method one family, an
//! unpaid bill everything. So a key with an empty minute for one model serves all the others.

use std::{fmt, time::Duration};

use crate::{
    time::{Mono, Wall},
    wire::{Family, Metered},
};

/// One rest of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    pub(crate) reach: Reach,
    pub(crate) cause: Cause,
    /// How often in a row an unnamed quota was met.
    pub(crate) step: u8,
    /// Until when by Google's word; what is beyond is by the pool's own count.
    pub(crate) told: Mono,
    pub(crate) until: Mono,
    /// The moment for which a wake-up is queued, if it still lies ahead.
    pub(crate) queued: Mono,
}

/// What a rest covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Lane(u16),
    Family(Family),
    Everything,
}

/// Why a key rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A minute's quota is spent.
    Minute,
    /// A day's quota is spent.
    Day,
    /// Google spoke of exhaustion without saying of what.
    Unnamed,
    /// The model is not for this key's project.
    Closed,
    /// The model is not in this project's free tier: its limit is zero.
    LimitZero,
    /// The project has to be paid for first.
    Billing,
    /// The key may be dead; a probe is on its way.
    Doubt,
}

impl Cause {
    /// The name that the store keeps.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Minute => "minute",
            Cause::Day => "day",
            Cause::Unnamed => "unnamed",
            Cause::Closed => "closed",
            Cause::LimitZero => "limit-zero",
            Cause::Billing => "billing",
            Cause::Doubt => "doubt",
        }
    }

    /// Whether the key rests as a quota is spent, so that it is of use again tomorrow.
    pub(crate) fn is_quota(self) -> bool {
        self.is_counted() || self == Cause::Unnamed
    }

    /// Whether the pool's own count can tell it.
    pub(crate) fn is_counted(self) -> bool {
        matches!(self, Cause::Minute | Cause::Day)
    }

    /// Reads a stored name.
    pub fn parse(name: &str) -> Option<Cause> {
        Self::ALL.into_iter().find(|cause| cause.name() == name)
    }

    /// In a contributor's words.
    pub fn words(self) -> &'static str {
        match self {
            Cause::Minute => "this minute's quota is spent",
            Cause::Day => "today's quota is spent",
            Cause::Unnamed => "Google says a quota is spent, without naming it",
            Cause::Closed => "Google does not offer this model to the key's project",
            Cause::LimitZero => "the key's project has no quota for this model",
            Cause::Billing => "Google wants the key's project to be paid for",
            Cause::Doubt => "Google refused the key here; it is being checked",
        }
    }

    /// All of them.
    pub const ALL: [Cause; 7] = [
        Cause::Minute,
        Cause::Day,
        Cause::Unnamed,
        Cause::Closed,
        Cause::LimitZero,
        Cause::Billing,
        Cause::Doubt,
    ];
}

/// A cooldown as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CooldownRecord {
    /// What rests.
    pub scope: Scope,
    /// Why.
    pub cause: Cause,
    /// Until when.
    pub until: Wall,
}

/// What a stored cooldown covers; its text form is stable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One model, one family of methods, one set of metered features.
    Lane {
        /// The model, without `models/`.
        model: Box<str>,
        /// The kind of method.
        family: Family,
        /// The metered features.
        metered: Metered,
    },
    /// One family of methods, whatever the model.
    Family(Family),
    /// The whole key.
    Everything,
}

impl Scope {
    /// Reads the text form; what an older version wrote and this one does not know is no scope.
    pub fn parse(text: &str) -> Option<Scope> {
        if text == "all" {
            return Some(Scope::Everything);
        }
        if let Some(name) = text.strip_prefix("family/") {
            return family_named(name).map(Scope::Family);
        }
        let mut parts = text.strip_prefix("lane/")?.splitn(3, '/');
        let family = family_named(parts.next()?)?;
        let metered = metered_named(parts.next()?)?;
        let model = parts.next()?.into();
        Some(Scope::Lane { model, family, metered })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Everything => f.write_str("all"),
            Scope::Family(family) => write!(f, "family/{}", family_name(*family)),
            Scope::Lane { model, family, metered } => {
                write!(f, "lane/{}/", family_name(*family))?;
                for (place, name) in metered.names().enumerate() {
                    write!(f, "{}{name}", if place == 0 { "" } else { "+" })?;
                }
                write!(f, "/{model}")
            }
        }
    }
}

/// A family's stable name.
pub fn family_name(family: Family) -> &'static str {
    match family {
        Family::Generate => "generate",
        Family::CountTokens => "count-tokens",
        Family::Embed => "embed",
        Family::Answer => "answer",
        Family::Predict => "predict",
        Family::Models => "models",
        Family::Live => "live",
        Family::Other => "other",
    }
}

fn family_named(name: &str) -> Option<Family> {
    const ALL: [Family; 8] = [
        Family::Generate,
        Family::CountTokens,
        Family::Embed,
        Family::Answer,
        Family::Predict,
        Family::Models,
        Family::Live,
        Family::Other,
    ];
    ALL.into_iter().find(|family| family_name(*family) == name)
}

fn metered_named(names: &str) -> Option<Metered> {
    let known = |name: &str| METERED.into_iter().find(|one| one.names().eq([name]));
    names
        .split('+')
        .filter(|name| !name.is_empty())
        .try_fold(Metered::NONE, |sum, name| known(name).map(|one| sum | one))
}

/// Everything that is metered.
pub(crate) const METERED: [Metered; 6] = [
    Metered::SEARCH,
    Metered::MAPS,
    Metered::CODE,
    Metered::COMPUTER,
    Metered::IMAGE_OUT,
    Metered::SPEECH_OUT,
];

/// How long an unnamed quota rests a key, one step per window in a row.
pub(crate) const UNNAMED_STEPS: [Duration; 3] =
    [Duration::from_secs(30), Duration::from_secs(45), Duration::from_secs(60)];
/// Steps in a row are forgotten this long after the last rest ended.
pub(crate) const UNNAMED_MEMORY: Duration = Duration::from_secs(600);
/// Google truncates its retry delay to whole seconds; this much is added.
pub(crate) const RETRY_SLACK: Duration = Duration::from_secs(1);
/// A minute's quota without a retry delay.
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
/// No retry delay is believed beyond this.
pub(crate) const LONGEST_RETRY: Duration = Duration::from_secs(24 * 3600);
/// A model closed to a key is tried again after about a day: Google changes its free tier rarely.
pub(crate) const CLOSED_FOR: Duration = Duration::from_secs(24 * 3600);
/// An unpaid project is tried again after hours: people top up within a day.
pub(crate) const BILLING_FOR: Duration = Duration::from_secs(4 * 3600);
/// A doubtful key rests for the method this long when its probe found it alive: restrictions are
/// lifted by hand.
pub(crate) const DOUBT_FOR: Duration = Duration::from_secs(6 * 3600);
/// Cooldowns longer than this survive a restart.
pub(crate) const KEEP_ABOVE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_and_causes_read_what_they_wrote() {
        let lane = |model: &str, metered| Scope::Lane {
            model: model.into(),
            family: Family::Generate,
            metered,
        };
        let scopes = [
            Scope::Everything,
            Scope::Family(Family::Live),
            lane("gemini/odd name", Metered::SEARCH | Metered::CODE),
            lane("", Metered::NONE),
        ];
        for scope in scopes {
            assert_eq!(Scope::parse(&scope.to_string()), Some(scope));
        }
        for cause in Cause::ALL {
            assert_eq!(Cause::parse(cause.name()), Some(cause));
        }
        for text in [
            "",
            "lane/",
            "lane/generate",
            "lane/nothing//m",
            "lane/embed/gold/m",
            "family/x",
            "ALL",
        ] {
            assert_eq!(Scope::parse(text), None, "{text}");
        }
    }
}
