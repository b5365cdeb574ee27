//! UTF-8 over chunks.

use super::Malformed;

/// Checks that bytes in chunks are UTF-8.
#[derive(Debug, Default)]
pub(crate) struct Utf8 {
    /// The beginning of a character that the last chunk cut.
    cut: [u8; 4],
    len: usize,
}

impl Utf8 {
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Result<(), Malformed> {
        while self.len > 0 {
            let Some((&first, rest)) = bytes.split_first() else { return Ok(()) };
            bytes = rest;
            self.cut[self.len] = first;
            self.len += 1;
            match std::str::from_utf8(&self.cut[..self.len]) {
                Ok(_) => self.len = 0,
                Err(error) if error.error_len().is_some() => return Err(Malformed),
                Err(_) => {}
            }
        }
        let Err(error) = std::str::from_utf8(bytes) else { return Ok(()) };
        if error.error_len().is_some() {
            return Err(Malformed);
        }
        let tail = &bytes[error.valid_up_to()..];
        self.len = tail.len();
        self.cut[..self.len].copy_from_slice(tail);
        Ok(())
    }

    pub(crate) fn whole(&self) -> bool {
        self.len == 0
    }
}
