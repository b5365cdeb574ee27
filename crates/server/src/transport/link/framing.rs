//! Where an answer's body ends.
//!
//! Rule: strict. Whatever could be read in two ways is an error, and a body of which the end was
//! not seen is never whole (RFC 9112, §6.3 and §7.1).

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode, Version};
use memchr::memchr;

/// The longest line within chunked framing: a size, its extensions, a trailer.
const MAX_LINE: usize = 4 << 10;
/// What extensions and trailers of one body may take up in all. Google sends none.
const MAX_BESIDE: usize = 16 << 10;
/// So many hexadecimal digits fit into the counter.
const MAX_DIGITS: usize = 16;

/// An answer that breaks the rules of HTTP/1.1.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(in crate::transport) struct Malformed(pub(super) &'static str);

/// Finds a body's end, piece by piece.
#[derive(Debug)]
pub(super) enum Framing {
    /// So many bytes are still to come.
    Length(u64),
    Chunked(Chunked),
    /// The end of the connection is its end.
    Close,
}

/// Where in chunked framing the reader is.
#[derive(Debug)]
pub(super) struct Chunked {
    at: At,
    beside: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before a line with a chunk's size.
    Size,
    /// Within a chunk, with so many bytes of it to come.
    Data(u64),
    /// Before the line end behind a chunk.
    DataEnd,
    /// Behind the last chunk, before a trailer or the empty line.
    Trailer,
    Done,
}

/// What was taken out of the bytes at hand.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Data(Bytes),
    /// The bytes at hand do not say enough.
    More,
    End,
}

impl Framing {
    /// How the body behind this head is delimited.
    pub(super) fn of(
        to_head: bool,
        status: StatusCode,
        version: Version,
        headers: &HeaderMap,
    ) -> Result<Framing, Malformed> {
        let length = content_length(headers)?;
        if let Some(coding) = headers.get(TRANSFER_ENCODING) {
            check_coding(coding.as_bytes(), version, headers)?;
        }
        let bare =
            to_head || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
        Ok(match length {
            _ if bare => Framing::Length(0),
            Some(length) => Framing::Length(length),
            None if headers.contains_key(TRANSFER_ENCODING) => {
                Framing::Chunked(Chunked { at: At::Size, beside: 0 })
            }
            None => Framing::Close,
        })
    }

    /// Takes the next piece out of what has come.
    pub(super) fn take(&mut self, came: &mut Bytes) -> Result<Piece, Malformed> {
        match self {
            Framing::Length(0) => Ok(Piece::End),
            Framing::Length(left) => Ok(take_of(left, came)),
            Framing::Close if came.is_empty() => Ok(Piece::More),
            Framing::Close => Ok(Piece::Data(std::mem::take(came))),
            Framing::Chunked(chunked) => chunked.take(came),
        }
    }

    /// Nothing more belongs to the body.
    pub(super) fn is_ended(&self) -> bool {
        match self {
            Framing::Length(left) => *left == 0,
            Framing::Chunked(chunked) => chunked.at == At::Done,
            Framing::Close => false,
        }
    }

    /// The connection's end was the body's.
    pub(super) fn ends_with_connection(&self) -> bool {
        matches!(self, Framing::Close)
    }

    /// The bytes that are still to come, where that is known.
    pub(super) fn left(&self) -> Option<u64> {
        if let Framing::Length(left) = self { Some(*left) } else { None }
    }
}

impl Chunked {
    fn take(&mut self, came: &mut Bytes) -> Result<Piece, Malformed> {
        loop {
            let line = match self.at {
                At::Done => return Ok(Piece::End),
                At::Data(left) => return Ok(self.data(left, came)),
                At::Size | At::DataEnd | At::Trailer => line(came)?,
            };
            let Some(line) = line else { return Ok(Piece::More) };
            self.at = match self.at {
                At::DataEnd if line.is_empty() => At::Size,
                At::DataEnd => return Err(Malformed("a chunk is longer than it says")),
                At::Trailer if line.is_empty() => At::Done,
                At::Trailer => self.aside(line.len()).map(|()| At::Trailer)?,
                _ => self.size(&line)?,
            };
        }
    }

