//! The inside of strings: plain runs at full speed, escapes one by one.

use memchr::memchr2;

use super::{KEY_MAX, Malformed, Sink, State, Tokenizer};

impl Tokenizer {
    /// Reads the plain bytes of a string up to its end or to an escape.
    pub(super) fn text(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<usize, Malformed> {
        let end = memchr2(b'"', b'\\', bytes);
        let run = &bytes[..end.unwrap_or(bytes.len())];
        if has_control(run) {
            return Err(Malformed);
        }
        if !run.is_empty() {
            self.unpaired(sink);
            if end.is_some_and(|end| bytes[end] == b'"') && self.in_key && self.fresh_key() {
                sink.key(Some(run).filter(|run| run.len() <= KEY_MAX));
                self.state = State::Colon;
                return Ok(run.len() + 1);
            }
            self.emit(run, sink);
        }
        let Some(end) = end else { return Ok(bytes.len()) };
        if bytes[end] == b'\\' {
            self.state = State::Escape;
        } else {
            self.text_end(sink);
        }
        Ok(end + 1)
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
        let decoded = match byte {
            b'u' => {
                self.hex = 0;
                self.state = State::Hex(4);
                return Ok(());
            }
            b'"' | b'\\' | b'/' => byte,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            _ => return Err(Malformed),
        };
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

/// The lowest byte tells; written so that the compiler makes vector code of it.
fn has_control(run: &[u8]) -> bool {
    run.iter().fold(u8::MAX, |lowest, &byte| lowest.min(byte)) < 0x20
}
