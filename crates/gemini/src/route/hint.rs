//! What to tell somebody whose path leads nowhere.
//!
//! Nearly all such paths come from a client pointed at the wrong base URL, or from one that speaks
//! another service's dialect. Google would answer them with a bare 404.

use super::pattern::fit;

const ELSEWHERE: &str = "this proxy speaks the Gemini API: native calls begin with /v1beta/, \
    OpenAI-compatible ones with /v1beta/openai/";
const MESSAGES: &str = "Anthropic's Messages API is not served: use \
    /v1beta/openai/chat/completions or /v1beta/models/MODEL:generateContent";
const RESPONSES: &str = "OpenAI's Responses API is not served: use /v1beta/openai/chat/completions";
const COMPLETIONS: &str =
    "OpenAI's legacy completions are not served: use /v1beta/openai/chat/completions";
const COMPAT_BASE: &str = "the base URL of an OpenAI client must end in /v1beta/openai";
const TWICE: &str = "the path names a version twice: leave it out of the client's base URL";
const NO_VERSION: &str = "the path lacks a version: put /v1beta before it";
const VERTEX: &str = "this is a path of Vertex AI: use /v1beta/models/MODEL:generateContent";

/// Paths, without the leading slash, that people are known to ask for.
const MISTAKES: &[(&str, &str)] = &[
    ("v1/messages/{**}", MESSAGES),
    ("messages/{**}", MESSAGES),
    ("{v}/responses/{**}", RESPONSES),
    ("{v}/openai/responses/{**}", RESPONSES),
    ("responses/{**}", RESPONSES),
    ("{v}/completions", COMPLETIONS),
    ("{v}/openai/completions", COMPLETIONS),
    ("{v}/{v}/{**}", TWICE),
    ("{v}/openai/{v}/{**}", TWICE),
    ("{v}/chat/completions", COMPAT_BASE),
    ("{v}/images/generations", COMPAT_BASE),
    ("{v}/embeddings", COMPAT_BASE),
    ("openai/{**}", COMPAT_BASE),
    ("chat/{**}", COMPAT_BASE),
    ("embeddings", COMPAT_BASE),
    ("images/{**}", COMPAT_BASE),
    ("models", NO_VERSION),
    ("files/{**}", NO_VERSION),
    ("cachedContents/{**}", NO_VERSION),
    ("tunedModels/{**}", NO_VERSION),
    ("batches/{**}", NO_VERSION),
    ("interactions/{**}", NO_VERSION),
    ("{v}/projects/{**}", VERTEX),
    ("{v}/publishers/{**}", VERTEX),
    ("v1beta1/{**}", VERTEX),
];

/// The hint for a known mistake.
pub(super) fn for_mistake(path: &str) -> Option<&'static str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    MISTAKES.iter().find(|(pattern, _)| fit(pattern, path).is_some()).map(|(_, hint)| *hint)
}

/// The hint for any path that is none of ours.
pub(super) fn for_unknown(path: &str) -> &'static str {
    for_mistake(path).unwrap_or(ELSEWHERE)
}
