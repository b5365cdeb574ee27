//! The pool as passers-by see it, as JSON.

use potluck_core::{Hour, Summary};
use serde_json::{Map, Value, json};

use crate::me;

/// `GET /keycount`, in the very words that the original's badge reads.
pub fn key_count(keys: usize) -> Value {
    json!({ "keyCount": keys, "message": "success" })
}

/// `GET /pool`.
pub fn summary(summary: &Summary) -> Value {
    let keys = summary.keys;
    let last_hour: Map<_, _> =
        summary.last_hour.iter().map(|(verdict, n)| ((*verdict).to_owned(), (*n).into())).collect();
    json!({
        "keys": {
            "serving": keys.serving,
            "resting": keys.resting,
            "held": keys.held,
            "paused": keys.paused,
            "disabled": keys.disabled,
        },
        "models": summary.models,
        "ready": summary.ready,
        "lastHour": last_hour,
        "hours": hours(&summary.hours),
    })
}

/// By when they began, so that several pools' add up.
fn hours(hours: &[Hour]) -> Map<String, Value> {
    let told = hours.iter().map(|hour| {
        let Hour { at, served, failed, waited } = *hour;
        (me::time(at), json!({ "served": served, "failed": failed, "waited": waited }))
    });
    told.collect()
}

/// What several pools tell, as if they were one: counts are added, lists are joined.
pub fn together(one: Value, other: Value) -> Value {
    match (one, other) {
        (Value::Object(mut one), Value::Object(other)) => {
            for (name, theirs) in other {
                let ours = one.remove(&name).unwrap_or(Value::Null);
                one.insert(name, together(ours, theirs));
            }
            Value::Object(one)
        }
        (Value::Array(mut one), Value::Array(other)) => {
            let new: Vec<Value> = other.into_iter().filter(|item| !one.contains(item)).collect();
            one.extend(new);
            Value::Array(one)
        }
        (Value::Number(one), Value::Number(other)) => {
            let sum = |one: &serde_json::Number| one.as_u64().unwrap_or_default();
            sum(&one).saturating_add(sum(&other)).into()
        }
        (Value::Null, other) => other,
        (one, _) => one,
    }
}

/// The number in what [`key_count`] made.
pub fn counted(told: &Value) -> usize {
    let keys = told.get("keyCount").and_then(Value::as_u64);
    keys.and_then(|keys| usize::try_from(keys).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_pools_are_told_as_one() {
        let one = json!({ "keys": { "serving": 1, "paused": 2 }, "models": ["a", "b"] });
        let other =
            json!({ "keys": { "serving": 3 }, "models": ["b", "c"], "lastHour": { "x": 1 } });
        assert_eq!(
            together(one, other),
            json!({
                "keys": { "serving": 4, "paused": 2 },
                "models": ["a", "b", "c"],
                "lastHour": { "x": 1 },
            })
        );
        assert_eq!(counted(&together(key_count(2), key_count(3))), 5);
        assert_eq!(together(Value::Null, key_count(2)), key_count(2));
    }
}
