//! The patterns in the table of routes.
//!
//! A pattern is segments of literal text, `{model}` for the name of a model, `{id}` for any one
//! segment, `{v}` for a version, and `{**}` for all that follows, or nothing. It may end in
//! `:verb`; the verb is compared first, since it tells most rows apart.

use super::mount::is_version;
use super::path;
use crate::words::{cut, is_name};

/// The longest name taken for a model's; real ones stay below 64.
const MODEL_MAX: usize = 128;

/// A pattern of the table.
#[derive(Clone, Copy)]
pub(super) struct Pattern {
    stem: &'static str,
    verb: Option<&'static str>,
    /// The stem up to its first placeholder: one comparison turns most tails away.
    literal: &'static str,
    /// The segments behind it.
    open: Option<&'static str>,
}

impl Pattern {
    /// Splits a pattern at its colon.
    pub(super) const fn new(text: &'static str) -> Pattern {
        let (stem, verb) = text.split_at(position(text, b':'));
        let verb = if verb.is_empty() { None } else { Some(verb.split_at(1).1) };
        let (before, placeholder) = stem.split_at(position(stem, b'{'));
        // `a/{**}` takes `a` as well, so its slash is not part of what must be there.
        let slash = !placeholder.is_empty() && !before.is_empty();
        let (literal, _) = before.split_at(before.len() - slash as usize);
        let open = if placeholder.is_empty() { None } else { Some(placeholder) };
        Pattern { stem, verb, literal, open }
    }

    /// Whether the pattern takes every tail there is.
    pub(super) fn is_anything(self) -> bool {
        self.stem == "{**}"
    }

    /// Compares the pattern with a tail.
    pub(super) fn fits<'t>(self, tail: &Tail<'t>) -> Option<Found<'t>> {
        let text = match self.verb {
            Some(verb) if tail.verb != Some(verb) => return None,
            Some(_) => tail.stem,
            None => tail.whole,
        };
        let open = behind(self.literal, text)?;
        Some(Found { model: fit(self.open, open)?, verb: self.verb })
    }
}

/// The segments behind those of `literal`, if `text` begins with them.
fn behind<'t>(literal: &str, text: &'t str) -> Option<Option<&'t str>> {
    let rest = text.strip_prefix(literal)?;
    match rest.as_bytes().first() {
        _ if literal.is_empty() => Some(Some(rest)),
        None => Some(None),
        Some(b'/') => Some(Some(&rest[1..])),
        Some(_) => None,
    }
}

/// Where a byte stands in a text, or the text's length.
const fn position(text: &str, byte: u8) -> usize {
    let mut at = 0;
    while at < text.len() && text.as_bytes()[at] != byte {
        at += 1;
    }
    at
}

/// What follows the mount in a path, split once for all patterns.
#[derive(Clone, Copy)]
pub(super) struct Tail<'t> {
    whole: &'t str,
    stem: &'t str,
    verb: Option<&'t str>,
}

impl<'t> Tail<'t> {
    pub(super) fn new(whole: &'t str) -> Tail<'t> {
        let (stem, verb) = path::split_verb(whole);
        Tail { whole, stem, verb }
    }
}

/// What a pattern found in a tail.
#[derive(Clone, Copy)]
pub(super) struct Found<'t> {
    pub(super) model: Option<&'t str>,
    pub(super) verb: Option<&'static str>,
}

/// Whether `text` has the segments of `pattern`; the model is `Some(None)` where none is named.
fn fit<'t>(mut pattern: Option<&str>, mut text: Option<&'t str>) -> Option<Option<&'t str>> {
    let mut model = None;
    while let Some(pieces) = pattern {
        let (piece, other_pieces) = cut(pieces, b'/');
        if piece == "{**}" {
            return Some(model);
        }
        let (segment, other_segments) = cut(text?, b'/');
        let fits = match piece {
            "{model}" => {
                model = Some(segment);
                is_model_name(segment)
            }
            "{id}" => !segment.is_empty() && !segment.contains(':'),
            "{v}" => is_version(segment),
            literal => segment == literal,
        };
        if !fits {
            return None;
        }
        (pattern, text) = (other_pieces, other_segments);
    }
    text.is_none().then_some(model)
}

/// Whether a segment is the plain name of a model: nothing to decode, nothing to misread.
pub(super) fn is_model_name(name: &str) -> bool {
    name.len() <= MODEL_MAX
        && name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && is_name(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_take_what_they_say() {
        let cases = [
            ("models", "models", Some(None)),
            ("models", "models/", None),
            ("models", "model", None),
            ("models/{model}", "models/m-1.5_x", Some(Some("m-1.5_x"))),
            ("models/{model}", "models/m:v", None),
            ("models/{model}", "models/.m", None),
            ("models/{model}", "models/m%20x", None),
            ("models/{model}", "models", None),
            ("files/{id}", "files/a%20b", Some(None)),
            ("files/{id}", "files/a:b", None),
            ("files/{id}", "files/", None),
            ("x/{**}", "x", Some(None)),
            ("x/{**}", "x/y:z/", Some(None)),
            ("x/{**}", "xy", None),
            ("{v}/x", "v1alpha/x", Some(None)),
            ("{v}/x", "v2/x", None),
            ("{**}", "", Some(None)),
            ("a/{id}:verb", "a/b:verb", Some(None)),
            ("a/{id}:verb", "a/b%3Averb", Some(None)),
            ("a/{id}:verb", "a/b:other", None),
            ("a/{id}:verb", "a/b", None),
        ];
        for (pattern, text, expected) in cases {
            let found = Pattern::new(pattern).fits(&Tail::new(text));
            assert_eq!(found.map(|found| found.model), expected, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn what_follows_a_literal_fits_as_the_whole_does(
            pattern in prop::sample::select(vec![
                "models", "models/{model}", "files/{**}", "a/{id}/b/{**}", "{v}/x/{**}", "{**}",
                "models/models/{model}",
            ]),
            pieces in prop::collection::vec(
                prop::sample::select(vec!["models", "files", "a", "b", "v1", "x", "/", "/", "m:"]),
                0..8,
            ),
        ) {
            let text = pieces.concat();
            let Pattern { stem, literal, open, .. } = Pattern::new(pattern);
            let found = behind(literal, &text).and_then(|text| fit(open, text));
            prop_assert_eq!(found, fit(Some(stem), Some(&text)), "{} {}", pattern, text);
        }
    }

    #[test]
    fn a_name_too_long_for_a_model_is_none() {
        assert!(is_model_name(&"m".repeat(MODEL_MAX)));
        assert!(!is_model_name(&"m".repeat(MODEL_MAX + 1)));
    }
}
