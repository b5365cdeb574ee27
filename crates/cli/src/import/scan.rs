//! Keys in a text of whatever form: lines, JSON, `.env`, CSV, SQL, addresses.
//!
//! Rule: no format is parsed. A key is a word that begins like one and has its length; words end
//! where a key's alphabet ends, and an escape of JSON stands for the character it means. So that a
//! file which is cut, or of a form that nobody thought of, still gives what is in it, in memory
//! that does not grow with its lines.

use potluck_gemini::ApiKey;
use zeroize::Zeroizing;

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// A key.
    Key(ApiKey),
    /// Something in a key's place that is none, and why.
    Bad(&'static str),
}

/// Reads a text piece by piece.
pub struct Scan {
    line: u64,
    shape: Option<Shape>,
    /// The word that is being read: as much of it as any key has, and a byte more.
    word: Zeroizing<Vec<u8>>,
    /// The last word that was no key: with `:` or `=` behind it, the name of what follows.
    name: Vec<u8>,
    /// Whether what follows is for another service.
    elsewhere: bool,
    escape: Escape,
    /// The first bytes of the line that are no white space.
    head: Zeroizing<Vec<u8>>,
    /// Whether anything was found in the line.
    told: bool,
}

/// What the first line that says anything tells of a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Keys, one a line: a line without one is a mistake.
    Lines,
    /// Something that has lines of its own, most of them without keys.
    Structured,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    /// After a backslash.
    Begun,
    /// Within `\uXXXX`: what is read of it, and how many digits.
    Unicode(u32, u8),
}

impl Default for Scan {
    fn default() -> Scan {
        Scan {
            line: 1,
            shape: None,
            word: Zeroizing::new(Vec::with_capacity(LONGEST + 1)),
            name: Vec::new(),
            elsewhere: false,
            escape: Escape::None,
            head: Zeroizing::new(Vec::with_capacity(HEAD)),
            told: false,
        }
    }
}

impl Scan {
    /// Reads on, and tells what it finds by the number of its line.
    pub fn read(&mut self, bytes: &[u8], found: &mut Vec<(u64, Found)>) {
        for byte in bytes {
            if *byte == b'\n' {
                self.end(found);
                continue;
            }
            // A text in UTF-16 is one in ASCII with zeros between, as far as keys go.
            if *byte == 0 {
                continue;
            }
            let mark = self.line == 1 && BYTE_ORDER_MARKS.contains(byte);
            let blank = self.head.is_empty() && (byte.is_ascii_whitespace() || mark);
            if self.head.len() < HEAD && !blank {
                self.head.push(*byte);
            }
            self.step(*byte, found);
        }
    }

    /// A line is over, or the text.
    pub fn end(&mut self, found: &mut Vec<(u64, Found)>) {
        self.escape = Escape::None;
        self.meant(b' ', found);
        if !self.head.is_empty() && !is_comment(&self.head) {
            let shape = *self.shape.get_or_insert_with(|| Shape::of(&self.head));
            if shape == Shape::Lines && !self.told {
                found.push((self.line, Found::Bad("no Gemini API key in it, by its form")));
            }
        }
        self.head.clear();
        self.told = false;
        self.line += 1;
    }

    fn step(&mut self, byte: u8, found: &mut Vec<(u64, Found)>) {
        match self.escape {
            Escape::None if byte == b'\\' => self.escape = Escape::Begun,
            Escape::None => self.meant(byte, found),
            Escape::Begun if byte == b'u' => self.escape = Escape::Unicode(0, 0),
            // Of what else JSON escapes, nothing belongs to a key.
            Escape::Begun => {
                self.escape = Escape::None;
                self.meant(b' ', found);
            }
            Escape::Unicode(code, digits) => self.unicode(code, digits, byte, found),
        }
    }

    fn unicode(&mut self, code: u32, digits: u8, byte: u8, found: &mut Vec<(u64, Found)>) {
        self.escape = Escape::None;
        let Some(digit) = char::from(byte).to_digit(16) else {
            self.meant(b' ', found);
            return self.meant(byte, found);
        };
        let code = code << 4 | digit;
        match digits {
            0..=2 => self.escape = Escape::Unicode(code, digits + 1),
            _ => self.meant(u8::try_from(code).unwrap_or(b' '), found),
        }
    }

