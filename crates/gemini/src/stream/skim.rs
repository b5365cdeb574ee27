//! Finding out, by searching alone, that events need not be read.
//!
//! An event is clear if it lies whole in its chunk, on one line, as one object, and holds none of
//! the words that could make it an error or the end. Rule: finding a word proves nothing, not
//! finding it does. So words count wherever they stand, a letter written as an escape counts as
//! one of theirs, and whatever is not clear is read.

use std::ops::Range;

use memchr::memmem::{self, Finder};
use memchr::{memchr, memchr2};

use super::Framing;
use super::judge::DATA;

/// `finishReason` and `blockReason`.
const REASON: &[u8] = b"Reason\"";
const ERROR: &[u8] = b"\"error\"";
/// How a letter looks that is written as an escape, up to the digit that tells letters from the
/// signs that Google escapes.
const ESCAPE: &[u8] = b"\\u00";

const MARKS: usize = 3;

/// Searches, prepared once a stream: preparing one costs as much as searching an event.
#[derive(Debug)]
pub(super) struct Finders {
    marks: [Finder<'static>; MARKS],
}

impl Finders {
    pub(super) fn new() -> Self {
        Finders { marks: [ERROR, ESCAPE, REASON].map(Finder::new) }
    }
}

/// Looks through one chunk, each byte once for each word.
pub(super) struct Skim<'c> {
    finders: &'c Finders,
    chunk: &'c [u8],
    /// Where each word stands next; `None` before it was looked for.
    next: [Option<usize>; MARKS],
}

impl<'c> Skim<'c> {
    pub(super) fn new(finders: &'c Finders, framing: Framing, chunk: &'c [u8]) -> Self {
        // Compatible streams end with a mark of their own, whatever reasons they give.
        let reason = (framing == Framing::Compat).then_some(chunk.len());
        Skim { finders, chunk, next: [None, None, reason] }
    }

    /// The clear events that follow each other from `from` on.
    pub(super) fn clear_events(&mut self, from: usize) -> Range<usize> {
        let mut end = from;
        while let Some(event) = whole_event(&self.chunk[end..]) {
            if self.mark(end) < end + event {
                break;
            }
            end += event;
        }
        from..end
    }

    /// Where the first word that could matter stands, from `from` on.
    fn mark(&mut self, from: usize) -> usize {
        let mut first = self.chunk.len();
        for (next, finder) in self.next.iter_mut().zip(&self.finders.marks) {
            let at = match *next {
                Some(at) if at >= from => at,
                _ => find(finder, self.chunk, from),
            };
            *next = Some(at);
            first = first.min(at);
        }
        first
    }
}

/// The next place of a word, or the end of the chunk.
fn find(finder: &Finder<'_>, chunk: &[u8], from: usize) -> usize {
    let is_escape = finder.needle() == ESCAPE;
    let mut places = finder.find_iter(&chunk[from..]).map(|at| from + at);
    let counts = |at: &usize| {
        // 5 to 7: the block of letters.
        !is_escape || matches!(chunk.get(at + ESCAPE.len()), None | Some(b'5'..=b'7'))
    };
    places.find(counts).unwrap_or(chunk.len())
}

/// The length of the event at the beginning of `text`, if it is one line with an object.
fn whole_event(text: &[u8]) -> Option<usize> {
    let data = text.strip_prefix(DATA)?;
    let data = data.strip_prefix(b" ").unwrap_or(data);
    if data.first() != Some(&b'{') {
        return None;
    }
    let line = memchr(b'\n', text)? + 1;
    match text.get(line..) {
        Some([b'\n', ..]) => Some(line + 1),
        Some([b'\r', b'\n', ..]) => Some(line + 2),
        _ => None,
    }
}

/// Of clear events: about how many bytes of words they bring.
pub(super) fn words(framing: Framing, events: &[u8]) -> u64 {
    let field: &[u8] = if framing == Framing::Compat { b"\"content\":" } else { b"\"text\":" };
    let ends = memmem::find_iter(events, field).map(|at| at + field.len());
    ends.map(|at| string_len(events[at..].trim_ascii_start()) as u64).sum()
}

/// How long the string is that `text` begins with, as it is written.
fn string_len(text: &[u8]) -> usize {
    let Some(text) = text.strip_prefix(b"\"") else { return 0 };
    let mut at = 0;
    loop {
        match memchr2(b'"', b'\\', &text[at..]) {
            Some(quote) if text[at + quote] == b'"' => return at + quote,
            Some(escape) if at + escape + 2 <= text.len() => at += escape + 2,
            _ => return text.len(),
        }
    }
}
