//! One push tokenizer for JSON that arrives in chunks split anywhere.
//!
//! Request bodies and stream events are read with it while they pass, so it has three rules: it
//! allocates nothing, it keeps nothing but a key of at most [`KEY_MAX`] bytes, and where the chunks
//! are cut changes nothing about the events. It is strict: what it accepts, every other strict
//! parser reads the same way, so that nothing can be said to us that Google hears differently.
//! Keys and strings are handed on decoded; a key that cannot be decoded or is longer than any key
//! we know is handed on as `None`.

mod strings;
mod utf8;

pub(crate) use utf8::Utf8;

/// Deepest nesting that is read. Google's own parser stops at 100 levels; the bits of one `u128`
/// hold the kind of each.
pub(crate) const DEPTH_MAX: usize = 128;

/// Longest key that is kept: the longest that any table names is below 40 bytes.
pub(crate) const KEY_MAX: usize = 64;

/// The two containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
}

/// A value without inner parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    Null,
    True,
    False,
    /// The value, where it is a whole number that fits.
    Number(Option<u64>),
}

/// What listens to the tokens.
pub(crate) trait Sink {
    fn open(&mut self, kind: Kind);
    fn close(&mut self, kind: Kind);
    /// A whole key, decoded; `None` for one too long or not decodable.
    fn key(&mut self, key: Option<&[u8]>);
    fn string(&mut self);
    /// A part of the string, decoded; where the parts are cut means nothing.
    fn piece(&mut self, bytes: &[u8]);
    fn string_end(&mut self);
    fn scalar(&mut self, scalar: Scalar);
}

/// The text is not strict JSON, or nests too deep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    After,
    Done,
    Dead,
    Text,
    Escape,
    /// Hexadecimal digits of `\u` still to come.
    Hex(u8),
    Number(Digits),
    /// Which literal, and how many of its bytes were seen.
    Literal(Scalar, u8),
}

/// Where in a number the reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Digits {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    Exp,
    Sign,
    Power,
}

impl Digits {
    fn next(self, byte: u8) -> Option<Digits> {
        match (self, byte) {
            (Digits::Minus, b'0') => Some(Digits::Zero),
            (Digits::Minus, b'1'..=b'9') | (Digits::Whole, b'0'..=b'9') => Some(Digits::Whole),
            (Digits::Zero | Digits::Whole, b'.') => Some(Digits::Point),
            (Digits::Zero | Digits::Whole | Digits::Fraction, b'e' | b'E') => Some(Digits::Exp),
            (Digits::Point | Digits::Fraction, b'0'..=b'9') => Some(Digits::Fraction),
            (Digits::Exp, b'+' | b'-') => Some(Digits::Sign),
            (Digits::Exp | Digits::Sign | Digits::Power, b'0'..=b'9') => Some(Digits::Power),
            _ => None,
        }
    }

    fn complete(self) -> bool {
        matches!(self, Digits::Zero | Digits::Whole | Digits::Fraction | Digits::Power)
    }
}

/// Reads one JSON value.
#[derive(Debug)]
pub(crate) struct Tokenizer {
    state: State,
    /// One bit a level, set for objects.
    kinds: u128,
    depth: usize,
    /// The string being read is a key.
    in_key: bool,
    key: [u8; KEY_MAX],
    key_len: usize,
    key_lost: bool,
    hex: u16,
    /// The first half of a surrogate pair.
    high: Option<u16>,
    whole: Option<u64>,
}

impl Tokenizer {
    pub(crate) fn new() -> Self {
        Tokenizer {
            state: State::Value,
            kinds: 0,
            depth: 0,
            in_key: false,
            key: [0; KEY_MAX],
            key_len: 0,
            key_lost: false,
            hex: 0,
            high: None,
            whole: None,
        }
    }

    /// Within an object, before one of its keys.
    pub(crate) fn within_object() -> Self {
        Tokenizer { state: State::Key, kinds: 1, depth: 1, ..Tokenizer::new() }
    }

    /// Begins a new value.
    pub(crate) fn reset(&mut self) {
        self.state = State::Value;
        self.depth = 0;
        self.high = None;
        self.key_len = 0;
        self.key_lost = false;
    }

    /// The one value has ended; a bare number has no end of its own.
    pub(crate) fn done(&self) -> bool {
        match self.state {
            State::Done => true,
            State::Number(digits) => self.depth == 0 && digits.complete(),
            _ => false,
        }
    }

