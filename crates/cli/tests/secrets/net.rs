//! A net in which a secret is caught in whatever form it comes, whole or in part.

use std::collections::HashMap;
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// So many characters of a secret are a part of it.
const PART: usize = 8;
/// Needles are found by so many bytes first.
const START: usize = 8;
const FILTER_BITS: u32 = 20;

/// A secret found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catch {
    /// Which secret, by the place it was given at.
    pub secret: usize,
    /// As what.
    pub form: &'static str,
    /// Where.
    pub at: usize,
}

/// Looks for secrets.
pub struct Net {
    needles: HashMap<u64, Vec<Needle>>,
    filter: Vec<bool>,
}

struct Needle {
    secret: usize,
    form: &'static str,
    text: Vec<u8>,
}

impl Net {
    /// A net for these secrets.
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Net {
        let filter = vec![false; 1 << FILTER_BITS];
        let mut net = Net { needles: HashMap::new(), filter };
        for (number, secret) in secrets.into_iter().enumerate() {
            for (form, text, part) in forms(secret) {
                for piece in text.as_bytes().windows(part) {
                    net.add(Needle { secret: number, form, text: piece.to_vec() });
                }
            }
        }
        net
    }

    fn add(&mut self, needle: Needle) {
        let start = u64::from_be_bytes(needle.text[..START].try_into().unwrap());
        self.filter[place(start)] = true;
        self.needles.entry(start).or_default().push(needle);
    }

    /// What is in it, each secret once.
    pub fn catches(&self, text: &[u8]) -> Vec<Catch> {
        let mut found: Vec<Catch> = Vec::new();
        let mut start = 0_u64;
        for (end, byte) in text.iter().enumerate() {
            start = start << 8 | u64::from(*byte);
            if end + 1 < START || !self.filter[place(start)] {
                continue;
            }
            let at = end + 1 - START;
            for needle in self.needles.get(&start).into_iter().flatten() {
                let known = found.iter().any(|catch| catch.secret == needle.secret);
                if !known && text[at..].starts_with(&needle.text) {
                    found.push(Catch { secret: needle.secret, form: needle.form, at });
                }
            }
        }
        found
    }
}

fn place(start: u64) -> usize {
    (start.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - FILTER_BITS)) as usize
}

/// A secret as it may stand somewhere, and how much of that is a part of it.
fn forms(secret: &str) -> Vec<(&'static str, String, usize)> {
    let each = |write: fn(u8) -> String| secret.bytes().map(write).collect::<String>();
    let mut forms = vec![
        ("raw", secret.to_owned(), PART),
        ("backwards", secret.chars().rev().collect(), PART),
        ("URL", each(|byte| format!("%{byte:02X}")), 3 * PART),
        ("url", each(|byte| format!("%{byte:02x}")), 3 * PART),
        ("HEX", each(|byte| format!("{byte:02X}")), 2 * PART),
        ("hex", each(|byte| format!("{byte:02x}")), 2 * PART),
        // As `Debug` writes bytes.
        ("list", each(|byte| format!("{byte}, ")), 4 * PART),
        ("UTF-16", each(|byte| format!("{}\0", char::from(byte))), 2 * PART),
    ];
    for before in 0..3 {
        let bytes = [&[0; 2][..before], secret.as_bytes()].concat();
        for engine in [STANDARD, URL_SAFE] {
            let text = engine.encode(&bytes);
            forms.push(("base64", text[own_characters(before, bytes.len())].to_owned(), 11));
        }
    }
    forms
}

/// The characters of base64 in which there is nothing but the secret.
fn own_characters(before: usize, length: usize) -> Range<usize> {
    (before * 8).div_ceil(6)..length * 8 / 6
}

#[test]
fn the_net_catches_every_form_and_every_part() {
    let secret = "AIzaSyQw3rTy0123456789abcdefghijklmno_-";
    let net = Net::new(["another-secret-of-no-interest", secret]);
    let encoded = |text: &str| STANDARD.encode(text);
    for text in [
        format!("key={secret}&alt=sse"),
        format!("…{}…", &secret[20..28]),
        format!("…{}", &secret[31..]),
        secret.bytes().map(|byte| format!("%{byte:02x}")).collect(),
        format!("{:02x?}", &secret.as_bytes()[3..11]).replace(", ", ""),
        format!("{:?}", secret.as_bytes()),
        encoded(secret),
        encoded(&format!("Bearer {secret}")),
        encoded(&format!("?key={secret}")),
        encoded(&format!("key: {}", &secret[5..20])),
    ] {
        let catches = net.catches(text.as_bytes());
        assert_eq!(catches.len(), 1, "{text} {catches:?}");
        assert_eq!(catches[0].secret, 1);
    }
    for text in ["AIza***", &secret[..7], "AIzaSyOther-Key-That-Is-None-Of-These-"] {
        assert_eq!(net.catches(text.as_bytes()), [], "{text}");
    }
}
