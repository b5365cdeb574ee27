//! The inside of strings: plain runs at full speed, escapes one by one.

use memchr::memchr2;

use super::{KEY_MAX, Malformed, Sink, State, Tokenizer};

impl Tokenizer {
    /// Reads plain bytes of a string, and short escapes among them, up to its end.
    pub(super) fn text<'b>(
        &mut self,
        mut bytes: &'b [u8],
        sink: &mut impl Sink,
    ) -> Result<&'b [u8], Malformed> {
        loop {
            let (run, end) = bytes.split_at(plain(bytes));
            if !run.is_empty() {
                self.unpaired(sink);
                if let ([b'"', rest @ ..], true) = (end, self.in_key && self.fresh_key()) {
                    sink.key(Some(run).filter(|key| key.len() <= KEY_MAX));
                    return Ok(self.key_ends(rest));
                }
                self.emit(run, sink);
            }
            bytes = match end {
                [] => return Ok(end),
                [b'"', rest @ ..] => {
                    self.text_end(sink);
                    return Ok(rest);
                }
                [b'\\', rest @ ..] => match self.escaped(rest, sink) {
                    Some(rest) => rest,
                    None => return Ok(rest),
                },
                _ => return Err(Malformed),
            }
        }
    }

    /// A short escape, behind its backslash; what is left if it was one.
    fn escaped<'b>(&mut self, bytes: &'b [u8], sink: &mut impl Sink) -> Option<&'b [u8]> {
        self.state = State::Escape;
        let (&byte, rest) = bytes.split_first()?;
        let decoded = short_escape(byte)?;
        self.state = State::Text;
        self.unpaired(sink);
        self.emit(&[decoded], sink);
        Some(rest)
    }

    fn fresh_key(&self) -> bool {
        self.key_len == 0 && !self.key_lost
    }

    /// Nearly every key stands right before its colon.
    fn key_ends<'b>(&mut self, rest: &'b [u8]) -> &'b [u8] {
        let (state, rest) = match rest {
            [b':', rest @ ..] => (State::Value, rest),
            _ => (State::Colon, rest),
        };
        self.state = state;
        rest
    }

    fn text_end(&mut self, sink: &mut impl Sink) {
        self.unpaired(sink);
        if self.in_key {
            sink.key((!self.key_lost).then_some(&self.key[..self.key_len]));
            self.state = State::Colon;
        } else {
            sink.string_end();
            self.after_value();
        }
    }

    fn emit(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        if !self.in_key {
            sink.piece(bytes);
            return;
        }
        match self.key.get_mut(self.key_len..self.key_len + bytes.len()) {
            Some(room) if !self.key_lost => {
                room.copy_from_slice(bytes);
                self.key_len += bytes.len();
            }
            _ => self.key_lost = true,
        }
    }

    fn emit_char(&mut self, decoded: char, sink: &mut impl Sink) {
        self.emit(decoded.encode_utf8(&mut [0; 4]).as_bytes(), sink);
    }

    /// Half a surrogate pair without the other half: no text, so a key with it is lost.
    fn unpaired(&mut self, sink: &mut impl Sink) {
        if self.high.is_some() {
            self.high = None;
            self.lost_char(sink);
        }
    }

    #[cold]
    fn lost_char(&mut self, sink: &mut impl Sink) {
        self.key_lost |= self.in_key;
        self.emit_char(char::REPLACEMENT_CHARACTER, sink);
    }

    pub(super) fn escape(&mut self, byte: u8, sink: &mut impl Sink) -> Result<(), Malformed> {
        if byte == b'u' {
            self.hex = 0;
            self.state = State::Hex(4);
            return Ok(());
        }
        let decoded = short_escape(byte).ok_or(Malformed)?;
        self.unpaired(sink);
        self.emit(&[decoded], sink);
        self.state = State::Text;
        Ok(())
    }

    pub(super) fn hex(
        &mut self,
        byte: u8,
        left: u8,
        sink: &mut impl Sink,
    ) -> Result<(), Malformed> {
        let digit = char::from(byte).to_digit(16).ok_or(Malformed)?;
        self.hex = self.hex << 4 | digit as u16;
        self.state = if left == 1 { State::Text } else { State::Hex(left - 1) };
        if left == 1 {
            self.unit(self.hex, sink);
        }
        Ok(())
    }

    /// One UTF-16 unit of an escape.
    fn unit(&mut self, unit: u16, sink: &mut impl Sink) {
        if let (Some(high), 0xdc00..=0xdfff) = (self.high, unit) {
            self.high = None;
            let code = 0x1_0000 + (u32::from(high - 0xd800) << 10) + u32::from(unit - 0xdc00);
            self.emit_char(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), sink);
            return;
        }
        self.unpaired(sink);
        match unit {
            0xd800..=0xdbff => self.high = Some(unit),
            _ => match char::from_u32(u32::from(unit)) {
                Some(decoded) => self.emit_char(decoded, sink),
                None => self.lost_char(sink),
            },
        }
    }
}

