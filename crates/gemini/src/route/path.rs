//! Paths as they come, checked before anything is read into them.
//!
//! A path goes to Google only if everyone on the way must read it alike: no dot segments, no empty
//! ones, nothing that decodes to a separator, nothing outside of what RFC 3986 allows. Refusing is
//! simpler than normalising, and no client of this API sends such a path.

use std::fmt;

use crate::words::cut;

/// Why a path goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unsafe {
    /// `.` or `..` where a path could climb.
    Dots,
    /// `//`, or no leading `/`.
    EmptySegment,
    /// An escape that hides a dot, a separator, a control byte or another escape, or is none.
    Escape,
    /// A byte that must not stand in a path.
    Byte,
}

impl fmt::Display for Unsafe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unsafe::Dots => "the path has dots where it could climb",
            Unsafe::EmptySegment => "the path has an empty segment",
            Unsafe::Escape => "the path has an escape that hides its meaning",
            Unsafe::Byte => "the path has a byte that does not belong into one",
        })
    }
}

/// Lets a path pass whose meaning is plain to everyone.
pub(super) fn check(path: &str) -> Result<(), Unsafe> {
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') {
        return Err(Unsafe::EmptySegment);
    }
    let mut at = 0;
    // Nearly every byte is one that never matters.
    while let Some(words) = bytes[at..].iter().position(|byte| !WORD[usize::from(*byte)]) {
        at += words + 1;
        check_byte(bytes[at - 1], &bytes[..at - 1], &bytes[at..])?;
    }
    Ok(())
}

fn check_byte(byte: u8, before: &[u8], after: &[u8]) -> Result<(), Unsafe> {
    match (before.last(), byte) {
        (Some(b'/'), b'/') => Err(Unsafe::EmptySegment),
        (Some(b'.'), b'.') => Err(Unsafe::Dots),
        (Some(b'/'), b'.') if matches!(after.first(), None | Some(b'/')) => Err(Unsafe::Dots),
        (_, b'%') => check_escape(after),
        _ if !PLAIN[usize::from(byte)] => Err(Unsafe::Byte),
        _ => Ok(()),
    }
}

const WORD: [bool; 256] = {
    let mut word = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        word[byte] = (byte as u8).is_ascii_alphanumeric() || byte as u8 == b'-';
        byte += 1;
    }
    word
};

/// What may stand in a segment unescaped, and `/`. Of RFC 3986's set only `;` is missing: some
/// servers cut a segment there.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        plain[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b"/:@-._~!$&'()*+,=";
    let mut at = 0;
    while at < others.len() {
        plain[others[at] as usize] = true;
        at += 1;
    }
    plain
};

fn check_escape(after: &[u8]) -> Result<(), Unsafe> {
    let digit = |at: usize| after.get(at).and_then(|b| char::from(*b).to_digit(16));
    let (Some(high), Some(low)) = (digit(0), digit(1)) else { return Err(Unsafe::Escape) };
    match u8::try_from(high * 16 + low) {
        Ok(b'.' | b'/' | b'\\' | b';' | b'?' | b'#' | b'%' | 0..=0x1f | 0x7f) | Err(_) => {
            Err(Unsafe::Escape)
        }
        Ok(_) => Ok(()),
    }
}

/// The first segment, without its slash, and what follows the slash after it.
pub(super) fn split_first(path: &str) -> (&str, &str) {
    let path = path.strip_prefix('/').unwrap_or(path);
    let (first, rest) = cut(path, b'/');
    (first, rest.unwrap_or_default())
}