    fn data(&mut self, mut left: u64, came: &mut Bytes) -> Piece {
        let piece = take_of(&mut left, came);
        self.at = if left == 0 { At::DataEnd } else { At::Data(left) };
        piece
    }

    fn size(&mut self, line: &[u8]) -> Result<At, Malformed> {
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (digits, extension) = line.split_at(digits);
        if digits.is_empty() || digits.len() > MAX_DIGITS {
            return Err(Malformed("a chunk's size is no number"));
        }
        let behind = extension.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
        if !matches!(behind, None | Some(b';')) {
            return Err(Malformed("something unknown stands behind a chunk's size"));
        }
        self.aside(extension.len())?;
        let value = |digit: &u8| u64::from(char::from(*digit).to_digit(16).unwrap_or(0));
        let size = digits.iter().fold(0, |size, digit| size << 4 | value(digit));
        Ok(if size == 0 { At::Trailer } else { At::Data(size) })
    }

    fn aside(&mut self, bytes: usize) -> Result<(), Malformed> {
        self.beside += bytes;
        if self.beside > MAX_BESIDE { Err(Malformed("too much beside the chunks")) } else { Ok(()) }
    }
}

/// What of `came` belongs to the `left` bytes that are to come.
fn take_of(left: &mut u64, came: &mut Bytes) -> Piece {
    if came.is_empty() {
        return Piece::More;
    }
    let mine = usize::try_from(*left).unwrap_or(usize::MAX).min(came.len());
    *left -= mine as u64;
    Piece::Data(if mine == came.len() { std::mem::take(came) } else { came.split_to(mine) })
}

/// The next line, without its end, if all of it is there.
fn line(came: &mut Bytes) -> Result<Option<Bytes>, Malformed> {
    let Some(end) = memchr(b'\n', &came[..came.len().min(MAX_LINE)]) else {
        let fits = came.len() < MAX_LINE;
        return if fits { Ok(None) } else { Err(Malformed("a line between chunks is too long")) };
    };
    let line = came.split_to(end + 1);
    match memchr(b'\r', &line) {
        Some(at) if at + 1 == end => Ok(Some(line.slice(..at))),
        _ => Err(Malformed("a line between chunks does not end in CR and LF alone")),
    }
}

/// All lengths that are told must be the same plain number.
fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Malformed> {
    let mut length = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        let number = decimal(value.as_bytes()).ok_or(Malformed("Content-Length is no number"))?;
        if length.replace(number).is_some_and(|before| before != number) {
            return Err(Malformed("two different Content-Lengths"));
        }
    }
    Ok(length)
}

fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// One coding that is understood, and no second way to tell where the body ends.
fn check_coding(coding: &[u8], version: Version, headers: &HeaderMap) -> Result<(), Malformed> {
    let single = headers.get_all(TRANSFER_ENCODING).iter().nth(1).is_none();
    if headers.contains_key(CONTENT_LENGTH) {
        return Err(Malformed("both Transfer-Encoding and Content-Length"));
    }
    if !single || !coding.eq_ignore_ascii_case(b"chunked") {
        return Err(Malformed("a Transfer-Encoding other than chunked"));
    }
    if version < Version::HTTP_11 {
        return Err(Malformed("a Transfer-Encoding in an answer of HTTP/1.0"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn chunked() -> Framing {
        Framing::Chunked(Chunked { at: At::Size, beside: 0 })
    }

    /// Reads `text` in pieces of `step` bytes; the body, and what is left behind it.
    fn read(mut framing: Framing, text: &[u8], step: usize) -> Result<(Vec<u8>, Bytes), Malformed> {
        let (mut body, mut came) = (Vec::new(), Bytes::new());
        let mut pieces = text.chunks(step);
        loop {
            match framing.take(&mut came)? {
                Piece::Data(data) => body.extend_from_slice(&data),
                Piece::End => {
                    let rest = pieces.flatten();
                    return Ok((body, came.iter().chain(rest).copied().collect::<Vec<_>>().into()));
                }
                Piece::More => match pieces.next() {
                    Some(piece) => came = [&came, piece].concat().into(),
                    None => return Err(Malformed("cut")),
                },
            }
        }
    }

    #[test]
    fn chunks_are_read_alike_wherever_they_are_cut() {
        let text =
            b"5\r\nhello\r\n00A;x=\"y\"\r\n, world of\r\n1 \r\n!\r\n0\r\nx-t: 1\r\n\r\nbehind";
        for step in 1..=text.len() {
            let (body, rest) = read(chunked(), text, step).unwrap();
            assert_eq!(body, b"hello, world of!", "{step}");
            assert_eq!(rest, "behind", "{step}");
        }
    }

    #[test]
    fn chunks_that_could_be_read_in_two_ways_are_refused() {
        for text in [
            "\r\n",
            "x\r\n",
            "+1\r\na\r\n",
            "-1\r\n",
            "0x1\r\na\r\n",
            "1,1\r\na\r\n",
            "1\na\r\n0\r\n\r\n",
            "1\r\nab\r\n",
            "1\r\na\n0\r\n\r\n",
            "1\r\na0\r\n\r\n",
            "1 x\r\na\r\n",
            "0\r\nx: y\n\r\n",
            "1\r\r\na\r\n",
            "1;x\ry\r\na\r\n",
            "1\x0c\r\na\r\n",
            "00000000000000001\r\na\r\n",
        ] {
            for step in [1, text.len()] {
                let refused = read(chunked(), text.as_bytes(), step).unwrap_err();
                assert_ne!(refused, Malformed("cut"), "{text:?} {step}");
            }
        }
    }

    #[test]
    fn what_stands_beside_chunks_is_bounded() {
        let long = format!("1;{}\r\na\r\n", "x".repeat(MAX_LINE));
        let often = format!("1;{}\r\na\r\n", "x".repeat(1000)).repeat(20) + "0\r\n\r\n";
        let trailers = format!("0\r\n{}\r\n", format!("x: {}\r\n", "y".repeat(1000)).repeat(20));
        for text in [long, often, trailers] {
            assert!(read(chunked(), text.as_bytes(), 4096).is_err());
        }
    }

    #[test]
    fn a_body_ends_as_its_head_says() {
        let cases: [(&[(&str, &str)], &str); 7] = [
            (&[("content-length", "3")], "Length(3)"),
            (&[("content-length", "3"), ("content-length", "3")], "Length(3)"),
            (&[("transfer-encoding", "Chunked")], "Chunked"),
            (&[], "Close"),
            (&[("content-length", "+3")], "Err"),
            (&[("content-length", "")], "Err"),
            (&[("content-length", "18446744073709551616")], "Err"),
        ];
        for (list, expected) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in list {
                headers.append(*name, value.parse().unwrap());
            }
            let framing = Framing::of(false, StatusCode::OK, Version::HTTP_11, &headers);
            let framing = framing.map_or("Err".to_owned(), |framing| format!("{framing:?}"));
            assert!(framing.starts_with(expected), "{list:?}: {framing}");
        }
    }

    #[test]
    fn some_answers_have_no_body_whatever_they_say() {
        let headers = HeaderMap::from_iter([(CONTENT_LENGTH, 7.into())]);
        for (to_head, status) in [(true, 200), (false, 204), (false, 304)] {
            let status = StatusCode::from_u16(status).unwrap();
            let framing = Framing::of(to_head, status, Version::HTTP_11, &headers).unwrap();
            assert!(framing.is_ended());
        }
    }

    proptest! {
        #[test]
        fn any_text_means_the_same_wherever_it_is_cut(
            text in prop::collection::vec(prop::sample::select(b"00129afF;= \t\r\r\n\n\nx".to_vec()), 0..200),
            step in 1_usize..32,
        ) {
            let whole = read(chunked(), &text, text.len().max(1));
            prop_assert_eq!(read(chunked(), &text, step), whole);
        }

        #[test]
        fn what_is_written_in_chunks_is_read_whole(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..10),
            step in 1_usize..64,
        ) {
            let mut text = Vec::new();
            for chunk in &chunks {
                text.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                text.extend_from_slice(chunk);
                text.extend_from_slice(b"\r\n");
            }
            text.extend_from_slice(b"0\r\n\r\n");
            let (body, rest) = read(chunked(), &text, step).unwrap();
            prop_assert_eq!(body, chunks.concat());
            prop_assert!(rest.is_empty());
        }
    }
}