/// What a backslash makes of the byte after it, `u` apart.
fn short_escape(byte: u8) -> Option<u8> {
    match byte {
        b'"' | b'\\' | b'/' => Some(byte),
        b'b' => Some(0x08),
        b'f' => Some(0x0c),
        b'n' => Some(b'\n'),
        b'r' => Some(b'\r'),
        b't' => Some(b'\t'),
        _ => None,
    }
}

/// Most runs in code and in structure end within so many bytes; a search in vectors costs more
/// than it saves there.
const SHORT: usize = 24;

/// How many bytes there are before a quote, a backslash or a control character.
fn plain(bytes: &[u8]) -> usize {
    let (short, long) = bytes.split_at(bytes.len().min(SHORT));
    let (words, rest) = short.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        if let Some(end) = end_in(u64::from_le_bytes(*word)) {
            return 8 * at + end;
        }
    }
    if let Some(at) = rest.iter().position(|&byte| is_end(byte)) {
        return 8 * words.len() + at;
    }
    let run = &long[..memchr2(b'"', b'\\', long).unwrap_or(long.len())];
    let control = has_control(run).then(|| run.iter().position(|&byte| byte < 0x20)).flatten();
    short.len() + control.unwrap_or(run.len())
}

/// What ends a run of plain text.
fn is_end(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// The first of eight bytes that ends a run. A byte below a bound borrows from its own highest
/// bit, and only bytes above it can be marked wrongly by that.
fn end_in(word: u64) -> Option<usize> {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    let below = |word: u64, bound: u8| word.wrapping_sub(EACH * u64::from(bound)) & !word;
    let equal = |byte: u8| below(word ^ (EACH * u64::from(byte)), 1);
    let marks = (below(word, 0x20) | equal(b'"') | equal(b'\\')) & (EACH << 7);
    (marks != 0).then_some(marks.trailing_zeros() as usize / 8)
}

/// The lowest byte tells; written so that the compiler makes vector code of it.
fn has_control(run: &[u8]) -> bool {
    run.iter().fold(u8::MAX, |lowest, &byte| lowest.min(byte)) < 0x20
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What ends a run, what differs from that by one or by the highest bit, and plain text.
    const NEAR: &[u8] = b"!\"#[\\]\x1f\x20\x21\x00\x01\x9c\xa0\xa2\xdcaaaaaaaa";

    fn plain_by_bytes(bytes: &[u8]) -> usize {
        bytes.iter().position(|&byte| is_end(byte)).unwrap_or(bytes.len())
    }

    #[test]
    fn a_run_ends_at_each_byte_that_ends_one() {
        for (byte, at) in (0..=255).flat_map(|byte| (0..40).map(move |at| (byte, at))) {
            for around in [b'a', 0x20, 0x21, 0x7f, 0x80, 0xff, byte] {
                let mut bytes = [around; 40];
                bytes[at] = byte;
                assert_eq!(plain(&bytes), plain_by_bytes(&bytes), "{byte} {at} {around}");
            }
        }
    }

    proptest! {
        #[test]
        fn runs_read_in_words_end_where_their_bytes_say(
            any in prop::collection::vec(any::<u8>(), 0..60),
            near in prop::collection::vec(prop::sample::select(NEAR.to_vec()), 0..60),
        ) {
            prop_assert_eq!(plain(&any), plain_by_bytes(&any));
            prop_assert_eq!(plain(&near), plain_by_bytes(&near));
        }
    }
}
