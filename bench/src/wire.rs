//! Just enough HTTP/1.1 to ask and to know when an answer is whole.

use memchr::memchr_iter;
use std::io::{Error, ErrorKind, Result};

/// Longer heads, and lines of chunk sizes, are nobody's here.
const HEAD: usize = 16 * 1024;

/// What every call says.
pub const BODY: &str =
    r#"{"contents":[{"role":"user","parts":[{"text":"Why is the sky blue?"}]}]}"#;

/// The bytes of one call.
pub fn request(to: &str, stream: bool, key: &str) -> Vec<u8> {
    let verb = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
    format!(
        "POST /v1beta/models/gemini-2.5-flash:{verb} HTTP/1.1\r\nhost: {to}\r\n\
         x-goog-api-key: {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    )
    .into_bytes()
}

/// One answer as it comes in.
#[derive(Default)]
pub struct Answer {
    state: State,
    head: Vec<u8>,
    /// Bytes of the body so far.
    pub bytes: usize,
    /// Lines of the body that say something: events, in a stream.
    pub lines: usize,
    line_says: bool,
}

#[derive(Default, Clone, Copy)]
enum State {
    #[default]
    Head,
    Sized(usize),
    ChunkSize,
    Chunk(usize),
    /// The line end after a chunk, or after the last one.
    ChunkEnd {
        last: bool,
    },
    Done,
}

impl Answer {
    /// Takes in what came; true once the answer is whole.
    pub fn push(&mut self, mut data: &[u8]) -> Result<bool> {
        while !data.is_empty() {
            data = match self.state {
                State::Head => self.head(data)?,
                State::Sized(left) => {
                    let (mine, rest) = data.split_at(left.min(data.len()));
                    self.body(mine);
                    self.state = sized(left - mine.len());
                    rest
                }
                State::ChunkSize => self.chunk_size(data)?,
                State::Chunk(left) => {
                    let (mine, rest) = data.split_at(left.min(data.len()));
                    self.body(mine);
                    let left = left - mine.len();
                    let end = State::ChunkEnd { last: false };
                    self.state = if left == 0 { end } else { State::Chunk(left) };
                    rest
                }
                State::ChunkEnd { last } => self.chunk_end(data, last),
                State::Done => return Err(bad("more than was asked for")),
            };
        }
        Ok(matches!(self.state, State::Done))
    }

    fn head<'d>(&mut self, data: &'d [u8]) -> Result<&'d [u8]> {
        let before = self.head.len();
        self.head.extend_from_slice(data);
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(length) = parsed.parse(&self.head).map_err(bad)? else {
            return if self.head.len() > HEAD { Err(bad("a head too long")) } else { Ok(&[]) };
        };
        if parsed.code != Some(200) {
            return Err(bad(String::from_utf8_lossy(&self.head).into_owned()));
        }
        let named = |name: &str| parsed.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name));
        let size = named("content-length").and_then(|h| std::str::from_utf8(h.value).ok());
        self.state = match size.map(str::parse) {
            Some(size) => sized(size.map_err(bad)?),
            None if named("transfer-encoding").is_some() => State::ChunkSize,
            None => return Err(bad("an answer without a length")),
        };
        self.head.clear();
        Ok(data.get(length - before..).unwrap_or_default())
    }

    fn chunk_size<'d>(&mut self, data: &'d [u8]) -> Result<&'d [u8]> {
        let end = memchr::memchr(b'\n', data);
        let (mine, rest) = data.split_at(end.map_or(data.len(), |at| at + 1));
        self.head.extend_from_slice(mine);
        if end.is_none() {
            return if self.head.len() > HEAD { Err(bad("a size too long")) } else { Ok(rest) };
        }
        let text = std::str::from_utf8(&self.head).map_err(bad)?;
        let size = usize::from_str_radix(text.trim_end().split(';').next().unwrap_or(""), 16);
        self.state = match size.map_err(bad)? {
            0 => State::ChunkEnd { last: true },
            size => State::Chunk(size),
        };
        self.head.clear();
        Ok(rest)
    }

    fn chunk_end<'d>(&mut self, data: &'d [u8], last: bool) -> &'d [u8] {
        let Some(end) = memchr::memchr(b'\n', data) else { return &[] };
        self.state = if last { State::Done } else { State::ChunkSize };
        &data[end + 1..]
    }

    fn body(&mut self, data: &[u8]) {
        self.bytes += data.len();
        let mut from = 0;
        for end in memchr_iter(b'\n', data) {
            let line = &data[from..end];
            self.lines += usize::from(self.line_says || says(line));
            self.line_says = false;
            from = end + 1;
        }
        self.line_says |= says(&data[from..]);
    }
}

fn says(line: &[u8]) -> bool {
    !line.is_empty() && line != b"\r"
}

fn sized(left: usize) -> State {
    if left == 0 { State::Done } else { State::Sized(left) }
}

/// An error with its reason.
pub fn bad(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const STREAM: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
        a\r\ndata: 1\r\n\r\r\n9\r\n\ndata: 2\n\r\n2\r\n\r\n\r\n0\r\n\r\n";

    #[test]
    fn an_answer_is_the_same_however_it_is_cut() {
        for cut in 1..STREAM.len() {
            let mut answer = Answer::default();
            assert!(!answer.push(&STREAM[..cut]).unwrap());
            assert!(answer.push(&STREAM[cut..]).unwrap(), "cut at {cut}");
            assert_eq!((answer.bytes, answer.lines), (21, 2), "cut at {cut}");
        }
    }

    #[test]
    fn a_sized_answer_ends_with_its_last_byte() {
        let mut answer = Answer::default();
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab";
        assert!(!answer.push(head).unwrap());
        assert!(answer.push(b"cd").unwrap());
        assert!(answer.push(b"e").is_err());
    }
}
