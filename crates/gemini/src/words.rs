//! Short texts: names, tokens, segments, parameters.
//!
//! What `str` has for these prepares a search, or decodes characters, and costs more than reading
//! a few bytes does.

/// Every byte that names and tokens are made of: letters, digits, `.`, `_` and `-`.
const IN_NAMES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        let at = byte as usize;
        table[at] = byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        byte += 1;
    }
    table
};

/// Whether a text is made of nothing else, and so has nothing to decode or to misread. It is short
/// (each caller bounds it), and read faster when no byte ends the reading.
pub(crate) fn is_name(text: &[u8]) -> bool {
    text.iter().fold(true, |all, byte| all & IN_NAMES[usize::from(*byte)])
}

/// The text before the first such byte, which is ASCII, and the text behind it.
pub(crate) fn cut(text: &str, byte: u8) -> (&str, Option<&str>) {
    match text.bytes().position(|found| found == byte) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_five_kinds_of_bytes() {
        for byte in 0..=255_u8 {
            let allowed = byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            assert_eq!(is_name(&[b'a', byte]), allowed, "{byte}");
        }
        assert!(is_name(b""));
    }

    #[test]
    fn a_text_is_cut_once() {
        for (text, cuts) in [
            ("", ("", None)),
            ("a", ("a", None)),
            ("a/", ("a", Some(""))),
            ("/a", ("", Some("a"))),
            ("é/b/c", ("é", Some("b/c"))),
        ] {
            assert_eq!(cut(text, b'/'), cuts, "{text}");
            assert_eq!(cut(text, b'/').1, text.split_once('/').map(|(_, behind)| behind));
        }
    }
}
