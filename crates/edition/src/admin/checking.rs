//! What Google says of a key when an operator has it asked.
//!
//! Rule: only an answer about the key tells anything of it; trouble on the way does not.

use potluck_core::{Me, Verdict};
use schemars::JsonSchema;
use serde::Serialize;

use crate::me::View;

/// What Google said, as far as it is about the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// The key works, though a quota of its may be spent.
    Lives,
    /// Google refuses it, for this reason.
    Dead(&'static str),
    /// Nothing about the key, for this reason.
    Nothing(&'static str),
}

impl Said {
    /// What a probe's verdict says.
    pub fn of(verdict: Verdict) -> Said {
        match verdict {
            Verdict::Served => Said::Lives,
            verdict if verdict.blames_quota() => Said::Lives,
            Verdict::KeyDead(reason) | Verdict::PerhapsDead(reason) => Said::Dead(reason.words()),
            Verdict::Billing => Said::Dead("Google wants the key's project to be paid for first"),
            Verdict::OurPlace => Said::Nothing("Google refuses the place this server calls from"),
            Verdict::Trouble => Said::Nothing("Google cannot be reached or is in trouble"),
            _ => Said::Nothing("Google's answer says nothing of the key"),
        }
    }

    fn why(self) -> Option<&'static str> {
        match self {
            Said::Lives => None,
            Said::Dead(why) | Said::Nothing(why) => Some(why),
        }
    }
}

/// What came of asking Google about a key.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Checked {
    /// Whether the key works; null where Google's answer said nothing of it.
    works: Option<bool>,
    /// Why not, or why that is not known.
    why: Option<&'static str>,
    /// The key as it is now.
    key: View,
}

impl Checked {
    /// Of what was said, and what the pool made of it.
    pub fn of(said: Said, key: &Me) -> Checked {
        let works = match said {
            Said::Lives => Some(true),
            Said::Dead(_) => Some(false),
            Said::Nothing(_) => None,
        };
        Checked { works, why: said.why(), key: View::of(key) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_core::Reason;

    #[test]
    fn trouble_on_the_way_and_a_spent_quota_say_nothing_against_a_key() {
        for (verdict, dead) in [
            (Verdict::Served, false),
            (Verdict::Day, false),
            (Verdict::Trouble, false),
            (Verdict::OurPlace, false),
            (Verdict::CallerFault, false),
            (Verdict::KeyDead(Reason::Leaked), true),
            (Verdict::PerhapsDead(Reason::Invalid), true),
        ] {
            assert_eq!(matches!(Said::of(verdict), Said::Dead(_)), dead, "{verdict:?}");
        }
        assert_eq!(Said::of(Verdict::Day), Said::Lives);
    }
}
