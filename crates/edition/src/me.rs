//! `/pool/me`: what a contributor sees and decides, as JSON.

use potluck_core::{LimitsPatch, Me, MeCooldown, Wall};
use potluck_gemini::answer::{Problem, Reason};
use potluck_gemini::{ApiKey, redact};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::problem;

/// A change of limits is a few hundred bytes; sixty-four model names are below this.
pub const MAX_PATCH: usize = 16 << 10;

/// A key that its contributor has withdrawn.
pub fn withdrawn() -> Value {
    json!({
        "state": "withdrawn",
        "why": "Withdrawn by its contributor. Calls are served with this key only; \
                PATCH {\"paused\": false} joins again.",
    })
}

/// A key of the pool, as its contributor sees it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Key")]
pub struct View {
    id: String,
    /// `active`, `resting`, `held`, `paused` or `disabled`.
    state: &'static str,
    /// Why, in a sentence; empty where there is nothing to explain.
    why: &'static str,
    /// Since when, where that is known.
    since: Option<String>,
    joined: String,
    cooldowns: Vec<Cooldown>,
    /// Served by this key for others.
    lent: Spent,
    /// Served to its bearer by the pool.
    borrowed: Spent,
    limits: Limits,
}

/// What rests, and until when.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Cooldown {
    /// The model, if it is about one.
    model: Option<String>,
    /// The kind of method, if it is about one.
    family: Option<&'static str>,
    why: &'static str,
    until: String,
}

/// Calls and their tokens.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Spent {
    calls: u64,
    tokens: u64,
}

/// What its contributor allows.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Limits {
    paused: bool,
    borrow: bool,
    lend_per_day: Option<u32>,
    lend_models: Option<Vec<String>>,
}

impl View {
    /// Of what the pool tells.
    pub fn of(me: &Me) -> View {
        let (usage, limits) = (&me.usage, &me.limits);
        let models = |names: &[Box<str>]| names.iter().map(|name| name.to_string()).collect();
        View {
            id: me.id.to_string(),
            state: me.state,
            why: me.why,
            since: me.since.map(time),
            joined: time(me.added),
            cooldowns: me.cooldowns.iter().map(Cooldown::of).collect(),
            lent: Spent { calls: usage.lent_calls, tokens: usage.lent_tokens },
            borrowed: Spent { calls: usage.borrowed_calls, tokens: usage.borrowed_tokens },
            limits: Limits {
                paused: limits.paused,
                borrow: limits.borrow,
                lend_per_day: limits.lend_per_day,
                lend_models: limits.lend_models.as_deref().map(models),
            },
        }
    }
}

impl Cooldown {
    fn of(rest: &MeCooldown) -> Cooldown {
        Cooldown {
            model: rest.model.as_deref().map(str::to_owned),
            family: rest.family.map(potluck_core::family_name),
            why: rest.why,
            until: time(rest.until),
        }
    }
}

/// The same as JSON.
pub fn view(me: &Me) -> Value {
    json!(View::of(me))
}

/// A withdrawn key whose tombstone was lifted.
pub fn may_rejoin() -> Value {
    json!({
        "state": "unknown",
        "why": "This key joins again with its next successful call.",
    })
}

/// RFC 3339 in UTC, for people and programs.
pub fn time(at: Wall) -> String {
    jiff::Timestamp::from_millisecond(at.0).unwrap_or_default().to_string()
}

/// What `PATCH` understands. Absent stays as it is, `null` lifts a limit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    paused: Option<bool>,
    borrow: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    lend_per_day: Option<Option<u32>>,
    #[serde(default, deserialize_with = "present")]
    lend_models: Option<Option<Vec<String>>>,
}

impl Patch {
    fn limits(self) -> LimitsPatch {
        LimitsPatch {
            paused: self.paused,
            borrow: self.borrow,
            lend_per_day: self.lend_per_day,
            lend_models: self.lend_models,
        }
    }
}

pub(crate) fn present<'de, D, T>(reader: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(reader).map(Some)
}

/// Reads what a contributor wants changed; `key` is the one that the request shows.
pub fn patch(text: &[u8], key: &ApiKey) -> Result<LimitsPatch, Problem> {
    // What is wrong is told in the caller's own words, which may hold the key.
    let patch: Patch = serde_json::from_slice(text)
        .map_err(|error| bad(&redact::redact_text(&error.to_string(), &[key])))?;
    // Limits are stored and shown in the clear.
    let mut named = patch.lend_models.iter().flatten().flatten();
    if named.any(|name| redact::redact_text(name, &[key]) != *name) {
        return Err(bad("a key stands in lend_models, where models are named"));
    }
    Ok(patch.limits())
}

/// A change that was read already, for the part of an edition that is not to know the key.
pub fn pass_on(patch: &LimitsPatch) -> Value {
    let mut changes = serde_json::Map::new();
    changes.extend(patch.paused.map(|paused| ("paused".to_owned(), paused.into())));
    changes.extend(patch.borrow.map(|borrow| ("borrow".to_owned(), borrow.into())));
    let per_day = patch.lend_per_day;
    changes.extend(per_day.map(|calls| ("lend_per_day".to_owned(), calls.into())));
    let models = patch.lend_models.as_ref();
    changes.extend(models.map(|names| ("lend_models".to_owned(), json!(names))));
    changes.into()
}

/// Reads what [`pass_on`] wrote.
pub fn passed_on(text: &[u8]) -> Result<LimitsPatch, Problem> {
    // Whoever wrote it is a part of this program.
    let read = serde_json::from_slice(text).map(Patch::limits);
    read.map_err(|_| Problem::new(Reason::Internal))
}

/// A change that cannot be, and why.
pub fn bad(why: &str) -> Problem {
    problem::refused(&problem::sentence(why))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_change_that_is_passed_on_stays_the_same() {
        let key = ApiKey::parse("AIzaSyTestTestTestTestTestTestTestTest12").unwrap();
        for text in [
            "{}",
            r#"{"paused": true}"#,
            r#"{"borrow": false, "lend_per_day": null}"#,
            r#"{"lend_per_day": 7, "lend_models": ["a", "b"]}"#,
            r#"{"lend_models": null}"#,
        ] {
            let patch = patch(text.as_bytes(), &key).unwrap();
            let again = passed_on(pass_on(&patch).to_string().as_bytes());
            assert_eq!(again, Ok(patch), "{text}");
        }
    }
}