    /// Reads on. After an error every further push is the same error.
    pub(crate) fn push(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<(), Malformed> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.run(rest, sink) {
                Ok(read) => rest = &rest[read..],
                Err(malformed) => {
                    self.state = State::Dead;
                    return Err(malformed);
                }
            }
        }
        Ok(())
    }

    /// Reads what can be read in one state; says how much that was. It is 0 when a number has
    /// ended and the byte behind it must be looked at again.
    fn run(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<usize, Malformed> {
        let first = bytes[0];
        match self.state {
            State::Text => return self.text(bytes, sink),
            State::Escape => self.escape(first, sink)?,
            State::Hex(left) => self.hex(first, left, sink)?,
            State::Literal(which, seen) => self.literal(first, which, seen, sink)?,
            State::Number(digits) => return self.number(bytes, digits, sink),
            State::Dead => return Err(Malformed),
            _ => {
                let space = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
                let Some(at) = bytes.iter().position(|byte| !space(byte)) else {
                    return Ok(bytes.len());
                };
                self.token(bytes[at], sink)?;
                return Ok(at + 1);
            }
        }
        Ok(1)
    }

    fn token(&mut self, byte: u8, sink: &mut impl Sink) -> Result<(), Malformed> {
        match (self.state, byte) {
            (State::ValueOrEnd, b']') => return self.close(Kind::Array, sink),
            (State::Value | State::ValueOrEnd, _) => return self.value(byte, sink),
            (State::KeyOrEnd, b'}') => return self.close(Kind::Object, sink),
            (State::Key | State::KeyOrEnd, b'"') => {
                self.in_key = true;
                self.key_len = 0;
                self.key_lost = false;
                self.state = State::Text;
            }
            (State::Colon, b':') => self.state = State::Value,
            (State::After, b',') if self.inside(Kind::Object) => self.state = State::Key,
            (State::After, b',') => self.state = State::Value,
            (State::After, b'}') if self.inside(Kind::Object) => {
                return self.close(Kind::Object, sink);
            }
            (State::After, b']') if self.inside(Kind::Array) => {
                return self.close(Kind::Array, sink);
            }
            _ => return Err(Malformed),
        }
        Ok(())
    }

    fn value(&mut self, byte: u8, sink: &mut impl Sink) -> Result<(), Malformed> {
        match byte {
            b'"' => {
                self.in_key = false;
                self.state = State::Text;
                sink.string();
            }
            b'{' => return self.open(Kind::Object, sink),
            b'[' => return self.open(Kind::Array, sink),
            b'n' => self.state = State::Literal(Scalar::Null, 1),
            b't' => self.state = State::Literal(Scalar::True, 1),
            b'f' => self.state = State::Literal(Scalar::False, 1),
            b'-' => {
                self.whole = None;
                self.state = State::Number(Digits::Minus);
            }
            b'0'..=b'9' => {
                self.whole = Some(u64::from(byte - b'0'));
                self.state = State::Number(if byte == b'0' { Digits::Zero } else { Digits::Whole });
            }
            _ => return Err(Malformed),
        }
        Ok(())
    }

    fn inside(&self, kind: Kind) -> bool {
        let object = self.depth > 0 && self.kinds >> (self.depth - 1) & 1 == 1;
        self.depth > 0 && object == (kind == Kind::Object)
    }

    fn open(&mut self, kind: Kind, sink: &mut impl Sink) -> Result<(), Malformed> {
        if self.depth == DEPTH_MAX {
            return Err(Malformed);
        }
        let bit = 1_u128 << self.depth;
        self.depth += 1;
        (self.kinds, self.state) = match kind {
            Kind::Object => (self.kinds | bit, State::KeyOrEnd),
            Kind::Array => (self.kinds & !bit, State::ValueOrEnd),
        };
        sink.open(kind);
        Ok(())
    }

    fn close(&mut self, kind: Kind, sink: &mut impl Sink) -> Result<(), Malformed> {
        self.depth -= 1;
        sink.close(kind);
        self.after_value();
        Ok(())
    }

    fn after_value(&mut self) {
        self.state = if self.depth == 0 { State::Done } else { State::After };
    }

    fn literal(
        &mut self,
        byte: u8,
        which: Scalar,
        seen: u8,
        sink: &mut impl Sink,
    ) -> Result<(), Malformed> {
        let word: &[u8] = match which {
            Scalar::True => b"true",
            Scalar::False => b"false",
            _ => b"null",
        };
        if word[usize::from(seen)] != byte {
            return Err(Malformed);
        }
        self.state = State::Literal(which, seen + 1);
        if usize::from(seen) + 1 == word.len() {
            sink.scalar(which);
            self.after_value();
        }
        Ok(())
    }

    fn number(
        &mut self,
        bytes: &[u8],
        mut digits: Digits,
        sink: &mut impl Sink,
    ) -> Result<usize, Malformed> {
        for (at, byte) in bytes.iter().enumerate() {
            let Some(next) = digits.next(*byte) else {
                if !digits.complete() {
                    return Err(Malformed);
                }
                sink.scalar(Scalar::Number(self.whole));
                self.after_value();
                return Ok(at);
            };
            digits = next;
            self.whole = match next {
                Digits::Whole => self.whole.and_then(|whole| appended(whole, *byte)),
                _ => None,
            };
        }
        self.state = State::Number(digits);
        Ok(bytes.len())
    }
}

fn appended(whole: u64, digit: u8) -> Option<u64> {
    whole.checked_mul(10)?.checked_add(u64::from(digit.wrapping_sub(b'0')))
}

#[cfg(test)]
mod tests;
