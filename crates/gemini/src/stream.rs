//! Whether a stream is whole, failed or broken, and what it used.
//!
//! Google puts errors into streams that began well, sometimes in a form that clients silently
//! ignore, and a stream that is cut can look like one that ended. So every chunk is read while it
//! passes.
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

mod event;
mod late;
mod seen;
mod skim;
mod usage;

use memchr::memchr;

pub use seen::{Ending, Framing, Seen};
pub use usage::Usage;

use crate::answer::{Problem, Reason};
use crate::credential::ApiKey;
use crate::failure::Failure;
use crate::json::Tokenizer;
use event::Event;
use late::Late;
use skim::{Finders, Skim};
use usage::Tail;

/// Longest undecided beginning that is held. Google writes 15 bytes; more is no form of its errors.
const HELD_MAX: usize = 256;

/// Bytes of text that make a token, the usual rule for western languages.
const BYTES_PER_TOKEN: u64 = 4;

const DATA: &[u8] = b"data:";
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

/// Reads a stream while it passes.
#[derive(Debug)]
pub struct Watch {
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
    held: Vec<u8>,
    free: Vec<u8>,
    late: Option<Late>,
    tail: Tail,
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

impl Watch {
    /// For an answer of this framing.
    pub fn new(framing: Framing) -> Self {
        Watch {
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
            tail: Tail::default(),
            finders: None,
        }
    }

    /// Reads a chunk and says what of it may go out.
    pub fn push(&mut self, chunk: &[u8]) -> Seen<'_> {
        match self.framing {
            Framing::Opaque => Seen::Pass,
            Framing::Json => {
                self.tail.push(chunk);
                Seen::Pass
            }
            Framing::Native | Framing::Compat => self.judge(chunk),
        }
    }

    fn judge(&mut self, chunk: &[u8]) -> Seen<'_> {
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

    /// The error that failed the stream has been read whole; nothing more need be pushed.
    pub fn told(&self) -> bool {
        self.late.as_ref().is_some_and(Late::told)
    }

    /// The facts of the error that failed the stream.
    pub fn failure(&self) -> Option<Failure> {
        self.late.as_ref().map(Late::failure)
    }

    /// The event that tells the caller of the failure, without secrets: the last bytes to send
    /// before the connection is aborted. For a broken stream it says just that.
    pub fn error_event(&self, keys: &[&ApiKey]) -> Vec<u8> {
        let told = self.late.as_ref().and_then(|late| late.redacted(keys));
        match told {
            Some(error) => self.event_of(error),
            None => self.problem_event(&Problem::new(Reason::Broken)),
        }
    }

    /// The event that tells the caller of an error of our own.
    pub fn problem_event(&self, problem: &Problem) -> Vec<u8> {
        self.event_of(problem.body(crate::route::Dialect::Native))
    }

    fn event_of(&self, error: Vec<u8>) -> Vec<u8> {
        let torn = self.late.as_ref().map_or(self.passed, Late::torn);
        let before: &[u8] = if torn { b"\r\n\r\n" } else { b"" };
        [before, b"data: ", &error, b"\r\n\r\n"].concat()
    }

    /// Bytes that are still held when a whole stream ends; they belong to the answer.
    pub fn held(&self) -> &[u8] {
        &self.held
    }

    /// How a stream that ends here has ended.
    pub fn end(&self) -> Ending {
        let whole = match self.framing {
            Framing::Native => self.event.finished(),
            Framing::Compat => self.done,
            Framing::Json | Framing::Opaque => true,
        };
        if whole && self.late.is_none() { Ending::Whole } else { Ending::Broken }
    }

    /// What was used, as far as it was told.
    pub fn usage(&self) -> Usage {
        if self.framing == Framing::Json { self.tail.usage() } else { self.event.usage() }
    }

    /// Tokens written, estimated by the words that passed: for answers that do not tell.
    pub fn estimate(&self) -> u64 {
        self.event.text_bytes() / BYTES_PER_TOKEN
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

#[cfg(test)]
mod tests;
