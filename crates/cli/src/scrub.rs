//! The last line of defence of a log line: whatever looks like a secret is cut out of it.
//!
//! Rule: nothing relies on this. Whoever logs must not log secrets; this catches the library that
//! does, at TRACE, on the day nobody looks. False alarms cost a few characters of a log line.

use std::borrow::Cow;
use std::io::{self, Write};

/// What a secret begins with, and how many characters must follow for it to be one.
const MARKS: &[(&[u8], usize)] = &[
    (b"AIza", 8),
    (b"AQ.", 8),
    (b"AQ%2E", 8),
    (b"AQ%2e", 8),
    (b"IQ.", 8),
    (b"ya29.", 8),
    (b"auth_tokens/", 8),
    // Our own: access tokens, invites and the master key.
    (b"ptk_", 8),
    (b"pti_", 8),
    (b"plmk1_", 8),
    // Keys of no known kind, by the place they stand in.
    (b"?key=", 20),
    (b"&key=", 20),
    (b"Bearer ", 20),
    (b"bearer ", 20),
    (b"x-goog-api-key: ", 20),
    (b"x-goog-api-key\": \"", 20),
    (b"x-api-key: ", 20),
    (b"x-api-key\": \"", 20),
];

/// What is written instead of the characters after the mark.
const STARS: &[u8] = b"***";

/// The line without anything that looks like a secret; borrowed when there was none.
pub fn scrub(line: &[u8]) -> Cow<'_, [u8]> {
    let mut clean = Vec::new();
    let mut kept = 0;
    let mut at = 0;
    while at < line.len() {
        match secret(&line[at..]) {
            Some((mark, length)) => {
                clean.extend_from_slice(&line[kept..at + mark]);
                clean.extend_from_slice(STARS);
                at += length;
                kept = at;
            }
            None => at += 1,
        }
    }
    if kept == 0 {
        return Cow::Borrowed(line);
    }
    clean.extend_from_slice(&line[kept..]);
    Cow::Owned(clean)
}

/// Length of the mark and of the whole secret, if one begins here.
fn secret(text: &[u8]) -> Option<(usize, usize)> {
    MARKS.iter().find_map(|(mark, least)| {
        let rest = text.strip_prefix(*mark)?;
        let tail = rest.iter().take_while(|byte| is_secret_char(**byte)).count();
        (tail >= *least).then_some((mark.len(), mark.len() + tail))
    })
}

fn is_secret_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'%' | b'+' | b'/' | b'=')
}

/// A writer whose every write is one line (as those of the subscriber are), scrubbed on its way.
pub struct Scrubbing<W>(pub W);

impl<W: Write> Write for Scrubbing<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // A log that cannot be written must not stop the work; its reader is gone.
        let _ = self.0.write_all(&scrub(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = self.0.flush();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAIL: &str = "SyA1234567890abcdefghijklmnopqrstuv";

    fn scrubbed(line: &str) -> String {
        String::from_utf8_lossy(&scrub(line.as_bytes())).into_owned()
    }

    #[test]
    fn whatever_looks_like_a_secret_is_cut_out() {
        let table = [
            (format!("key AIza{TAIL}"), "key AIza***"),
            (
                format!("GET /v1beta/models?key=AIza{TAIL}&alt=sse"),
                "GET /v1beta/models?key=***&alt=sse",
            ),
            (format!("\"AQ.Ab8_{TAIL}.x\" and AIza{TAIL}!"), "\"AQ.***\" and AIza***!"),
            (format!("key%3DAQ%2EAb8{TAIL}"), "key%3DAQ%2E***"),
            (format!("Authorization: Bearer {TAIL}"), "Authorization: Bearer ***"),
            (format!("{{\"x-goog-api-key\": \"{TAIL}\"}}"), "{\"x-goog-api-key\": \"***\"}"),
            (format!("admin ptk_{TAIL}"), "admin ptk_***"),
            (format!("master plmk1_{TAIL}\n"), "master plmk1_***\n"),
        ];
        for (line, clean) in table {
            assert_eq!(scrubbed(&line), clean);
            assert!(!clean.contains(TAIL));
        }
    }

    #[test]
    fn plain_lines_pass_untouched() {
        for line in ["", "key=k_0123456789abcdef0123", "FAQ. See below", "AIza", "a Bearer token"] {
            assert!(matches!(scrub(line.as_bytes()), Cow::Borrowed(_)), "{line}");
        }
    }

    #[test]
    fn a_cut_key_is_cut_as_well() {
        assert_eq!(scrubbed("AIzaSyA12345"), "AIza***");
    }

    #[test]
    fn the_writer_takes_every_byte_even_when_nobody_reads() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }

        assert_eq!(Scrubbing(Gone).write(b"line").ok(), Some(4));
        assert!(Scrubbing(Gone).flush().is_ok());
    }
}
