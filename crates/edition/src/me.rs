//! `/pool/me`: what a contributor sees and decides, as JSON.

use potluck_core::{LimitsPatch, Me, Wall};
use potluck_gemini::answer::Problem;
use potluck_gemini::{ApiKey, redact};
use serde::Deserialize;
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
pub fn view(me: &Me) -> Value {
    let cooldowns: Vec<Value> = me
        .cooldowns
        .iter()
        .map(|rest| {
            json!({
                "model": rest.model,
                "family": rest.family.map(potluck_core::family_name),
                "why": rest.why,
                "until": time(rest.until),
            })
        })
        .collect();
    json!({
        "id": me.id.to_string(),
        "state": me.state,
        "why": me.why,
        "since": me.since.map(time),
        "joined": time(me.added),
        "cooldowns": cooldowns,
        "lent": { "calls": me.usage.lent_calls, "tokens": me.usage.lent_tokens },
        "borrowed": { "calls": me.usage.borrowed_calls, "tokens": me.usage.borrowed_tokens },
        "limits": {
            "paused": me.limits.paused,
            "borrow": me.limits.borrow,
            "lend_per_day": me.limits.lend_per_day,
            "lend_models": me.limits.lend_models,
        },
    })
}

/// A withdrawn key whose tombstone was lifted.
pub fn may_rejoin() -> Value {
    json!({
        "state": "unknown",
        "why": "This key joins again with its next successful call.",
    })
}

/// RFC 3339 in UTC, for people and programs.
fn time(at: Wall) -> String {
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

fn present<'de, D, T>(reader: D) -> Result<Option<T>, D::Error>
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
    Ok(LimitsPatch {
        paused: patch.paused,
        borrow: patch.borrow,
        lend_per_day: patch.lend_per_day,
        lend_models: patch.lend_models,
    })
}

/// A change that cannot be, and why.
pub fn bad(why: &str) -> Problem {
    problem::refused(&problem::sentence(why))
}
