//! What an answer tells of its tokens, where it is not read from its beginning.
//!
//! Google tells the tokens of an answer behind its words, so of one JSON answer the last bytes are
//! kept and read once, when it is over; and of the events that were skimmed the last one is. What
//! looks like usage counts only if it is a field of the outermost object, which shows in how the
//! text goes on from there: it must end with that very object.

use memchr::{memrchr, memrchr_iter};

use super::event::Event;
use crate::json::Tokenizer;

/// How much is kept. Usage with every detail of every modality takes 2 KiB, printed pretty.
const TAIL_MAX: usize = 4 << 10;

/// How usage begins in both dialects.
const USAGE: &[u8] = b"\"usage";

/// So many places are read that look like usage. What is not usage and looks like it stands in
/// arguments that a model wrote, which are seldom about this.
const PLACES_MAX: usize = 4;

/// Its rarest letter, and where that stands.
const RAREST: (u8, usize) = (b'g', 4);

/// Tokens, as the answer tells them; the last word counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens read.
    pub prompt: Option<u64>,
    /// Tokens written, thoughts included.
    pub output: Option<u64>,
    /// All of them.
    pub total: Option<u64>,
}

impl Usage {
    /// What this does not tell is as it was told before.
    pub(super) fn or(self, before: Usage) -> Usage {
        Usage {
            prompt: self.prompt.or(before.prompt),
            output: self.output.or(before.output),
            total: self.total.or(before.total),
        }
    }
}

/// The last bytes of an answer.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: Vec<u8>,
}

impl Tail {
    /// Goes on with the text that is kept.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let last = &bytes[bytes.len().saturating_sub(TAIL_MAX)..];
        if self.bytes.is_empty() {
            // Most answers come in one piece.
            self.bytes = last.to_vec();
            return;
        }
        if self.bytes.len() + bytes.len() > 2 * TAIL_MAX {
            let kept = TAIL_MAX.saturating_sub(bytes.len()).min(self.bytes.len());
            self.bytes.drain(..self.bytes.len() - kept);
        }
        self.bytes.extend_from_slice(last);
    }

    /// What the answer tells, if it is over.
    pub(super) fn usage(&self) -> Usage {
        let text = self.bytes.trim_ascii_end();
        // The end of a list of answers.
        let text = text.strip_suffix(b"]").unwrap_or(text).trim_ascii_end();
        usage_of(text).unwrap_or_default()
    }
}

/// What the last of these events tells that tells something; each is one line.
pub(super) fn of_events(events: &[u8]) -> Option<Usage> {
    let mut rest = events.trim_ascii_end();
    while !rest.is_empty() {
        let begin = memrchr(b'\n', rest).map_or(0, |end| end + 1);
        if let Some(usage) = usage_of(&rest[begin..]) {
            return Some(usage);
        }
        rest = rest[..begin].trim_ascii_end();
    }
    None
}

/// What one frame of a Live socket tells.
pub(crate) fn of_frame(frame: &[u8]) -> Option<Usage> {
    usage_of(frame.trim_ascii_end())
}

/// The last usage that a text tells, to whose end the outermost object goes.
fn usage_of(text: &[u8]) -> Option<Usage> {
    places(text).take(PLACES_MAX).find_map(|at| usage_in(&text[at..]))
}

/// Where keys stand that look like usage, from the last on: it is near the end, and to look for
/// one letter from there costs less than to prepare a search for the word.
fn places(text: &[u8]) -> impl Iterator<Item = usize> {
    let (letter, offset) = RAREST;
    let words = memrchr_iter(letter, text).filter_map(move |at| at.checked_sub(offset));
    let is_key = |at: &usize| at.checked_sub(1).is_none_or(|before| text[before] != b'\\');
    words.filter(|at| text[*at..].starts_with(USAGE)).filter(is_key)
}

/// Reads on from a key of the outermost object, if that is what it is.
fn usage_in(text: &[u8]) -> Option<Usage> {
    let mut event = Event::within();
    let mut tokens = Tokenizer::within_object();
    tokens.push(text, &mut event).ok()?;
    tokens.done().then(|| event.usage()).filter(|usage| *usage != Usage::default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn places_are_those_of_the_word(
            pieces in prop::collection::vec(
                prop::sample::select(vec!["\"usage", "\\", "\"", "usage", "g", "usa", "e", "xyz"]),
                0..40,
            ),
        ) {
            let text = pieces.concat().into_bytes();
            let is_place = |at: &usize| {
                text[*at..].starts_with(USAGE) && (*at == 0 || text[at - 1] != b'\\')
            };
            let expected: Vec<_> = (0..text.len()).rev().filter(is_place).collect();
            prop_assert_eq!(places(&text).collect::<Vec<_>>(), expected);
        }
    }
}
