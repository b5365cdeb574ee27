//! The judge of a stream of events.
//!
//! Nothing of an error may pass as it came (it may hold secrets, and half an event before a good
//! one spoils it), yet nothing of an answer may wait. Both hold because an error shows itself at
//! once: its event's first field is `error`, or its line is no event line at all. So only the few
//! bytes from the beginning of an event to its first field are ever undecided, and only when a
//! chunk ends within them are they held, copied, until the next chunk decides. Every other chunk
//! is passed as it is: no copy, no allocation.
//!
//! Most events say nothing that matters here, and lie whole in a chunk. Those are skimmed (`skim`):
//! to search for the words that would matter is ten times cheaper than to read. A search only ever
//! clears an event; one in which it finds something is read, and judged by the place of the words.

use memchr::memchr;

use super::event::Event;
use super::late::Late;
use super::skim::{self, Finders, Skim};
use super::{Ending, Framing, Seen, Usage, usage};
use crate::credential::ApiKey;
use crate::failure::Failure;
use crate::json::Tokenizer;

/// Longest undecided beginning that is held. Google writes 15 bytes; more is no form of its errors.
pub(super) const HELD_MAX: usize = 256;

pub(super) const DATA: &[u8] = b"data:";
const DONE: &[u8] = b"[DONE]";

/// Where in a line the reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Start,
    /// After a carriage return that began the line.
    Return,
    /// So many bytes of `data:` were read.
    Prefix(usize),
    /// Before the first byte of the data.
    Gap,
    /// So many bytes of `[DONE]` were read.
    Mark(usize),
    Data,
    /// Nothing that matters until the line ends.
    Rest,
}

/// Reads a stream of events while it passes.
#[derive(Debug)]
pub(super) struct Judge {
    framing: Framing,
    line: Line,
    tokens: Tokenizer,
    event: Event,
    /// An event has begun.
    open: bool,
    /// It is known to be no error.
    decided: bool,
    /// Its beginning went out with an earlier chunk.
    passed: bool,
    done: bool,
    pub(super) held: Vec<u8>,
    pub(super) free: Vec<u8>,
    late: Option<Late>,
    /// Made when the first events come.
    finders: Option<Box<Finders>>,
}

/// What a chunk means. `from` is where in it the undecided or bad event begins; `None` when that
/// is in an earlier chunk, held until now.
enum Read {
    Clear,
    Undecided { from: Option<usize> },
    Failed { from: Option<usize>, torn: bool },
}

impl Judge {
    pub(super) fn new(framing: Framing) -> Self {
        Judge {
            framing,
            line: Line::Start,
            tokens: Tokenizer::new(),
            event: Event::default(),
            open: false,
            decided: false,
            passed: false,
            done: false,
            held: Vec::new(),
            free: Vec::new(),
            late: None,
            finders: None,
        }
    }

