//! What looks like a secret within a text, replaced.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::credential::ApiKey;

/// What stands where something was taken out.
const GONE: &str = "REDACTED";

/// So many characters of a key in a row are a piece of it. Fewer may stand in any text.
const PIECE: usize = 8;

/// A form of secret: what it begins with, and how many bytes of which alphabet follow at least.
struct Form {
    prefix: &'static str,
    /// Only at the beginning of a word.
    word: bool,
    least: usize,
    alphabet: fn(u8) -> bool,
    /// The prefix says what it was and may stay.
    keeps_prefix: bool,
}

/// How a token of Google's for people begins: of all forms the only one in small letters alone.
const OAUTH: &str = "ya29.";

const FORMS: [Form; 12] = [
    // A key is 39 bytes long; a shortened one is not shown either.
    Form { prefix: "AIza", word: false, least: 4, alphabet: is_token, keeps_prefix: false },
    Form { prefix: "AQ.", word: true, least: 8, alphabet: is_dotted, keeps_prefix: false },
    Form { prefix: "IQ.", word: true, least: 8, alphabet: is_dotted, keeps_prefix: false },
    Form { prefix: OAUTH, word: true, least: 8, alphabet: is_dotted, keeps_prefix: false },
    // Our own: access tokens and invites.
    Form { prefix: "ptk_", word: true, least: 8, alphabet: is_token, keeps_prefix: false },
    Form { prefix: "pti_", word: true, least: 8, alphabet: is_token, keeps_prefix: false },
    Form { prefix: "api_key:", word: true, least: 1, alphabet: is_dotted, keeps_prefix: true },
    Form { prefix: "API key: ", word: true, least: 1, alphabet: is_dotted, keeps_prefix: true },
    Form { prefix: "projects/", word: true, least: 1, alphabet: is_token, keeps_prefix: true },
    Form { prefix: "project=", word: true, least: 1, alphabet: is_token, keeps_prefix: true },
    Form {
        prefix: "project_number:",
        word: true,
        least: 1,
        alphabet: is_digit,
        keeps_prefix: true,
    },
    Form { prefix: "project ", word: true, least: 4, alphabet: is_digit, keeps_prefix: true },
];

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn is_dotted(byte: u8) -> bool {
    is_token(byte) || byte == b'.'
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

/// The text without keys, project numbers, and (where it speaks of one) addresses.
pub(super) fn clean<'t>(text: &'t str, keys: &[&ApiKey]) -> Cow<'t, str> {
    let mut text = Cow::Borrowed(text);
    for key in keys.iter().map(|key| key.expose()) {
        if let Some(clean) = without_pieces(&text, key) {
            text = Cow::Owned(clean);
        }
    }
    for form in &FORMS {
        if text.contains(form.prefix) {
            text = Cow::Owned(without(&text, form));
        }
    }
    if text.contains("IP address") {
        text = Cow::Owned(without_addresses(&text));
    }
    text
}

/// Whether there is anything of a secret's own form in a text; numbers of projects are none.
pub(super) fn hold_secret(text: &str) -> bool {
    // Most texts that are asked about are names of models, which have neither.
    let spelled = text.bytes().any(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let mut forms = FORMS.iter().filter(|form| !form.keeps_prefix);
    (spelled || text.contains(OAUTH))
        && forms.any(|form| text.contains(form.prefix) && without(text, form) != text)
}

/// The text without the key and without any piece of it: long messages are cut, and a cut may go
/// through a key. `None` when there was nothing to take out.
fn without_pieces(text: &str, key: &str) -> Option<String> {
    let (text_bytes, key) = (text.as_bytes(), key.as_bytes());
    let mut out = String::new();
    let mut kept = 0;
    let mut at = 0;
    while at + PIECE <= text_bytes.len() {
        let piece = longest_piece(&text_bytes[at..], key);
        if piece == 0 {
            at += 1;
            continue;
        }
        // A key is ASCII, so a piece of it begins and ends at characters.
        out.push_str(&text[kept..at]);
        out.push_str(GONE);
        at += piece;
        kept = at;
    }
    (kept > 0).then(|| out + &text[kept..])
}

/// How many of the first bytes of `text` stand in the key; none where they are too few to matter.
fn longest_piece(text: &[u8], key: &[u8]) -> usize {
    let starts = (0..(key.len() + 1).saturating_sub(PIECE)).filter(|&at| key[at] == text[0]);
    let same = |at: usize| key[at..].iter().zip(text).take_while(|(a, b)| a == b).count();
    starts.map(same).max().filter(|&length| length >= PIECE).unwrap_or(0)
}

fn without(text: &str, form: &Form) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(form.prefix) {
        let (before, found) = rest.split_at(at);
        let tail = &found[form.prefix.len()..];
        let secret = tail.bytes().take_while(|&byte| (form.alphabet)(byte)).count();
        let inside_word = form.word && before.bytes().next_back().is_some_and(is_token);
        out.push_str(before);
        if inside_word || secret < form.least {
            out.push_str(form.prefix);
            rest = tail;
            continue;
        }
        out.push_str(if form.keeps_prefix { form.prefix } else { "" });
        out.push_str(GONE);
        rest = &tail[secret..];
    }
    out + rest
}

fn without_addresses(text: &str) -> String {
    let inside = |c: char| c.is_ascii_hexdigit() || c == '.' || c == ':';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(from) = rest.find(inside) {
        let (before, found) = rest.split_at(from);
        let end = found.find(|c| !inside(c)).unwrap_or(found.len());
        let (word, tail) = found.split_at(end);
        let bare = word.trim_end_matches(['.', ':']);
        let address = bare.parse::<IpAddr>().is_ok() || word.parse::<IpAddr>().is_ok();
        out.push_str(before);
        out.push_str(if address { GONE } else { word });
        out.push_str(if address { &word[bare.len()..] } else { "" });
        rest = tail;
    }
    out + rest
}
