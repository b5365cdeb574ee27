//! What an operator changes of keys: of one, or of many at once.

use potluck_core::KeyId;
use potluck_gemini::answer::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bad;

/// A change is a word.
pub const MAX: usize = 1 << 10;
/// Keys changed at once: a page of a listing.
pub const MAX_KEYS: usize = 1000;
/// Their ids, and some words.
pub const MAX_MANY: usize = 64 << 10;

/// What is to become of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Whether it is to be out of service: no call of its bearer's, no probe and no answer of
    /// Google's brings it back then.
    pub disabled: bool,
}

impl Change {
    /// Reads it.
    pub fn read(text: &[u8]) -> Result<Change, Problem> {
        serde_json::from_slice(text).map_err(|_| bad("the body is {\"disabled\": true or false}"))
    }
}

/// What is to become of many keys.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    /// To these, by their ids; at most 1000.
    keys: Vec<String>,
    /// What.
    #[serde(rename = "do")]
    act: Act,
}

/// What can be done to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    /// It goes out of service.
    Disable,
    /// It comes back.
    Enable,
    /// It is erased.
    Erase,
}

/// Reads what is to be done, and to which keys: nothing stands for an id that cannot be one.
pub fn many(text: &[u8]) -> Result<(Act, Vec<Option<KeyId>>), Problem> {
    let read: Result<Changes, _> = serde_json::from_slice(text);
    let asked = read.map_err(|_| {
        bad("the body is {\"do\": \"disable\", \"enable\" or \"erase\", \"keys\": [ids]}")
    })?;
    if asked.keys.len() > MAX_KEYS {
        return Err(bad("more than 1000 keys at once: send them in parts"));
    }
    Ok((asked.act, asked.keys.iter().map(|id| KeyId::parse(id)).collect()))
}

/// How many keys were changed.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Changed {
    /// It was done to so many,
    pub done: usize,
    /// and so many are not known.
    pub unknown: usize,
}