    /// Reads a chunk and says what of it may go out.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Seen<'_> {
        if let Some(late) = &mut self.late {
            late.push(chunk);
            return Seen::Failed { before: &[], pass: 0 };
        }
        self.free.clear();
        match self.read(chunk) {
            Read::Clear if self.held.is_empty() => Seen::Pass,
            Read::Undecided { from: None } if self.held.len() + chunk.len() <= HELD_MAX => {
                self.held.extend_from_slice(chunk);
                Seen::Part { before: &[], pass: 0 }
            }
            Read::Undecided { from: Some(from) } if chunk.len() - from <= HELD_MAX => {
                std::mem::swap(&mut self.held, &mut self.free);
                self.held.extend_from_slice(&chunk[from..]);
                Seen::Part { before: &self.free, pass: from }
            }
            // Longer than any error begins: what is held goes with it.
            Read::Clear | Read::Undecided { .. } => {
                self.decided = true;
                self.passed = self.open;
                std::mem::swap(&mut self.held, &mut self.free);
                Seen::Part { before: &self.free, pass: chunk.len() }
            }
            Read::Failed { from, torn } => self.fail(chunk, from, torn),
        }
    }

    fn fail(&mut self, chunk: &[u8], from: Option<usize>, torn: bool) -> Seen<'_> {
        let mut late = Late::new(torn);
        if from.is_none() {
            late.push(&self.held);
            self.held.clear();
        }
        std::mem::swap(&mut self.held, &mut self.free);
        let pass = from.unwrap_or(0);
        late.push(&chunk[pass..]);
        self.late = Some(late);
        Seen::Failed { before: &self.free, pass }
    }

    fn read(&mut self, chunk: &[u8]) -> Read {
        let finders = self.finders.take().unwrap_or_else(|| Box::new(Finders::new()));
        let read = self.read_with(&finders, chunk);
        self.finders = Some(finders);
        read
    }

    fn read_with(&mut self, finders: &Finders, chunk: &[u8]) -> Read {
        let mut begun = None;
        let mut at = 0;
        let mut skim = Skim::new(finders, self.framing, chunk);
        while at < chunk.len() {
            if self.line == Line::Start && !self.open {
                let clear = skim.clear_events(at);
                at += clear.len();
                self.skimmed(&chunk[clear]);
                begun = Some(at);
                if at == chunk.len() {
                    break;
                }
            }
            let rest = &chunk[at..];
            match self.step(rest) {
                Step::Read(read) => at += read,
                Step::Bare if self.decided || !self.open => {
                    return Read::Failed { from: Some(at), torn: self.open };
                }
                Step::Bare | Step::Error => {
                    let torn = self.passed && begun.is_none();
                    return Read::Failed { from: if torn { Some(0) } else { begun }, torn };
                }
            }
        }
        if self.open && !self.decided || !self.open && matches!(self.line, Line::Prefix(_)) {
            return Read::Undecided { from: begun };
        }
        self.passed = self.open;
        Read::Clear
    }

    /// Whole events passed that say nothing but words and, perhaps, tokens.
    fn skimmed(&mut self, events: &[u8]) {
        match usage::of_events(events) {
            Some(usage) => self.event.add_usage(usage),
            None => self.event.add_text(skim::words(self.framing, events)),
        }
    }

    fn step(&mut self, rest: &[u8]) -> Step {
        let first = rest[0];
        match self.line {
            Line::Start => return self.start(first),
            Line::Return | Line::Gap | Line::Prefix(_) if first == b'\n' => {
                if self.line == Line::Return {
                    self.event_ends();
                }
                self.line = Line::Start;
            }
            Line::Prefix(read) if DATA.get(read) == Some(&first) => self.prefix(read + 1),
            Line::Gap if first == b' ' => {}
            Line::Gap if first == b'[' && self.framing == Framing::Compat => {
                self.line = Line::Mark(1);
            }
            Line::Mark(read) if DONE[read] == first => self.mark(read + 1),
            Line::Mark(read) => {
                self.line = Line::Data;
                return self.data(&DONE[..read], 0);
            }
            Line::Gap => {
                self.line = Line::Data;
                return Step::Read(0);
            }
            Line::Data => {
                let end = memchr(b'\n', rest).map(|end| end + 1);
                if end.is_some() {
                    self.line = Line::Start;
                }
                let read = end.unwrap_or(rest.len());
                return self.data(&rest[..read], read);
            }
            Line::Return | Line::Prefix(_) | Line::Rest => {
                self.line = Line::Rest;
                let Some(end) = memchr(b'\n', rest) else { return Step::Read(rest.len()) };
                self.line = Line::Start;
                return Step::Read(end + 1);
            }
        }
        Step::Read(1)
    }

    /// The first byte of a line.
    fn start(&mut self, first: u8) -> Step {
        match first {
            b'\n' => self.event_ends(),
            b'\r' => self.line = Line::Return,
            b'd' => self.line = Line::Prefix(1),
            // Data that goes on in a line without `data:`; nobody writes so but in an error.
            b' ' | b'\t' | b'"' | b'}' | b']' if self.open && !self.decided => {
                self.line = Line::Data;
                return Step::Read(0);
            }
            b'{' | b'[' => return Step::Bare,
            _ => self.line = Line::Rest,
        }
        Step::Read(1)
    }

    fn prefix(&mut self, read: usize) {
        self.line = Line::Prefix(read);
        if read == DATA.len() {
            self.line = Line::Gap;
            if !self.open {
                self.open = true;
                self.decided = false;
                self.passed = false;
                self.tokens.reset();
                self.event.begin();
            }
        }
    }

    fn mark(&mut self, read: usize) {
        self.line = Line::Mark(read);
        if read == DONE.len() {
            self.done = true;
            self.decided = true;
            self.line = Line::Rest;
        }
    }

    fn data(&mut self, data: &[u8], read: usize) -> Step {
        let readable = self.tokens.push(data, &mut self.event).is_ok();
        if self.event.failed() {
            return Step::Error;
        }
        self.decided |= !readable || self.event.decided();
        Step::Read(read)
    }

    fn event_ends(&mut self) {
        self.line = Line::Start;
        self.open = false;
        self.passed = false;
    }

    pub(super) fn told(&self) -> bool {
        self.late.as_ref().is_some_and(Late::told)
    }

    pub(super) fn failure(&self) -> Option<Failure> {
        self.late.as_ref().map(Late::failure)
    }

    /// The error that failed the stream, without secrets.
    pub(super) fn error(&self, keys: &[&ApiKey]) -> Option<Vec<u8>> {
        self.late.as_ref().and_then(|late| late.redacted(keys))
    }

    /// What passed ends within an event.
    pub(super) fn torn(&self) -> bool {
        self.late.as_ref().map_or(self.passed, Late::torn)
    }

    pub(super) fn end(&self) -> Ending {
        let whole = if self.framing == Framing::Compat { self.done } else { self.event.finished() };
        if whole && self.late.is_none() { Ending::Whole } else { Ending::Broken }
    }

    pub(super) fn usage(&self) -> Usage {
        self.event.usage()
    }

    /// Bytes of the words that passed.
    pub(super) fn text_bytes(&self) -> u64 {
        self.event.text_bytes()
    }
}

/// What became of a few bytes.
enum Step {
    Read(usize),
    /// The event is an error.
    Error,
    /// A line is no event line but JSON.
    Bare,
}
