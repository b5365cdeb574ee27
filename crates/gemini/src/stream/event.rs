//! What one event of an answer says, by its place in the JSON and never by its words.

use super::Usage;
use crate::json::{Kind, Scalar, Sink};

/// Where the reader stands. Everything else is skipped over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Top,
    List,
    Root,
    Candidates,
    Candidate,
    Feedback,
    Usage,
}

/// What the next value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Name {
    #[default]
    Other,
    Error,
    Candidates,
    Feedback,
    Usage,
    /// Why the model or the prompt was stopped.
    Reason,
    Prompt,
    Output,
    Thoughts,
    Total,
}

/// Counts of one event.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    prompt: Option<u64>,
    output: Option<u64>,
    thoughts: Option<u64>,
    total: Option<u64>,
}

/// The events of one answer, one after the other.
#[derive(Debug, Default)]
pub(super) struct Event {
    place: Place,
    in_list: bool,
    name: Name,
    /// Levels below what is of interest.
    skip: usize,
    decided: bool,
    failed: bool,
    word: Word,
    stopped: bool,
    counts: Counts,
    finished: bool,
    usage: Usage,
    text_bytes: u64,
}

/// The beginning of a short word.
#[derive(Debug, Default)]
struct Word {
    bytes: [u8; Word::MAX],
    len: usize,
}

impl Word {
    /// One byte more than the longest that is compared.
    const MAX: usize = 26;

    fn push(&mut self, bytes: &[u8]) {
        for (to, from) in self.bytes[self.len..].iter_mut().zip(bytes) {
            *to = *from;
            self.len += 1;
        }
    }

    /// A reason that says something.
    fn is_reason(&self) -> bool {
        let unspecified: [&[u8]; 2] = [b"FINISH_REASON_UNSPECIFIED", b"BLOCK_REASON_UNSPECIFIED"];
        let word = &self.bytes[..self.len];
        !word.is_empty() && !unspecified.contains(&word)
    }
}

impl Event {
    /// A new event begins.
    pub(super) fn begin(&mut self) {
        let Event { finished, usage, text_bytes, .. } = *self;
        *self = Event { finished, usage, text_bytes, ..Event::default() };
    }

    /// What stands in the middle of an event's object: its fields that are left.
    pub(super) fn within() -> Self {
        Event { place: Place::Root, ..Event::default() }
    }

    /// The event is known to be no error, or not from its first field on.
    pub(super) fn decided(&self) -> bool {
        self.decided
    }

    /// The event is an error.
    pub(super) fn failed(&self) -> bool {
        self.failed
    }

    /// A whole event gave a reason to stop.
    pub(super) fn finished(&self) -> bool {
        self.finished
    }

    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    /// Tokens that were told between the events read here.
    pub(super) fn add_usage(&mut self, usage: Usage) {
        self.usage = usage.or(self.usage);
    }

    /// Words that passed between the events read here.
    pub(super) fn add_text(&mut self, bytes: u64) {
        self.text_bytes += bytes;
    }

    /// Bytes of all strings below what is of interest: the answer's words, mostly.
    pub(super) fn text_bytes(&self) -> u64 {
        self.text_bytes
    }

    /// A value that is not an object or a list of interest begins.
    fn value(&mut self) {
        match (self.skip, self.place, self.name) {
            (0, Place::Root, Name::Error) => self.failed = true,
            (0, Place::Top | Place::List, _) => self.decided = true,
            _ => {}
        }
    }

    /// The object is whole: what it said counts.
    fn settle(&mut self) {
        let Counts { prompt, output, thoughts, total } = std::mem::take(&mut self.counts);
        self.finished |= std::mem::take(&mut self.stopped);
        self.usage.prompt = prompt.or(self.usage.prompt);
        self.usage.total = total.or(self.usage.total);
        if output.is_some() || thoughts.is_some() {
            self.usage.output = Some(output.unwrap_or(0).saturating_add(thoughts.unwrap_or(0)));
        }
    }

    fn named(&self, key: &[u8]) -> Name {
        match (self.place, key) {
            (Place::Root, b"error") => Name::Error,
            (Place::Root, b"candidates") => Name::Candidates,
            (Place::Root, b"promptFeedback") => Name::Feedback,
            (Place::Root, b"usageMetadata" | b"usage") => Name::Usage,
            (Place::Candidate, b"finishReason") | (Place::Feedback, b"blockReason") => Name::Reason,
            (Place::Usage, b"promptTokenCount" | b"prompt_tokens") => Name::Prompt,
            (
                Place::Usage,
                b"candidatesTokenCount" | b"responseTokenCount" | b"completion_tokens",
            ) => Name::Output,
            (Place::Usage, b"thoughtsTokenCount") => Name::Thoughts,
            (Place::Usage, b"totalTokenCount" | b"total_tokens") => Name::Total,
            _ => Name::Other,
        }
    }
}

impl Sink for Event {
    fn open(&mut self, kind: Kind) {
        if self.skip > 0 {
            self.skip += 1;
            return;
        }
        self.place = match (self.place, kind, self.name) {
            (Place::Top, Kind::Object, _) => Place::Root,
            (Place::Top, Kind::Array, _) => {
                self.in_list = true;
                Place::List
            }
            (Place::List, Kind::Object, _) => Place::Root,
            (Place::Root, Kind::Array, Name::Candidates) => Place::Candidates,
            (Place::Candidates, Kind::Object, _) => Place::Candidate,
            (Place::Root, Kind::Object, Name::Feedback) => Place::Feedback,
            (Place::Root, Kind::Object, Name::Usage) => Place::Usage,
            (place, ..) => {
                self.value();
                self.skip = 1;
                place
            }
        };
    }

    fn close(&mut self, _: Kind) {
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        self.place = match self.place {
            Place::Candidate => Place::Candidates,
            Place::Candidates | Place::Feedback | Place::Usage => Place::Root,
            Place::Root => {
                self.decided = true;
                self.settle();
                if self.in_list { Place::List } else { Place::Top }
            }
            Place::List | Place::Top => {
                self.decided = true;
                Place::Top
            }
        };
    }

    fn key(&mut self, key: Option<&[u8]>) {
        if self.skip > 0 {
            return;
        }
        self.name = key.map_or(Name::Other, |key| self.named(key));
        self.decided |= self.name != Name::Error;
    }

    fn string(&mut self) {
        self.value();
        self.word.len = 0;
    }

    fn piece(&mut self, bytes: &[u8]) {
        if self.skip > 0 {
            self.text_bytes += bytes.len() as u64;
        } else if self.name == Name::Reason {
            self.word.push(bytes);
        }
    }

    fn string_end(&mut self) {
        if self.skip == 0 && self.name == Name::Reason {
            self.stopped |= self.word.is_reason();
        }
    }

    fn scalar(&mut self, scalar: Scalar) {
        if self.skip > 0 {
            return;
        }
        if scalar == Scalar::Null {
            self.decided = true;
            return;
        }
        self.value();
        let Scalar::Number(number) = scalar else { return };
        match self.name {
            // Old clients ask for enumerations as numbers; 0 says nothing.
            Name::Reason => self.stopped |= number.is_some_and(|number| number > 0),
            Name::Prompt => self.counts.prompt = number,
            Name::Output => self.counts.output = number,
            Name::Thoughts => self.counts.thoughts = number,
            Name::Total => self.counts.total = number,
            _ => {}
        }
    }
}