/// Where a path ends in `:verb`, the text before the colon and the verb.
///
/// The colon may come escaped, which some URL builders do to every segment.
pub(super) fn split_verb(path: &str) -> (&str, Option<&str>) {
    let bytes = path.as_bytes();
    let (at, width) = match memchr::memrchr2(b':', b'/', bytes) {
        Some(colon) if bytes[colon] == b':' => (colon, ":".len()),
        slash => {
            let segment = &path[slash.map_or(0, |slash| slash + 1)..];
            let escaped = segment.rfind("%3A").or_else(|| segment.rfind("%3a"));
            let Some(at) = escaped else { return (path, None) };
            (path.len() - segment.len() + at, "%3A".len())
        }
    };
    (&path[..at], Some(&path[at + width..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_pass() {
        for path in [
            "/",
            "/v1beta/models/gemini-2.5-flash:generateContent",
            "/v1beta/models/gemini-2.5-flash%3AgenerateContent",
            "/v1beta/files/",
            "/v1beta/environments/e1/files/a%20b/caf%C3%A9.txt",
            "/$discovery/rest",
            "/v1beta/x@y/(a)!*'~+,=&",
        ] {
            assert_eq!(check(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn tricks_are_refused() {
        let cases = [
            (Unsafe::Dots, "/v1beta/../x"),
            (Unsafe::Dots, "/v1beta/.."),
            (Unsafe::Dots, "/./v1beta"),
            (Unsafe::Dots, "/v1beta/."),
            (Unsafe::Dots, "/v1beta/models/..:generateContent"),
            (Unsafe::Dots, "/v1beta/models/a..b"),
            (Unsafe::Escape, "/v1beta/%2e%2E/x"),
            (Unsafe::Escape, "/v1beta/.%2e/x"),
            (Unsafe::Escape, "/v1beta/a%2fb"),
            (Unsafe::Escape, "/v1beta/a%5Cb"),
            (Unsafe::Escape, "/v1beta/a%3Bb"),
            (Unsafe::Escape, "/v1beta/a%3fb"),
            (Unsafe::Escape, "/v1beta/a%23b"),
            (Unsafe::Escape, "/v1beta/a%252e%252e"),
            (Unsafe::Escape, "/v1beta/a%00"),
            (Unsafe::Escape, "/v1beta/a%0d%0ahost:x"),
            (Unsafe::Escape, "/v1beta/a%7f"),
            (Unsafe::Escape, "/v1beta/a%"),
            (Unsafe::Escape, "/v1beta/a%4"),
            (Unsafe::Escape, "/v1beta/a%zz"),
            (Unsafe::Escape, "/v1beta/a%+1"),
            (Unsafe::EmptySegment, "//v1beta"),
            (Unsafe::EmptySegment, "/v1beta//models"),
            (Unsafe::EmptySegment, "/v1beta/models//"),
            (Unsafe::EmptySegment, "v1beta/models"),
            (Unsafe::EmptySegment, ""),
            (Unsafe::EmptySegment, "*"),
            (Unsafe::Byte, "/v1beta\\models"),
            (Unsafe::Byte, "/v1beta/a;b=c"),
            (Unsafe::Byte, "/v1beta/a#b"),
            (Unsafe::Byte, "/v1beta/a?b"),
            (Unsafe::Byte, "/v1beta/a b"),
            (Unsafe::Byte, "/v1beta/a\r\nb"),
            (Unsafe::Byte, "/v1beta/a\0"),
            (Unsafe::Byte, "/v1beta/a\u{7f}"),
            (Unsafe::Byte, "/v1beta/é"),
            (Unsafe::Byte, "/v1beta/{model}"),
            (Unsafe::Byte, "/v1beta/[::1]"),
            (Unsafe::Byte, "/v1beta/\"<>^`|"),
        ];
        for (why, path) in cases {
            assert_eq!(check(path), Err(why), "{path:?}");
        }
    }

    #[test]
    fn a_verb_is_what_follows_the_last_colon() {
        let cases = [
            ("models/m:generateContent", "models/m", Some("generateContent")),
            ("models/m%3agenerateContent", "models/m", Some("generateContent")),
            ("models/m%3AgenerateContent", "models/m", Some("generateContent")),
            ("models/a:b:c", "models/a:b", Some("c")),
            ("models/a:b/c", "models/a:b/c", None),
            ("models/m:", "models/m", Some("")),
            ("", "", None),
        ];
        for (path, stem, verb) in cases {
            assert_eq!(split_verb(path), (stem, verb), "{path}");
        }
    }
}
