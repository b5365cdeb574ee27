//! The models on offer: what they can do, what they are called in quotas, who may use them.

use serde::{Deserialize, Serialize};

use crate::quota::Limits;

/// What a project pays, and so which limits hold for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// The free tier, with the few requests a day that it has.
    Free,
    /// Billed, first tier.
    Paid,
    /// No limits at all, for tests that are about something else.
    #[default]
    Unmetered,
}

/// One model.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Model {
    /// Its name, without `models/`.
    pub name: String,
    /// Methods it answers, as in `supportedGenerationMethods`.
    pub methods: Vec<String>,
    /// The name its quota goes by, where that differs.
    pub quota_name: Option<String>,
    /// The model it is another name of.
    pub alias_of: Option<String>,
    /// Limits of free projects.
    pub free: Limits,
    /// Limits of billed projects.
    pub paid: Limits,
    /// Projects marked as new get "no longer available to new users".
    pub closed_to_new: bool,
    /// Prompts above so many tokens are refused.
    pub input_limit: u64,
    /// Answers are no longer.
    pub output_limit: u64,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            name: String::new(),
            methods: strings(CHAT),
            quota_name: None,
            alias_of: None,
            free: FLASH_FREE,
            paid: PAID,
            closed_to_new: false,
            input_limit: 1_048_576,
            output_limit: 65_536,
        }
    }
}

impl Model {
    /// The name that its quotas are counted under.
    #[must_use]
    pub fn counted_as(&self) -> &str {
        self.quota_name.as_deref().or(self.alias_of.as_deref()).unwrap_or(&self.name)
    }

    /// The limits of a project of that tier.
    #[must_use]
    pub fn limits(&self, tier: Tier) -> Limits {
        match tier {
            Tier::Free => self.free,
            Tier::Paid => self.paid,
            Tier::Unmetered => Limits::NONE,
        }
    }

    /// True when the model answers that method.
    #[must_use]
    pub fn can(&self, method: &str) -> bool {
        let method = if method == "streamGenerateContent" { "generateContent" } else { method };
        self.methods.iter().any(|known| known == method)
    }
}

const CHAT: &[&str] =
    &["generateContent", "countTokens", "createCachedContent", "batchGenerateContent"];
const IMAGE: &[&str] = &["generateContent", "countTokens", "batchGenerateContent"];
const EMBED: &[&str] = &["embedContent", "batchEmbedContents", "countTokens", "countTextTokens"];
const LIVE: &[&str] = &["bidiGenerateContent", "countTokens"];

// Observed figures of the free tier and of the first billed one.
const FLASH_FREE: Limits = Limits::new(5, 250_000, 20);
const LITE_FREE: Limits = Limits::new(15, 250_000, 500);
const EMBED_FREE: Limits = Limits::new(100, 30_000, 1_000);
const LIVE_FREE: Limits = Limits { rpm: Some(30), tpm: Some(1_000_000), rpd: None, tpd: None };
const PAID: Limits = Limits::new(1_000, 1_000_000, 10_000);

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

fn model(name: &str, methods: &[&str], free: Limits) -> Model {
    Model { name: name.to_owned(), methods: strings(methods), free, ..Model::default() }
}

/// The models that a simulator offers unless told otherwise.
#[must_use]
pub fn standard() -> Vec<Model> {
    let mut list = Vec::new();
    for name in ["gemini-2.5-flash", "gemini-3-flash-preview"] {
        list.push(model(name, CHAT, FLASH_FREE));
    }
    for name in ["gemini-3.5-flash", "gemini-3.6-flash", "gemini-3.8-flash"] {
        list.push(model(name, CHAT, FLASH_FREE));
    }
    for name in ["gemini-2.5-flash-lite", "gemini-3.1-flash-lite", "gemini-3.5-flash-lite"] {
        list.push(model(name, CHAT, LITE_FREE));
    }
    for name in ["gemini-2.5-pro", "gemini-3.1-pro-preview", "gemini-4-pro-preview"] {
        list.push(model(name, CHAT, Limits::ZERO));
    }
    list.extend(with_other_names());
    for name in ["gemini-embedding-001", "gemini-embedding-2", "text-embedding-004"] {
        list.push(model(name, EMBED, EMBED_FREE));
    }
    list.push(model("imagen-4.0-generate-001", &["predict"], Limits::ZERO));
    list.push(model("veo-3.1-generate-preview", &["predictLongRunning"], Limits::ZERO));
    list.push(model("aqa", &["generateAnswer"], EMBED_FREE));
    for name in ["gemini-3.1-flash-live-preview", "gemini-2.5-flash-native-audio-preview-12-2025"] {
        list.push(model(name, LIVE, LIVE_FREE));
    }
    list.push(model("gemini-live-2.5-flash-preview", LIVE, LIVE_FREE));
    list.push(model("lyria-realtime-exp", &["bidiGenerateMusic"], LIVE_FREE));
    list
}

/// Models whose quota goes by another name, or that not everybody may use.
fn with_other_names() -> Vec<Model> {
    let named = |name: &str, quota: &str, methods: &[&str]| Model {
        quota_name: Some(quota.to_owned()),
        ..model(name, methods, Limits::ZERO)
    };
    let alias = |name: &str, of: &str, free: Limits| Model {
        alias_of: Some(of.to_owned()),
        ..model(name, CHAT, free)
    };
    let closed = |name: &str| Model { closed_to_new: true, ..model(name, CHAT, LITE_FREE) };
    vec![
        named("gemini-3-pro-preview", "gemini-3-pro", CHAT),
        named("gemini-2.5-flash-image", "gemini-2.5-flash-preview-image", IMAGE),
        named("gemini-2.5-flash-preview-tts", "gemini-2.5-flash-tts", IMAGE),
        alias("gemini-flash-latest", "gemini-3.8-flash", FLASH_FREE),
        alias("gemini-flash-lite-latest", "gemini-3.5-flash-lite", LITE_FREE),
        closed("gemini-2.0-flash"),
        closed("gemini-2.0-flash-lite"),
    ]
}
