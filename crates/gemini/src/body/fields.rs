//! How the allow-lists are written down: a field's name and what may stand there.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

use serde::{Deserialize, Serialize};

/// What costs its key's owner more than words do. A set; the pool lends such a call only keys
/// whose contributors said so.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Metered(u8);

impl Metered {
    /// Nothing but words.
    pub const NONE: Metered = Metered(0);
    /// Grounding with Google Search.
    pub const SEARCH: Metered = Metered(1);
    /// Grounding with Google Maps.
    pub const MAPS: Metered = Metered(1 << 1);
    /// Code execution.
    pub const CODE: Metered = Metered(1 << 2);
    /// Computer use.
    pub const COMPUTER: Metered = Metered(1 << 3);
    /// Images in the answer.
    pub const IMAGE_OUT: Metered = Metered(1 << 4);
    /// Speech in the answer.
    pub const SPEECH_OUT: Metered = Metered(1 << 5);

    const NAMES: [(Metered, &'static str); 6] = [
        (Metered::SEARCH, "search"),
        (Metered::MAPS, "maps"),
        (Metered::CODE, "code"),
        (Metered::COMPUTER, "computer"),
        (Metered::IMAGE_OUT, "image"),
        (Metered::SPEECH_OUT, "speech"),
    ];

    /// What a model costs by what it is: image and speech models answer in their own kind even
    /// when the request does not say so.
    pub fn of_model(model: &str) -> Metered {
        let words = model.as_bytes().split(|&byte| byte == b'-');
        words.fold(Metered::NONE, |sum, word| sum | Metered::of_word(word))
    }

    fn of_word(word: &[u8]) -> Metered {
        match word {
            b"image" | b"imagen" | b"banana" => Metered::IMAGE_OUT,
            b"tts" | b"audio" | b"lyria" => Metered::SPEECH_OUT,
            b"computer" => Metered::COMPUTER,
            _ => Metered::NONE,
        }
    }

    /// Nothing of it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Everything of `other` is in it.
    pub fn contains(self, other: Metered) -> bool {
        self.0 & other.0 == other.0
    }

    /// The names of what is in it.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let named = Metered::NAMES.into_iter();
        named.filter(move |(flag, _)| self.contains(*flag)).map(|(_, name)| name)
    }
}

impl BitOr for Metered {
    type Output = Metered;

    fn bitor(self, other: Metered) -> Metered {
        Metered(self.0 | other.0)
    }
}

impl BitOrAssign for Metered {
    fn bitor_assign(&mut self, other: Metered) {
        self.0 |= other.0;
    }
}

impl fmt::Debug for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// The fields an object may have. Names are Google's (camelCase, which stands for snake_case too)
/// or OpenAI's (snake_case, which stands for itself alone).
#[derive(Debug)]
pub(super) struct Fields(pub(super) &'static [Field]);

/// A field's name as its list has it, and what may stand in it.
pub(super) type Field = (&'static str, Rule);

/// What may stand in a field. A list stands for each of its elements: where Google wants no list
/// it says so itself, and no list can hide a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    /// Numbers, flags, names; no object.
    Plain,
    /// Words of the prompt.
    Text,
    /// Bytes in base64.
    Data,
    /// Anything at all: a schema, arguments, a tool's response.
    Free,
    Object(&'static Fields),
    /// The object that a body is.
    Body,
    /// Words, or parts.
    Words(&'static Fields),
    /// The turns of a conversation.
    Turns(&'static Fields),
    /// A feature that costs, and its fields.
    Metered(Metered, &'static Fields),
    /// What the answer is made of.
    Modality,
    /// A file by its URI.
    Uri,
    /// Bytes in a `data:` URL, or a file by its URI; as an object, its fields.
    Link(&'static Fields),
    Model,
    Role,
    /// A function's response: a model's turn came before it.
    Response(&'static Fields),
    Signature,
    Stream,
    /// Only false.
    Store,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// State of a project: own, unless null.
    State,
    /// A price of its own: own, unless null.
    Price,
}

impl Fields {
    /// Nearly every key stands as its field is named, so that is asked of all fields first.
    pub(super) fn find(&self, key: &[u8]) -> Option<&'static Field> {
        let plain = self.0.iter().find(|(name, _)| name.as_bytes() == key);
        plain.or_else(|| self.0.iter().find(|(name, _)| spells(name, key)))
    }
}

/// The key is the name as it stands, or in snake_case. Nothing else: Google knows no third form.
fn spells(name: &str, key: &[u8]) -> bool {
    name.as_bytes() == key || key.contains(&b'_') && spells_snake(name, key)
}

fn spells_snake(name: &str, key: &[u8]) -> bool {
    let mut key = key.iter();
    name.bytes().all(|byte| {
        let lower = byte.to_ascii_lowercase();
        (lower == byte || key.next() == Some(&b'_')) && key.next() == Some(&lower)
    }) && key.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_has_two_spellings_and_no_third() {
        let cases = [
            ("cachedContent", "cachedContent", true),
            ("cachedContent", "cached_content", true),
            ("cachedContent", "cachedcontent", false),
            ("cachedContent", "Cached_Content", false),
            ("fileSearchStoreNames", "file_searchStoreNames", false),
            ("bytesBase64Encoded", "bytes_base64_encoded", true),
            ("max_tokens", "maxTokens", false),
            ("max_tokens", "max_tokens", true),
            ("max_tokens", "max_tokens_", false),
            ("text", "text_", false),
            ("text", "tex", false),
        ];
        for (name, key, same) in cases {
            assert_eq!(spells(name, key.as_bytes()), same, "{name} {key}");
        }
    }

    /// What a field leads to.
    fn below(rule: Rule) -> Option<&'static Fields> {
        match rule {
            Rule::Object(fields)
            | Rule::Words(fields)
            | Rule::Turns(fields)
            | Rule::Metered(_, fields)
            | Rule::Link(fields)
            | Rule::Response(fields) => Some(fields),
            _ => None,
        }
    }

    #[test]
    fn no_list_has_two_fields_for_one_key() {
        use crate::body::{compat, native};
        let mut lists = vec![&native::GENERATE, &native::COUNT, &native::EMBED, &native::ANSWER];
        lists.extend([&native::PREDICT, &native::LIVE, &compat::CHAT, &compat::EMBEDDINGS]);
        lists.push(&compat::IMAGES);
        let mut at = 0;
        while let Some(&list) = lists.get(at) {
            for (name, rule) in list.0 {
                let same = list.0.iter().filter(|(other, _)| spells(other, name.as_bytes()));
                assert_eq!(same.count(), 1, "{name}");
                let new =
                    below(*rule).filter(|new| !lists.iter().any(|old| std::ptr::eq(*old, *new)));
                lists.extend(new);
            }
            at += 1;
        }
    }

    #[test]
    fn a_model_that_draws_or_speaks_is_known_by_its_name() {
        let cases = [
            ("gemini-3.8-flash", Metered::NONE),
            ("gemini-2.5-flash-image", Metered::IMAGE_OUT),
            ("gemini-2.5-flash-preview-tts", Metered::SPEECH_OUT),
            ("imagen-4.0-generate-001", Metered::IMAGE_OUT),
            ("gemini-2.5-computer-use-preview-10-2025", Metered::COMPUTER),
            ("gemini-2.5-flash-native-audio-latest", Metered::SPEECH_OUT),
        ];
        for (model, metered) in cases {
            assert_eq!(Metered::of_model(model), metered, "{model}");
        }
    }
}
