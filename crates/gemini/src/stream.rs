//! Whether a stream is whole, failed or broken, and what it used.
//!
//! Google puts errors into streams that began well, sometimes in a form that clients silently
//! ignore, and a stream that is cut can look like one that ended. So every chunk is read while it
//! passes.
//!
//! Only a stream of events can be judged so. What that takes (`judge`) is kept apart, since nearly
//! every other answer is one JSON text that is read for its usage alone.

mod event;
mod judge;
mod late;
mod seen;
mod skim;
pub(crate) mod usage;

pub use seen::{Ending, Framing, Seen};
pub use usage::Usage;

use crate::answer::{Problem, Reason};
use crate::credential::ApiKey;
use crate::failure::Failure;
use judge::Judge;
use usage::Tail;

/// Bytes of text that make a token, the usual rule for western languages.
const BYTES_PER_TOKEN: u64 = 4;

/// Reads a stream while it passes.
#[derive(Debug)]
pub struct Watch(Reader);

/// What a framing is read with.
#[derive(Debug)]
enum Reader {
    Opaque,
    Json(Tail),
    Events(Box<Judge>),
}

impl Watch {
    /// For an answer of this framing.
    pub fn new(framing: Framing) -> Self {
        Watch(match framing {
            Framing::Opaque => Reader::Opaque,
            Framing::Json => Reader::Json(Tail::default()),
            Framing::Native | Framing::Compat => Reader::Events(Box::new(Judge::new(framing))),
        })
    }

    /// Reads a chunk and says what of it may go out.
    pub fn push(&mut self, chunk: &[u8]) -> Seen<'_> {
        match &mut self.0 {
            Reader::Opaque => Seen::Pass,
            Reader::Json(tail) => {
                tail.push(chunk);
                Seen::Pass
            }
            Reader::Events(judge) => judge.push(chunk),
        }
    }

    fn judge(&self) -> Option<&Judge> {
        match &self.0 {
            Reader::Events(judge) => Some(judge),
            Reader::Opaque | Reader::Json(_) => None,
        }
    }

    /// The error that failed the stream has been read whole; nothing more need be pushed.
    pub fn told(&self) -> bool {
        self.judge().is_some_and(Judge::told)
    }

    /// The facts of the error that failed the stream.
    pub fn failure(&self) -> Option<Failure> {
        self.judge().and_then(Judge::failure)
    }

    /// The event that tells the caller of the failure, without secrets: the last bytes to send
    /// before the connection is aborted. For a broken stream it says just that.
    pub fn error_event(&self, keys: &[&ApiKey]) -> Vec<u8> {
        match self.judge().and_then(|judge| judge.error(keys)) {
            Some(error) => self.event_of(error),
            None => self.problem_event(&Problem::new(Reason::Broken)),
        }
    }

    /// The event that tells the caller of an error of our own.
    pub fn problem_event(&self, problem: &Problem) -> Vec<u8> {
        self.event_of(problem.body(crate::route::Dialect::Native))
    }

    fn event_of(&self, error: Vec<u8>) -> Vec<u8> {
        let torn = self.judge().is_some_and(Judge::torn);
        let before: &[u8] = if torn { b"\r\n\r\n" } else { b"" };
        [before, b"data: ", &error, b"\r\n\r\n"].concat()
    }

    /// Bytes that are still held when a whole stream ends; they belong to the answer.
    pub fn held(&self) -> &[u8] {
        self.judge().map_or(&[], |judge| &judge.held)
    }

    /// How a stream that ends here has ended.
    pub fn end(&self) -> Ending {
        self.judge().map_or(Ending::Whole, Judge::end)
    }

    /// What was used, as far as it was told.
    pub fn usage(&self) -> Usage {
        match &self.0 {
            Reader::Opaque => Usage::default(),
            Reader::Json(tail) => tail.usage(),
            Reader::Events(judge) => judge.usage(),
        }
    }

    /// Tokens written, estimated by the words that passed: for answers that do not tell.
    pub fn estimate(&self) -> u64 {
        self.judge().map_or(0, Judge::text_bytes) / BYTES_PER_TOKEN
    }
}

#[cfg(test)]
mod tests;
