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

/// What may come next. Its tag stands alone in memory, since every token asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum State {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    /// After a value in an object.
    AfterField,
    /// After a value in a list.
    AfterElement,
    Done,
    Dead,
    Text,
    Escape,
    /// Hexadecimal digits of `\u` still to come.
    Hex(u8),
    Number(Digits),
    /// Which literal, and how many of its bytes were seen.
    Literal(Literal, u8),
}

impl State {
    /// Between two tokens, where space may stand.
    fn is_between(self) -> bool {
        use State::{AfterElement, AfterField, Colon, Done, Key, KeyOrEnd, Value, ValueOrEnd};
        matches!(
            self,
            Value | ValueOrEnd | Key | KeyOrEnd | Colon | AfterField | AfterElement | Done
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Literal {
    Null,
    True,
    False,
}

impl Literal {
    fn word(self) -> &'static [u8] {
        match self {
            Literal::Null => b"null",
            Literal::True => b"true",
            Literal::False => b"false",
        }
    }

    fn scalar(self) -> Scalar {
        match self {
            Literal::Null => Scalar::Null,
            Literal::True => Scalar::True,
            Literal::False => Scalar::False,
        }
    }
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
    /// One bit a level, set for objects; the lowest is the innermost.
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
        let read = self.read(bytes, sink);
        if read.is_err() {
            self.state = State::Dead;
        }
        read
    }

    /// Strings are read from one place, so that the compiler puts their reader into this loop.
    fn read(&mut self, mut bytes: &[u8], sink: &mut impl Sink) -> Result<(), Malformed> {
        while let [first, rest @ ..] = bytes {
            let text = match (self.state, *first) {
                (State::Text, _) => bytes,
                (State::Key | State::KeyOrEnd, b'"') => self.key_begins(rest),
                (State::Value | State::ValueOrEnd, b'"') => self.string_begins(rest, sink),
                (state, b' ' | b'\n' | b'\r' | b'\t') if state.is_between() => {
                    bytes = after_space(rest);
                    continue;
                }
                (State::Number(digits), _) => {
                    bytes = self.number(bytes, digits, sink)?;
                    continue;
                }
                _ => {
                    self.byte(*first, sink)?;
                    bytes = rest;
                    continue;
                }
            };
            bytes = self.text(text, sink)?;
        }
        Ok(())
    }

    /// A byte that is a token of its own, or begins one that is read elsewhere.
    #[inline(always)] // Into the one loop that calls it, at every token.
    fn byte(&mut self, byte: u8, sink: &mut impl Sink) -> Result<(), Malformed> {
        match (self.state, byte) {
            (State::Colon, b':') | (State::AfterElement, b',') => self.state = State::Value,
            (State::AfterField, b',') => self.state = State::Key,
            (State::AfterField | State::KeyOrEnd, b'}')
            | (State::AfterElement | State::ValueOrEnd, b']') => self.close(byte, sink),
            (State::Value | State::ValueOrEnd, b'{' | b'[') => return self.open(byte, sink),
            (State::Value | State::ValueOrEnd, b'-' | b'0'..=b'9') => self.number_begins(byte),
            _ => return self.rare_byte(byte, sink),
        }
        Ok(())
    }

    #[cold]
    fn rare_byte(&mut self, byte: u8, sink: &mut impl Sink) -> Result<(), Malformed> {
        match self.state {
            State::Escape => self.escape(byte, sink),
            State::Hex(left) => self.hex(byte, left, sink),
            State::Literal(which, seen) => self.literal(byte, which, seen, sink),
            State::Value | State::ValueOrEnd => self.literal_begins(byte),
            _ => Err(Malformed),
        }
    }

    fn literal_begins(&mut self, byte: u8) -> Result<(), Malformed> {
        self.state = match byte {
            b'n' => State::Literal(Literal::Null, 1),
            b't' => State::Literal(Literal::True, 1),
            b'f' => State::Literal(Literal::False, 1),
            _ => return Err(Malformed),
        };
        Ok(())
    }

    fn number_begins(&mut self, byte: u8) {
        self.whole = (byte != b'-').then(|| u64::from(byte - b'0'));
        self.state = State::Number(match byte {
            b'-' => Digits::Minus,
            b'0' => Digits::Zero,
            _ => Digits::Whole,
        });
    }

    /// Behind the quote, whose string is read from `rest` on.
    fn key_begins<'b>(&mut self, rest: &'b [u8]) -> &'b [u8] {
        self.in_key = true;
        self.key_len = 0;
        self.key_lost = false;
        self.state = State::Text;
        rest
    }

    fn string_begins<'b>(&mut self, rest: &'b [u8], sink: &mut impl Sink) -> &'b [u8] {
        self.in_key = false;
        self.state = State::Text;
        sink.string();
        rest
    }

    fn open(&mut self, bracket: u8, sink: &mut impl Sink) -> Result<(), Malformed> {
        if self.depth == DEPTH_MAX {
            return Err(Malformed);
        }
        let object = bracket == b'{';
        self.depth += 1;
        self.kinds = self.kinds << 1 | u128::from(object);
        self.state = if object { State::KeyOrEnd } else { State::ValueOrEnd };
        sink.open(if object { Kind::Object } else { Kind::Array });
        Ok(())
    }

    fn close(&mut self, bracket: u8, sink: &mut impl Sink) {
        self.depth -= 1;
        self.kinds >>= 1;
        sink.close(if bracket == b'}' { Kind::Object } else { Kind::Array });
        self.after_value();
    }

    fn after_value(&mut self) {
        self.state = match (self.depth, self.kinds & 1) {
            (0, _) => State::Done,
            (_, 0) => State::AfterElement,
            _ => State::AfterField,
        };
    }

    fn literal(
        &mut self,
        byte: u8,
        which: Literal,
        seen: u8,
        sink: &mut impl Sink,
    ) -> Result<(), Malformed> {
        let word = which.word();
        if word[usize::from(seen)] != byte {
            return Err(Malformed);
        }
        self.state = State::Literal(which, seen + 1);
        if usize::from(seen) + 1 == word.len() {
            sink.scalar(which.scalar());
            self.after_value();
        }
        Ok(())
    }

    fn number<'b>(
        &mut self,
        bytes: &'b [u8],
        mut digits: Digits,
        sink: &mut impl Sink,
    ) -> Result<&'b [u8], Malformed> {
        for (at, byte) in bytes.iter().enumerate() {
            let Some(next) = digits.next(*byte) else {
                if !digits.complete() {
                    return Err(Malformed);
                }
                sink.scalar(Scalar::Number(self.whole));
                self.after_value();
                return Ok(&bytes[at..]);
            };
            digits = next;
            self.whole = match next {
                Digits::Whole => self.whole.and_then(|whole| appended(whole, *byte)),
                _ => None,
            };
        }
        self.state = State::Number(digits);
        Ok(&[])
    }
}

fn after_space(bytes: &[u8]) -> &[u8] {
    let space = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
    &bytes[bytes.iter().take_while(|byte| space(byte)).count()..]
}

fn appended(whole: u64, digit: u8) -> Option<u64> {
    whole.checked_mul(10)?.checked_add(u64::from(digit.wrapping_sub(b'0')))
}

#[cfg(test)]
mod tests;
