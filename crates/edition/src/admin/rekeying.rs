//! How far a new master key has come.

use schemars::JsonSchema;
use serde::Serialize;

/// How far the keys are sealed anew.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Rekeying {
    /// Whether it is under way.
    state: State,
    /// Keys sealed anew so far.
    sealed: u64,
    /// Keys that were there when it began.
    keys: u64,
    /// Why it was given up; the next start goes on with it.
    why: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum State {
    /// Nobody asked for it since the start.
    #[default]
    Idle,
    /// The new master key is in force, and keys are being sealed under it.
    Sealing,
    /// Every key is sealed under the new master key.
    Done,
    /// It was given up.
    Failed,
}

impl Rekeying {
    /// One that begins, with so many keys.
    pub fn begun(keys: usize) -> Rekeying {
        Rekeying { state: State::Sealing, keys: keys as u64, ..Rekeying::default() }
    }

    /// Whether one is under way.
    pub fn is_under_way(&self) -> bool {
        self.state == State::Sealing
    }

    /// So many more keys are sealed anew.
    pub fn advance(&mut self, keys: usize) {
        self.sealed += keys as u64;
    }

    /// It is over.
    pub fn end(&mut self, outcome: Result<(), String>) {
        self.state = if outcome.is_ok() { State::Done } else { State::Failed };
        self.why = outcome.err();
    }
}
