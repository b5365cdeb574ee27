//! What an operator changes of a key.

use potluck_gemini::answer::Problem;
use schemars::JsonSchema;
use serde::Deserialize;

use super::bad;

/// A change is a word.
pub const MAX: usize = 1 << 10;

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
