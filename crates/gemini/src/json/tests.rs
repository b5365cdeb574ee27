//! Tokens, however the text is cut.
#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

/// Writes the tokens down, strings joined.
#[derive(Default)]
struct Tape(Vec<u8>);

impl Sink for Tape {
    fn open(&mut self, kind: Kind) {
        self.0.push(if kind == Kind::Object { b'{' } else { b'[' });
    }
    fn close(&mut self, kind: Kind) {
        self.0.push(if kind == Kind::Object { b'}' } else { b']' });
    }
    fn key(&mut self, key: Option<&[u8]>) {
        self.0.extend_from_slice(key.unwrap_or(b"?"));
        self.0.push(b':');
    }
    fn string(&mut self) {
        self.0.push(b'<');
    }
    fn piece(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
    fn string_end(&mut self) {
        self.0.push(b'>');
    }
    fn scalar(&mut self, scalar: Scalar) {
        self.0.extend_from_slice(format!("({scalar:?})").as_bytes());
    }
}

fn read(chunks: &[&[u8]]) -> Option<String> {
    let mut tape = Tape::default();
    let mut tokens = Tokenizer::new();
    for chunk in chunks {
        tokens.push(chunk, &mut tape).ok()?;
    }
    tokens.done().then(|| String::from_utf8_lossy(&tape.0).into_owned())
}

#[test]
fn tokens_are_decoded() {
    let cases = [
        (
            r#"{"a":1,"b":[true,null,-2.5e+3]}"#,
            "{a:(Number(Some(1)))b:[(True)(Null)(Number(None))]}",
        ),
        (r#"{"\u0073tore":"x\n\u00e9\ud83d\ude00\"y"}"#, "{store:<x\né😀\"y>}"),
        (r#""\ud800x""#, "<\u{fffd}x>"),
        (r#""\ud800\ud801\udc00""#, "<\u{fffd}𐐀>"),
        (r#"{"a\ud800":1}"#, "{?:(Number(Some(1)))}"),
        (r#"{"":{}}"#, "{:{}}"),
        (" [ ] ", "[]"),
        ("0", ""),
    ];
    for (text, tokens) in cases {
        assert_eq!(read(&[text.as_bytes()]).as_deref(), Some(tokens), "{text}");
    }
}

#[test]
fn what_is_not_strict_json_is_refused() {
    let cases = [
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "01",
        "1.",
        "+1",
        "-",
        "1e",
        "nul",
        "nulll",
        "'a'",
        "\"a",
        "\"\u{1}\"",
        "\"\n\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "{} {}",
        "[1}",
        "{\"a\"]",
        "NaN",
        "\u{feff}{}",
        "/* */{}",
        "{\"a\" 1}",
        "[1 2]",
        "}",
        "]",
    ];
    for text in cases {
        assert_eq!(read(&[text.as_bytes()]), None, "{text:?}");
    }
}

#[test]
fn nesting_ends_at_the_limit() {
    let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
    assert!(read(&[deep(DEPTH_MAX).as_bytes()]).is_some());
    assert!(read(&[deep(DEPTH_MAX + 1).as_bytes()]).is_none());
}

#[test]
fn a_key_too_long_to_be_ours_is_unknown() {
    let long = format!("{{\"{}\":1}}", "k".repeat(KEY_MAX + 1));
    let (head, tail) = long.as_bytes().split_at(20);
    assert_eq!(read(&[long.as_bytes()]).unwrap(), "{?:(Number(Some(1)))}");
    assert_eq!(read(&[head, tail]), read(&[long.as_bytes()]));
}

fn arb_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(|n| serde_json::json!(n)),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|pairs| serde_json::Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_split_gives_the_same_tokens(value in arb_json(), cuts: Vec<prop::sample::Index>) {
        let text = value.to_string();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len())).collect();
        cuts.sort_unstable();
        let mut chunks = Vec::new();
        let mut from = 0;
        for cut in cuts {
            chunks.push(&text.as_bytes()[from..cut]);
            from = cut;
        }
        chunks.push(&text.as_bytes()[from..]);
        prop_assert!(read(&[text.as_bytes()]).is_some());
        prop_assert_eq!(read(&chunks), read(&[text.as_bytes()]));
    }

    #[test]
    fn what_is_accepted_another_parser_accepts_too(
        bytes in prop::collection::vec(
            prop::sample::select(b"{}[]\":,\\u0123dD8efnul-+. tras\x01\xc3\xa9".to_vec()), 0..40)
    ) {
        if read(&[&bytes]).is_some() && std::str::from_utf8(&bytes).is_ok() {
            // Lone surrogates apart, which only we read (as a character that means nothing).
            let text = String::from_utf8_lossy(&bytes).to_lowercase();
            let parsed = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes);
            prop_assert!(parsed.is_ok() || text.contains("\\ud"), "{text:?}");
        }
    }

    #[test]
    fn utf8_is_checked_over_cuts(bytes: Vec<u8>, text: String, cut: prop::sample::Index) {
        for bytes in [bytes, text.into_bytes()] {
            let (head, tail) = bytes.split_at(cut.index(bytes.len() + 1));
            let mut utf8 = Utf8::default();
            let read = utf8.push(head).and_then(|()| utf8.push(tail));
            let valid = read.is_ok() && utf8.whole();
            prop_assert_eq!(valid, std::str::from_utf8(&bytes).is_ok());
        }
    }
}
