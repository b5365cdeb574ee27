//! The pool as passers-by see it, as JSON.

use potluck_core::Summary;
use serde_json::{Map, Value, json};

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
        "lastHour": last_hour,
    })
}