    fn meant(&mut self, byte: u8, found: &mut Vec<(u64, Found)>) {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            if self.word.len() <= LONGEST {
                self.word.push(byte);
            }
            return;
        }
        if !self.word.is_empty() {
            self.end_word(found);
        }
        if matches!(byte, b':' | b'=') && !self.name.is_empty() {
            self.elsewhere = self.name.to_ascii_uppercase().windows(6).any(|part| part == VERTEX);
            self.name.clear();
        }
    }

    fn end_word(&mut self, found: &mut Vec<(u64, Found)>) {
        let judged = match judge(&self.word) {
            Some(Found::Key(_)) if self.elsewhere => Some(Found::Bad("a key of Vertex AI")),
            judged => judged,
        };
        self.name.clear();
        match judged {
            Some(judged) => {
                self.told = true;
                found.push((self.line, judged));
            }
            None => self.name.extend_from_slice(&self.word),
        }
        self.word.clear();
    }
}

impl Shape {
    fn of(head: &[u8]) -> Shape {
        let words = [&b"INSERT"[..], b"CREATE", b"PRAGMA", b"BEGIN", b"DELETE", b"DROP", b"EXPORT"];
        let first = head.split(|byte| !is_of_a_name(*byte)).next().unwrap_or_default();
        let next = head.get(first.len());
        let named = !first.is_empty() && matches!(next, Some(b'=' | b':'));
        let is_word = words.iter().any(|word| first.eq_ignore_ascii_case(word));
        match first.is_empty() || named || is_word {
            true => Shape::Structured,
            false => Shape::Lines,
        }
    }
}

fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_comment(head: &[u8]) -> bool {
    head.starts_with(b"#") || head.starts_with(b"//") || head.starts_with(b"--")
}

/// What a word is, if it begins like a key.
fn judge(word: &[u8]) -> Option<Found> {
    let text = std::str::from_utf8(word).ok()?;
    let key = |text: &str| ApiKey::parse(text).ok().map(Found::Key);
    if text.starts_with("AIza") {
        // A dot is no part of such a key: it ends a sentence.
        let text = text.split('.').next().unwrap_or_default();
        return match text.len() {
            STANDARD => key(text),
            ..MENTIONED => None,
            _ => Some(Found::Bad("begins like a key, but is not as long as one")),
        };
    }
    if text.starts_with("AQ.") {
        let text = text.trim_end_matches('.');
        return match text.len() {
            AUTH_LEAST..=LONGEST => key(text),
            ..MENTIONED => None,
            _ => Some(Found::Bad("begins like a key, but is not as long as one")),
        };
    }
    None
}

