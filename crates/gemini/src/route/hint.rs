//! What to tell somebody whose path leads nowhere.
//!
//! Nearly all such paths come from a client pointed at the wrong base URL, or from one that speaks
//! another service's dialect. Google would answer them with a bare 404.

use super::pattern::{Pattern, Tail};

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
const MISTAKES: &[(Pattern, &str)] = &[
    (Pattern::new("v1/messages/{**}"), MESSAGES),
    (Pattern::new("messages/{**}"), MESSAGES),
    (Pattern::new("{v}/responses/{**}"), RESPONSES),
    (Pattern::new("{v}/openai/responses/{**}"), RESPONSES),
    (Pattern::new("responses/{**}"), RESPONSES),
    (Pattern::new("{v}/completions"), COMPLETIONS),
    (Pattern::new("{v}/openai/completions"), COMPLETIONS),
    (Pattern::new("{v}/{v}/{**}"), TWICE),
    (Pattern::new("{v}/openai/{v}/{**}"), TWICE),
    (Pattern::new("{v}/chat/completions"), COMPAT_BASE),
    (Pattern::new("{v}/images/generations"), COMPAT_BASE),
    (Pattern::new("{v}/embeddings"), COMPAT_BASE),
    (Pattern::new("openai/{**}"), COMPAT_BASE),
    (Pattern::new("chat/{**}"), COMPAT_BASE),
    (Pattern::new("embeddings"), COMPAT_BASE),
    (Pattern::new("images/{**}"), COMPAT_BASE),
    (Pattern::new("models"), NO_VERSION),
    (Pattern::new("files/{**}"), NO_VERSION),
    (Pattern::new("cachedContents/{**}"), NO_VERSION),
    (Pattern::new("tunedModels/{**}"), NO_VERSION),
    (Pattern::new("batches/{**}"), NO_VERSION),
    (Pattern::new("interactions/{**}"), NO_VERSION),
    (Pattern::new("{v}/projects/{**}"), VERTEX),
    (Pattern::new("{v}/publishers/{**}"), VERTEX),
    (Pattern::new("v1beta1/{**}"), VERTEX),
];

/// The hint for a known mistake.
pub(super) fn for_mistake(path: &str) -> Option<&'static str> {
    let tail = Tail::new(path.strip_prefix('/').unwrap_or(path));
    MISTAKES.iter().find(|(pattern, _)| pattern.fits(&tail).is_some()).map(|(_, hint)| *hint)
}

/// The hint for any path that is none of ours.
pub(super) fn for_unknown(path: &str) -> &'static str {
    for_mistake(path).unwrap_or(ELSEWHERE)
}
