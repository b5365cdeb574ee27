//! Whether a body may be served with anybody's key.
//!
//! One rule: pool what is stateless and plain; what is yours stays yours; unknown means own. It is
//! decided on the JSON, while it arrives: every field has its place in an allow-list, and a field
//! without one, a pointer at somebody's state, or text that two parsers might read differently
//! makes the call *own*. Words inside strings decide nothing. Since every occurrence of a field is
//! looked at, repeating one hides nothing.

mod compat;
mod fields;
mod hash;
mod native;
mod reading;
mod talk;
mod uri;

use std::fmt;

pub use fields::Metered;

use crate::json::{Tokenizer, Utf8};
use crate::route::{Dialect, Family};
use fields::Fields;
use reading::Reading;
use talk::{First, Talk};

/// Why only the caller's own key will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Own {
    /// Not strict JSON in UTF-8.
    Unreadable,
    /// A field, or a value in it, that is on no list. The name is the caller's own spelling.
    Unknown(Box<str>),
    /// State that belongs to a project.
    State(&'static str),
    /// A price that the key's owner has not agreed to.
    Price(&'static str),
    /// The body names another model than the path, or two, or a strange one.
    Model,
}

impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Own::Unreadable => f.write_str("the body is not plain JSON"),
            Own::Unknown(name) => write!(f, "the pool does not know the field {name:?}"),
            Own::State(name) => write!(f, "{name} points at something of one project"),
            Own::Price(name) => write!(f, "{name} has a price of its own"),
            Own::Model => f.write_str("the body names another model"),
        }
    }
}

/// What a body says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Why only the caller's own key will do, the first reason found; `None` when any key will.
    pub own: Option<Own>,
    /// What costs more than words.
    pub metered: Metered,
    /// The model the body names, without `models/`.
    pub model: Option<String>,
    /// The answer is to come as a stream (`"stream": true`).
    pub stream: bool,
    /// Names the conversation: a hash of its first turn.
    pub conversation: Option<u64>,
    /// Names the key that answered last: a hash of the last thought signature.
    pub signature: Option<u64>,
    /// The conversation has been answered before.
    pub has_model_turn: bool,
    /// Roughly how many tokens there are to read.
    pub prompt_tokens: u32,
    /// The body says itself whether it may be stored. Only generating methods know the field.
    pub says_store: bool,
}

/// Reads a body while it arrives. Holds a few hundred bytes besides what it is asked to tell.
#[derive(Debug)]
pub struct Scanner {
    tokens: Tokenizer,
    utf8: Utf8,
    broken: bool,
    /// Answers are spoken unless the body says otherwise.
    speaks: bool,
    reading: Reading,
}

impl Scanner {
    /// For a body of this kind. `path_model` is the model that the path names (without `models/`),
    /// which a model in the body must equal.
    pub fn new(dialect: Dialect, family: Family, path_model: Option<&str>, seed: u64) -> Self {
        let fields = fields_of(dialect, family);
        let metered = match family {
            Family::Predict => Metered::IMAGE_OUT,
            _ => path_model.map_or(Metered::NONE, Metered::of_model),
        };
        let first = if dialect == Dialect::Compat { First::User } else { First::Any };
        let mut reading = Reading::new(fields, path_model, Talk::new(seed, first), seed);
        reading.metered = metered;
        let speaks = family == Family::Live;
        Scanner { tokens: Tokenizer::new(), utf8: Utf8::default(), broken: false, speaks, reading }
    }

    /// Reads on.
    pub fn push(&mut self, bytes: &[u8]) {
        self.broken = self.broken
            || self.utf8.push(bytes).is_err()
            || self.tokens.push(bytes, &mut self.reading).is_err();
    }

    /// Why only the own key will do, as far as was read: a body that is own need not be kept.
    pub fn own(&self) -> Option<&Own> {
        if self.broken { Some(&Own::Unreadable) } else { self.reading.own.as_ref() }
    }

    /// What the body said.
    pub fn finish(self) -> Scan {
        let whole = !self.broken && self.utf8.whole() && self.tokens.done();
        let reading = self.reading;
        let of_model = reading.model.as_deref().map_or(Metered::NONE, Metered::of_model);
        let unasked = match self.speaks && reading.model.is_some() && !reading.says_modality {
            true => Metered::SPEECH_OUT,
            false => Metered::NONE,
        };
        Scan {
            own: if whole { reading.own } else { Some(Own::Unreadable) },
            metered: reading.metered | of_model | unasked,
            stream: reading.stream.unwrap_or(false),
            conversation: reading.talk.conversation,
            signature: reading.talk.signature,
            has_model_turn: reading.talk.has_model_turn,
            prompt_tokens: reading.talk.prompt_tokens(),
            says_store: reading.says_store,
            model: reading.model,
        }
    }
}

fn fields_of(dialect: Dialect, family: Family) -> &'static Fields {
    match (dialect, family) {
        (Dialect::Native, Family::Generate) => &native::GENERATE,
        (Dialect::Native, Family::CountTokens) => &native::COUNT,
        (Dialect::Native, Family::Embed) => &native::EMBED,
        (Dialect::Native, Family::Answer) => &native::ANSWER,
        (Dialect::Native, Family::Predict) => &native::PREDICT,
        (Dialect::Native, Family::Live) => &native::LIVE,
        (Dialect::Compat, Family::Generate) => &compat::CHAT,
        (Dialect::Compat, Family::Embed) => &compat::EMBEDDINGS,
        (Dialect::Compat, Family::Predict) => &compat::IMAGES,
        _ => &native::NOTHING,
    }
}

#[cfg(test)]
mod tests;
