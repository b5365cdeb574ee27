//! The inside of strings: plain runs at full speed, escapes one by one.

use memchr::memchr2;

use super::{KEY_MAX, Malformed, Sink, State, Tokenizer};

impl Tokenizer {
    /// Reads plain bytes of a string, and short escapes among them, up to its end.
    pub(super) fn text(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<usize, Malformed> {
        let mut at = 0;
        loop {
            let rest = &bytes[at..];
            let len = plain(rest);
            at += len;
            if len > 0 {
                self.unpaired(sink);
                if self.in_key && rest.get(len) == Some(&b'"') && self.fresh_key() {
                    sink.key(Some(&rest[..len]).filter(|key| key.len() <= KEY_MAX));
                    self.state = State::Colon;
                    return Ok(at + 1);
                }
                self.emit(&rest[..len], sink);
            }
            match (rest.get(len), rest.get(len + 1).and_then(|&byte| short_escape(byte))) {
                (None, _) => return Ok(at),
                (Some(b'\\'), Some(decoded)) => {
                    self.unpaired(sink);
                    self.emit(&[decoded], sink);
                    at += 2;
                }
                (Some(b'\\'), None) => {
                    self.state = State::Escape;
                    return Ok(at + 1);
                }
                (Some(b'"'), _) => {
                    self.text_end(sink);
                    return Ok(at + 1);
                }
                (Some(_), _) => return Err(Malformed),
            }
        }
    }

    fn fresh_key(&self) -> bool {
        self.key_len == 0 && !self.key_lost
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
        if self.high.take().is_some() {
            self.lost_char(sink);
        }
    }

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

/// What ends a run of plain text: a quote, a backslash, a control character.
const ENDS: [bool; 256] = {
    let mut ends = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        ends[byte] = true;
        byte += 1;
    }
    ends[b'"' as usize] = true;
    ends[b'\\' as usize] = true;
    ends
};

/// How many bytes there are before a quote, a backslash or a control character.
fn plain(bytes: &[u8]) -> usize {
    let short = &bytes[..bytes.len().min(SHORT)];
    if let Some(at) = short.iter().position(|&byte| ENDS[usize::from(byte)]) {
        return at;
    }
    let long = &bytes[short.len()..];
    let run = &long[..memchr2(b'"', b'\\', long).unwrap_or(long.len())];
    let control = has_control(run).then(|| run.iter().position(|&byte| byte < 0x20)).flatten();
    short.len() + control.unwrap_or(run.len())
}

/// The lowest byte tells; written so that the compiler makes vector code of it.
fn has_control(run: &[u8]) -> bool {
    run.iter().fold(u8::MAX, |lowest, &byte| lowest.min(byte)) < 0x20
}