/// What a text may begin with, in UTF-8 and UTF-16, that belongs to no word.
const BYTE_ORDER_MARKS: [u8; 5] = [0xef, 0xbb, 0xbf, 0xff, 0xfe];
/// Characters of a key that begins with `AIza`.
const STANDARD: usize = 39;
/// Characters of a key that begins with `AQ.`: those seen have 53, and Google names no length.
const AUTH_LEAST: usize = 40;
/// The longest text taken for a key.
const LONGEST: usize = 256;
/// What is shorter only mentions what keys begin with.
const MENTIONED: usize = 12;
/// As much of a line as tells what kind of text it is of.
const HEAD: usize = 32;
/// What names of keys for Google's other API hold, which look the same.
const VERTEX: &[u8] = b"VERTEX";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn standard(n: usize) -> String {
        format!("AIzaSyTest{n:029}")
    }

    fn auth(n: usize) -> String {
        format!("AQ.Ab8RN6_-{n:042}")
    }

    /// Lines with a key's number, or none for what is bad, read in pieces of some size.
    fn scanned(text: &str, piece: usize) -> Vec<(u64, Option<String>)> {
        let (mut scan, mut found) = (Scan::default(), Vec::new());
        text.as_bytes().chunks(piece).for_each(|bytes| scan.read(bytes, &mut found));
        scan.end(&mut found);
        let told = found.into_iter().map(|(line, found)| match found {
            Found::Key(key) => (line, Some(key.expose().to_owned())),
            Found::Bad(_) => (line, None),
        });
        told.collect()
    }

    #[test]
    fn keys_are_found_in_every_form_that_they_are_kept_in() {
        let (a, b, q) = (standard(1), standard(2), auth(3));
        let keys = |list: &[(u64, &str)]| -> Vec<(u64, Option<String>)> {
            list.iter().map(|(line, key)| (*line, Some((*key).to_owned()))).collect()
        };
        let all = keys(&[(1, &a), (2, &b), (3, &q)]);
        let table = [
            ("lines", format!("{a}\n {b} \r\n{q}"), all.clone()),
            ("csv", format!("{a},active,1\n{b},\n{q},x"), all.clone()),
            ("with a note", format!("{a} # mine\n{b}: his\n{q}."), all.clone()),
            ("json", format!("{{\"keys\": [\"{a}\",\n\"{b}\",\n\"{q}\"]}}"), all.clone()),
            ("json lines", format!("{{\"k\":\"{a}\"}}\n{{\"k\":\"{b}\"}}\n{{\"k\":\"{q}\"}}"), all),
            (
                "keys as names",
                format!("{{\"{a}\":\"ok\",\"{b}\":\"ok\"}}"),
                keys(&[(1, &a), (1, &b)]),
            ),
            (
                "lines inside a string of JSON",
                format!("{{\"keys_text\":\"{a}\\n{b}\\t\\u0041{}\"}}", &a[1..]),
                keys(&[(1, &a), (1, &b), (1, &a)]),
            ),
            (
                ".env",
                format!("# mine\nAPI_KEYS=[\"{a}\",\"{b}\"]\nGEMINI_API_KEY={q}\nTOKEN=sk-1\n"),
                keys(&[(2, &a), (2, &b), (3, &q)]),
            ),
            (
                "a dump of D1",
                format!(
                    "PRAGMA defer_foreign_keys=TRUE;\nCREATE TABLE keys (id INTEGER, key TEXT);\n\
                     INSERT INTO keys VALUES(1,'{a}',0);\nINSERT INTO \"keys\" VALUES(2,'{b}',1);"
                ),
                keys(&[(3, &a), (4, &b)]),
            ),
            (
                "an address",
                format!("GET https://host/v1beta/models?key={a}&alt=sse"),
                keys(&[(1, &a)]),
            ),
        ];
        for (name, text, expected) in table {
            for piece in [1, 7, 4096] {
                assert_eq!(scanned(&text, piece), expected, "{name}, {piece} bytes at a time");
            }
        }
    }

    #[test]
    fn a_text_is_read_whatever_its_units_and_the_mark_before_it() {
        let text = format!("{}\r\nnone\r\n{}\r\n", standard(1), auth(2));
        let utf8 = [&[0xef, 0xbb, 0xbf], text.as_bytes()].concat();
        let units = |order: fn(u16) -> [u8; 2]| -> Vec<u8> {
            std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(order).collect()
        };
        for bytes in [utf8, units(u16::to_le_bytes), units(u16::to_be_bytes)] {
            let (mut scan, mut found) = (Scan::default(), Vec::new());
            scan.read(&bytes, &mut found);
            let told: Vec<_> =
                found.iter().map(|(line, f)| (*line, matches!(f, Found::Key(_)))).collect();
            assert_eq!(told, [(1, true), (2, false), (3, true)]);
        }
    }

    #[test]
    fn what_is_no_key_is_told_by_its_line_where_a_key_was_to_be_expected() {
        let a = standard(1);
        let (cut, long) = (&a[..30], format!("{a}x"));
        let table = [
            ("nonsense among lines", format!("{a}\n<b>嗨</b>\n\n# note\nx"), vec![2, 5]),
            ("a cut key", format!("{a}\n{cut}"), vec![2]),
            ("a cut key in JSON", format!("{{\"a\": \"{a}\",\n\"b\": \"{cut}\"}}"), vec![2]),
            ("too long", format!("{a}\n{long}\nAQ.{}", "a".repeat(300)), vec![2, 3]),
            ("structure", format!("{{\n\"keys\": [\n\"{a}\"\n]\n}}"), vec![]),
            (
                "a mention",
                format!("{{\"note\": \"keys begin with AIza or AQ.\", \"k\":\"{a}\"}}"),
                vec![],
            ),
            (
                "keys of Vertex AI",
                format!("{{\"API_KEYS\":[\"{a}\"],\n\"VERTEX_API_KEYS\":[\n\"{}\"]}}", auth(1)),
                vec![3],
            ),
        ];
        for (name, text, expected) in table {
            let told = scanned(&text, 5);
            let bad: Vec<u64> =
                told.iter().filter(|(_, key)| key.is_none()).map(|(line, _)| *line).collect();
            assert_eq!(bad, expected, "{name}");
            assert_eq!(told.len(), bad.len() + 1, "{name}: the good one is found");
        }
    }

    #[test]
    fn a_line_without_end_is_read_in_little_memory() {
        let mut scan = Scan::default();
        let mut found = Vec::new();
        for _ in 0..1000 {
            scan.read(&[b'a'; 10_000], &mut found);
        }
        assert!(scan.word.capacity() + scan.name.capacity() + scan.head.capacity() < 4096);
        assert!(found.is_empty());
    }
}
