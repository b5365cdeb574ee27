//! Some of the keys, page by page.

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use potluck_core::{Listing, Sought};
use potluck_gemini::answer::Problem;
use schemars::JsonSchema;
use serde::Serialize;

use super::bad;
use super::openapi::{Kind, Parameter};
use crate::me;

/// Which keys are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Of this state alone.
    pub state: Option<String>,
    /// With this in their id or in why they are out, in small letters.
    pub text: Option<String>,
    /// Where an earlier answer ended.
    pub after: u64,
    /// How many at most.
    pub limit: usize,
}

impl Default for Wanted {
    fn default() -> Self {
        Wanted { state: None, text: None, after: 0, limit: USUAL_LIMIT }
    }
}

/// What may be asked of a listing.
pub const QUERY: &[Parameter] = &[
    Parameter { name: "state", about: "Of this state alone.", kind: Kind::OneOf(&STATES) },
    Parameter {
        name: "text",
        about: "With this in their id, or in what is said of why they are out.",
        kind: Kind::Text { most: MAX_TEXT },
    },
    Parameter {
        name: "after",
        about: "The place that an earlier answer told as its next.",
        kind: Kind::Number { least: 0, most: MAX_PLACE },
    },
    Parameter {
        name: "limit",
        about: "How many at most; 100 unless it is said.",
        kind: Kind::Number { least: 1, most: MAX_LIMIT as u64 },
    },
];

/// Reads what is asked of a listing.
pub fn wanted(query: &str) -> Result<Wanted, Problem> {
    let mut wanted = Wanted::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "state" if STATES.contains(&value) => wanted.state = Some(value.to_owned()),
            "state" => return Err(bad("the state is active, resting, held, paused or disabled")),
            "text" => wanted.text = Some(text(value)?),
            "after" => {
                let place = value.parse().ok().filter(|place| *place <= MAX_PLACE);
                wanted.after = place.ok_or_else(|| bad("'after' is what 'next' said before"))?;
            }
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                wanted.limit = limit.ok_or_else(|| bad("the limit is a number from 1 to 1000"))?;
            }
            _ => return Err(bad("only state, text, after and limit can be asked for")),
        }
    }
    Ok(wanted)
}

fn text(value: &str) -> Result<String, Problem> {
    let value = value.replace('+', " ");
    let text = percent_decode_str(&value).decode_utf8().map_err(|_| bad("the text is UTF-8"))?;
    match text.chars().count() {
        ..=MAX_TEXT => Ok(text.to_lowercase()),
        _ => Err(bad("the text has 100 characters at most")),
    }
}

impl Wanted {
    /// What is looked for in each part of the pool.
    pub fn sought(&self) -> Sought<'_> {
        Sought { state: self.state.as_deref(), text: self.text.as_deref() }
    }

    /// Goes through a pool of so many parts, one after the other; `look` looks into one, from a place
    /// on, for so many keys at most. Gives them, and where the following page begins.
    pub fn gather(
        &self,
        parts: u32,
        mut look: impl FnMut(u32, u32, usize) -> Listing,
    ) -> (Listing, Option<u64>) {
        let (mut part, mut from) = split(self.after);
        let mut all = Listing::default();
        for _ in 0..MAX_LOOKS {
            if part >= parts || all.keys.len() >= self.limit {
                break;
            }
            let most = (self.limit - all.keys.len()).min(AT_ONE_LOOK);
            let listing = look(part, from, most);
            all.keys.extend(listing.keys);
            (part, from) = match listing.next {
                Some(next) => (part, next),
                None => (part + 1, 0),
            };
        }
        (all, (part < parts).then(|| place(part, from)))
    }
}

/// What a part of the pool is asked with for the same, from a place of its own on.
pub fn target(wanted: &Wanted, from: u64, most: usize) -> String {
    let named = |name: &str, value: Option<&str>| {
        let value = value.map(|text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string());
        value.map(|text| format!("&{name}={text}")).unwrap_or_default()
    };
    let (state, text) = (wanted.state.as_deref(), wanted.text.as_deref());
    format!("/keys?after={from}&limit={most}{}{}", named("state", state), named("text", text))
}

/// The part of the pool that a place lies in, and the place there.
pub fn split(place: u64) -> (u32, u32) {
    ((place >> 32) as u32, place as u32)
}

/// A place in a part of the pool.
pub fn place(part: u32, from: u32) -> u64 {
    u64::from(part) << 32 | u64::from(from)
}

/// Some of the keys.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Page {
    keys: Vec<me::View>,
    /// Where the following page begins, if there may be one.
    next: Option<u64>,
    /// Calls lent by all keys that are there, each since it joined: what one lent is its share of these.
    lent_calls: u64,
}

impl Page {
    /// Of what the pool tells.
    pub fn of(listing: &Listing, next: Option<u64>, lent_calls: u64) -> Page {
        Page { keys: listing.keys.iter().map(me::View::of).collect(), next, lent_calls }
    }
}

/// The states by which keys can be listed.
const STATES: [&str; 5] = ["active", "resting", "held", "paused", "disabled"];
/// Looks for one answer: more than the largest page takes, and a few milliseconds where nothing is
/// found.
const MAX_LOOKS: usize = 64;
/// Keys described under one lock: some tens of microseconds.
const AT_ONE_LOOK: usize = 64;
/// The last place that any list can tell: programs read it as a signed number.
const MAX_PLACE: u64 = i64::MAX as u64;
/// Characters looked for: longer than an id or a reason.
const MAX_TEXT: usize = 100;
/// Keys listed where no limit is asked for, and at most: a page of them, and a quick answer.
const USUAL_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_listing_is_asked_for_by_state_text_place_and_limit_and_by_nothing_else() {
        let some = wanted("state=disabled&text=K%5f1+x&after=9&limit=1000").unwrap();
        let expected = Wanted {
            state: Some("disabled".into()),
            text: Some("k_1 x".into()),
            after: 9,
            limit: 1000,
        };
        assert_eq!(some, expected);
        for wrong in ["state=x", "after=-1", "limit=0", "limit=1001", "key=AIza", "state"] {
            assert!(wanted(wrong).is_err(), "{wrong}");
        }
    }
}
