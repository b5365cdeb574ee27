//! Which method a request means.

use std::borrow::Cow;

/// Which method a request means, and what may be done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route<'p> {
    /// How the request is handled.
    pub class: Class,
    /// The dialect that the request and its errors speak.
    pub dialect: Dialect,
    /// Which quota of Google's the call counts against.
    pub family: Family,
    /// The model that the path names, without `models/`.
    pub model: Option<Cow<'p, str>>,
    /// The path to ask Google for: aliases resolved, rebuilt from checked segments.
    pub path: Cow<'p, str>,
    /// The answer comes as a stream.
    pub stream: bool,
    /// A 2xx answer proves that the key works.
    pub proof: bool,
}

/// How a request is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// A stateless method: the body decides whether the pool serves it.
    Pooled,
    /// A list of models, or one of them: asked with the caller's own key.
    Listing,
    /// Bound to the project of a key, or unknown: only the caller's own key will do.
    Own,
    /// The start of a resumable upload: own, and the answer holds URLs to be rewritten.
    UploadStart,
    /// A part of an upload that has begun: may come without a key, under our signature.
    UploadPart,
    /// Bytes of a file: own, and redirects are followed here.
    Download,
    /// A Live socket; its first frame decides whether the pool serves it.
    Live,
    /// A Live socket for ephemeral tokens.
    LiveConstrained,
    /// A music socket: only the caller's own key will do.
    LiveMusic,
}

/// The dialect that a request and its errors speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Google's own Gemini API.
    Native,
    /// The OpenAI-compatible routes.
    Compat,
    /// The Interactions API of 2026 and its siblings.
    Interactions,
}

/// Which quota of Google's a call counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Text and multimodal generation.
    Generate,
    /// Token counting, which has a quota of its own.
    CountTokens,
    /// Embeddings.
    Embed,
    /// Attributed question answering.
    Answer,
    /// Images by `:predict`; always billed.
    Predict,
    /// Lists of models.
    Models,
    /// Live sockets.
    Live,
    /// Everything else.
    Other,
}
