//! What happens at the pool, as it happens, for whoever looks on.
//!
//! Rule: who asks again says what was told last, so that nothing is told twice and little is kept.

use std::fmt;

use potluck_core::{Seen, Sight};
use potluck_gemini::answer::Problem;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::bad;
use super::openapi::{Kind, Parameter};
use crate::me::time;

/// Up to where somebody has seen: the last sight of each part of the pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place(Vec<u64>);

impl Place {
    /// The last sights of the parts, in their order.
    pub fn of(parts: impl Iterator<Item = u64>) -> Place {
        Place(parts.collect())
    }

    /// The last sight of a part; none yet of one that is not named.
    pub fn in_part(&self, part: usize) -> u64 {
        self.0.get(part).copied().unwrap_or(0)
    }

    fn parse(text: &str) -> Option<Place> {
        let number = |part: &str| part.parse().ok().filter(|_| part.len() <= MAX_DIGITS);
        let parts: Option<Vec<u64>> = text.split('.').take(MAX_PARTS + 1).map(number).collect();
        parts.filter(|parts| parts.len() <= MAX_PARTS).map(Place)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(u64::to_string).collect();
        f.write_str(&parts.join("."))
    }
}

/// What may be asked.
pub const QUERY: &[Parameter] = &[Parameter {
    name: "after",
    about: "The place that an earlier answer told as its last.",
    kind: Kind::Shaped(r"^[0-9]{1,19}(\.[0-9]{1,19}){0,255}$"),
}];

/// Reads from where on somebody wants to see.
pub fn wanted(query: &str) -> Result<Place, Problem> {
    match query.split_once('=') {
        None if query.is_empty() => Ok(Place::default()),
        Some(("after", text)) => {
            Place::parse(text).ok_or_else(|| bad("'after' is what 'last' said before"))
        }
        _ => Err(bad("only after can be asked for")),
    }
}

/// What was seen.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Sights {
    /// Oldest first; the first look of all sees nothing yet.
    sights: Vec<Told>,
    /// The place to ask on from.
    last: String,
}

/// Something that happened to a key.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Told {
    at: String,
    /// `attempt`, `rest`, `out` or `back`.
    what: &'static str,
    key: String,
    model: Option<String>,
    /// What the answer to an attempt said of the key.
    verdict: Option<&'static str>,
    /// Which attempt of its exchange it was, from 1.
    attempt: Option<u8>,
    /// Why the key rests or is out.
    why: Option<&'static str>,
    until: Option<String>,
}

impl Sights {
    /// Of what the parts of the pool have told, and where they are now.
    pub fn of(mut seen: Vec<Sight>, last: &Place) -> Sights {
        seen.sort_by_key(|sight| sight.at);
        Sights { sights: seen.iter().map(Told::of).collect(), last: last.to_string() }
    }
}

impl Told {
    fn of(sight: &Sight) -> Told {
        let told = Told {
            at: time(sight.at),
            what: "back",
            key: sight.key.to_string(),
            model: sight.model.as_deref().map(str::to_owned),
            verdict: None,
            attempt: None,
            why: None,
            until: None,
        };
        match sight.seen {
            Seen::Attempt { verdict, number } => {
                Told { what: "attempt", verdict: Some(verdict), attempt: Some(number), ..told }
            }
            Seen::Rest { why, until } => {
                Told { what: "rest", why: Some(why), until: Some(time(until)), ..told }
            }
            Seen::Out { why } => Told { what: "out", why: Some(why), ..told },
            Seen::Back => told,
        }
    }
}

/// What the parts of a pool have told each by itself, as if one had told it.
pub fn together(parts: impl IntoIterator<Item = Value>) -> Value {
    let (mut sights, mut last) = (Vec::new(), Vec::new());
    for mut part in parts {
        if let Value::Array(seen) = part["sights"].take() {
            sights.extend(seen);
        }
        last.push(part["last"].as_str().unwrap_or_default().to_owned());
    }
    // Without its last letter, a time sorts before those within its second.
    sights.sort_by_cached_key(|sight| {
        sight["at"].as_str().unwrap_or_default().trim_end_matches('Z').to_owned()
    });
    json!({ "sights": sights, "last": last.join(".") })
}

/// Parts that a pool may have.
const MAX_PARTS: usize = 256;
/// Any number of so many digits is one that we count by.
const MAX_DIGITS: usize = 19;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_several_parts_tell_is_in_the_order_in_which_it_happened() {
        let part = |last: &str, at: &[&str]| {
            let sights: Vec<Value> = at.iter().map(|at| json!({ "at": at })).collect();
            json!({ "sights": sights, "last": last })
        };
        let (first, second) = ("2026-11-27T08:00:00Z", "2026-11-27T08:00:00.25Z");
        let third = "2026-11-27T08:00:01Z";

        let told = together([part("7", &[first, third]), part("3", &[second])]);

        assert_eq!(told, part("7.3", &[first, second, third]));
    }

    #[test]
    fn a_place_that_was_told_is_understood_and_nothing_else_is() {
        let place = Place::of([3, 0, 17].into_iter());
        assert_eq!(wanted(&format!("after={place}")).unwrap(), place);
        assert_eq!((place.in_part(2), place.in_part(9)), (17, 0));
        assert_eq!(wanted("").unwrap(), Place::default());
        for wrong in ["after=", "after=1.x", "after=-1", "before=1", "after"] {
            assert!(wanted(wrong).is_err(), "{wrong}");
        }
    }
}
