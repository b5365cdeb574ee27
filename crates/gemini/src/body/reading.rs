//! One body, read token by token along its allow-list.

use super::fields::{Field, Fields, Metered, Rule};
use super::hash::Hash;
use super::talk::Talk;
use super::{Own, uri};
use crate::json::{KEY_MAX, Kind, Scalar, Sink};
use crate::words::is_name;

/// Longest model name that is believed. Google's own stay below half of it.
const MODEL_MAX: usize = 128;

/// No list goes deeper than this; lists in lists may, up to the tokenizer's limit.
const FRAMES_USUAL: usize = 16;

/// Where what an answer is made of is said, from the outside in.
const OF_MODALITY: [&str; 3] = ["setup", "generationConfig", "responseModalities"];

/// What is not within any field yet.
const BODY: &Field = &("body", Rule::Body);

/// What no list has: the call is own by then.
const UNKNOWN: &Field = &("", Rule::Free);

#[derive(Debug)]
enum Frame {
    Object(&'static Fields, /* a turn of the conversation */ bool),
    /// Elements stand for the field that holds the list.
    Array(&'static Field),
}

/// What was understood so far, and where the reader stands.
#[derive(Debug)]
pub(super) struct Reading {
    /// What the whole body may have.
    fields: &'static Fields,
    path_model: Option<Box<str>>,
    pub(super) own: Option<Own>,
    pub(super) metered: Metered,
    pub(super) model: Option<String>,
    pub(super) stream: Option<bool>,
    pub(super) says_store: bool,
    /// What the answer is made of is said, and so is not left to what the method does unasked.
    pub(super) says_modality: bool,
    pub(super) talk: Talk,
    signature: Hash,
    seed: u64,
    frames: Vec<Frame>,
    /// Levels below a place where anything may stand.
    free: usize,
    /// What the next value is.
    field: &'static Field,
    /// The beginning of the string being read, where its value decides.
    value: Vec<u8>,
    value_len: u64,
}

impl Reading {
    pub(super) fn new(
        fields: &'static Fields,
        path_model: Option<&str>,
        talk: Talk,
        seed: u64,
    ) -> Self {
        Reading {
            fields,
            path_model: path_model.map(Into::into),
            own: None,
            metered: Metered::NONE,
            model: None,
            stream: None,
            says_store: false,
            says_modality: false,
            talk,
            signature: Hash::new(seed),
            seed,
            frames: Vec::with_capacity(FRAMES_USUAL),
            free: 0,
            field: BODY,
            value: Vec::new(),
            value_len: 0,
        }
    }

    fn is_own(&mut self, why: impl FnOnce() -> Own) {
        if self.own.is_none() {
            self.own = Some(why());
        }
    }

    fn unknown(&mut self, name: &str) {
        self.is_own(|| Own::Unknown(name.into()));
    }

    fn enter(&mut self, fields: &'static Fields, turn: bool) {
        if turn {
            self.talk.turn_begins();
        }
        self.frames.push(Frame::Object(fields, turn));
    }

    /// An object where its field allows one.
    fn object(&mut self) {
        let (name, rule) = *self.field;
        match rule {
            Rule::Body => self.enter(self.fields, false),
            Rule::Object(fields) | Rule::Words(fields) => self.enter(fields, false),
            // `NOTHING` there means: a string alone.
            Rule::Link(fields) => self.enter(fields, false),
            Rule::Turns(fields) => self.enter(fields, true),
            Rule::Response(fields) => {
                self.talk.has_model_turn = true;
                self.enter(fields, false);
            }
            Rule::Metered(metered, fields) => {
                self.metered |= metered;
                self.enter(fields, false);
            }
            Rule::Free => self.free = 1,
            _ => {
                self.forbidden(name, rule);
                self.free = 1;
            }
        }
    }

    /// A value that its field does not allow.
    fn forbidden(&mut self, name: &'static str, rule: Rule) {
        self.is_own(|| match rule {
            Rule::State | Rule::Store | Rule::Uri | Rule::Link(_) => Own::State(name),
            Rule::Price => Own::Price(name),
            Rule::Model => Own::Model,
            _ => Own::Unknown(name.into()),
        });
    }

    /// What may stand where the reader is.
    fn rule(&self) -> Rule {
        if self.free > 0 { Rule::Free } else { self.field.1 }
    }

    /// How much of a string decides.
    fn keeps(rule: Rule) -> usize {
        match rule {
            Rule::Uri | Rule::Link(_) => uri::URI_MAX + 1,
            Rule::Model => MODEL_MAX + "models/".len() + 1,
            Rule::Role | Rule::Modality | Rule::OneOf(_) | Rule::Data => KEY_MAX,
            _ => 0,
        }
    }

    fn model_named(&mut self) {
        let name = std::str::from_utf8(&self.value).unwrap_or_default();
        let name = name.strip_prefix("models/").unwrap_or(name);
        let agrees = self.path_model.as_deref().is_none_or(|path| path == name)
            && self.model.as_deref().is_none_or(|model| model == name);
        if name.starts_with("tunedModels/") {
            self.is_own(|| Own::State("model"));
        } else if name.is_empty() || name.len() > MODEL_MAX || !is_name(name.as_bytes()) || !agrees
        {
            self.is_own(|| Own::Model);
        } else if self.model.is_none() {
            self.model = Some(name.to_owned());
        }
    }

    fn modality(&mut self, name: &'static str) {
        self.says_modality = true;
        match self.value.to_ascii_uppercase().as_slice() {
            b"TEXT" => {}
            b"IMAGE" => self.metered |= Metered::IMAGE_OUT,
            b"AUDIO" => self.metered |= Metered::SPEECH_OUT,
            _ => self.unknown(name),
        }
    }

    fn linked(&mut self, name: &'static str, data_allowed: bool) {
        if data_allowed && self.value.starts_with(b"data:") {
            self.talk.data(self.value_len);
        } else if uri::is_public(&self.value) {
            self.talk.link();
        } else {
            self.is_own(|| Own::State(name));
        }
    }

    /// Base64 has no colon: what has one is a URL that somebody may follow.
    fn inline(&mut self, name: &'static str) {
        if self.value.contains(&b':') && !self.value.starts_with(b"data:") {
            self.is_own(|| Own::State(name));
        }
        self.talk.data(self.value_len);
    }

    fn streams(&mut self, wanted: bool, name: &'static str) {
        if self.stream.replace(wanted).is_some_and(|before| before != wanted) {
            self.unknown(name);
        }
    }

    /// The string that was read stood in this field.
    fn read_string(&mut self) {
        let (name, rule) = *self.field;
        match rule {
            Rule::Model => self.model_named(),
            Rule::Role => self.talk.role(&self.value),
            Rule::Modality => self.modality(name),
            Rule::OneOf(words) if words.iter().all(|word| word.as_bytes() != self.value) => {
                self.unknown(name);
            }
            Rule::Uri => self.linked(name, false),
            Rule::Link(_) => self.linked(name, true),
            Rule::Data => self.inline(name),
            Rule::Signature => self.talk.signed(&self.signature),
            Rule::Metered(metered, _) => self.metered |= metered,
            Rule::State | Rule::Price | Rule::Store | Rule::Stream => self.forbidden(name, rule),
            _ => {}
        }
    }
}

impl Sink for Reading {
    fn open(&mut self, kind: Kind) {
        match (self.free, kind) {
            (0, Kind::Object) => self.object(),
            (0, Kind::Array) => self.frames.push(Frame::Array(self.field)),
            _ => self.free += 1,
        }
    }

    fn close(&mut self, _: Kind) {
        if self.free > 0 {
            self.free -= 1;
        } else if let Some(Frame::Object(_, true)) = self.frames.pop() {
            self.talk.turn_ends();
        }
        if let (0, Some(Frame::Array(field))) = (self.free, self.frames.last()) {
            self.field = field;
        }
    }

    fn key(&mut self, key: Option<&[u8]>) {
        if self.free > 0 {
            self.talk.text(key.map_or(0, <[u8]>::len));
            return;
        }
        let Some(Frame::Object(fields, _)) = self.frames.last() else { return };
        let found = key.and_then(|key| fields.find(key));
        self.field = found.unwrap_or(UNKNOWN);
        self.says_store |= matches!(self.field.1, Rule::Store);
        // Of two that hold it the last may count, and may leave it out.
        self.says_modality = self.says_modality && !OF_MODALITY.contains(&self.field.0);
        if found.is_none() {
            let key = key.map_or("…".into(), String::from_utf8_lossy);
            self.unknown(&key);
        }
    }

    fn string(&mut self) {
        self.value.clear();
        self.value_len = 0;
        if matches!(self.field.1, Rule::Signature) {
            self.signature = Hash::new(self.seed);
        }
    }

    fn piece(&mut self, bytes: &[u8]) {
        let rule = self.rule();
        self.value_len += bytes.len() as u64;
        match rule {
            Rule::Text | Rule::Words(_) | Rule::Free => {
                self.talk.text(bytes.len());
                self.talk.says(bytes);
                return;
            }
            Rule::Signature => self.signature.write(bytes),
            Rule::Data | Rule::Uri | Rule::Link(_) => self.talk.says(bytes),
            _ => {}
        }
        let room = Reading::keeps(rule).saturating_sub(self.value.len());
        self.value.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn string_end(&mut self) {
        if matches!(
            self.rule(),
            Rule::Text | Rule::Words(_) | Rule::Free | Rule::Data | Rule::Uri | Rule::Link(_)
        ) {
            self.talk.says_end();
        }
        if self.free == 0 {
            self.read_string();
        }
    }

    fn scalar(&mut self, scalar: Scalar) {
        let (name, rule) = *self.field;
        if self.free > 0 {
            return;
        }
        match (rule, scalar) {
            (_, Scalar::Null) | (Rule::Store, Scalar::False) => {}
            (Rule::Stream, Scalar::True | Scalar::False) => {
                self.streams(scalar == Scalar::True, name);
            }
            (Rule::Metered(metered, _), _) => self.metered |= metered,
            (
                Rule::State
                | Rule::Price
                | Rule::Store
                | Rule::Stream
                | Rule::Model
                | Rule::Modality
                | Rule::OneOf(_)
                | Rule::Uri
                | Rule::Link(_),
                _,
            ) => self.forbidden(name, rule),
            _ => {}
        }
    }
}
