//! Which method a request means.
//!
//! The answer comes from one table (`route/table.rs`); this file leads a path to it: check it,
//! find its mount, ask the table, rebuild the path for Google. One rule stands behind every row:
//! what is stateless and plain may be pooled, and what is unknown is own.

mod hint;
mod mount;
mod path;
mod pattern;
mod table;

use std::borrow::Cow;

use http::Method;
use serde::{Deserialize, Serialize};

pub use path::Unsafe;

use mount::Target;
use pattern::Tail;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

/// Why a request has no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoute {
    /// The path is none of Google's: a 404.
    Unknown {
        /// What the caller may have meant.
        hint: &'static str,
    },
    /// The path could mean different things to different readers: a 400.
    Refused(Unsafe),
}

impl Route<'_> {
    /// The same route, free of the request's path.
    pub fn into_owned(self) -> Route<'static> {
        let model = self.model.map(|model| Cow::Owned(model.into_owned()));
        Route { model, path: Cow::Owned(self.path.into_owned()), ..self }
    }
}

/// Finds the route of a request. `bearer` tells whether its key came as Bearer (see
/// [`bears`](crate::credential::bears)), which is how clients of OpenAI's are told apart.
pub fn route<'p>(
    method: &Method,
    path: &'p str,
    query: Option<&str>,
    bearer: bool,
) -> Result<Route<'p>, NoRoute> {
    if let Some(plain) = mount::with_plain_slashes(path, bearer) {
        return route(method, &plain, query, bearer).map(Route::into_owned);
    }
    path::check(path).map_err(NoRoute::Refused)?;
    let unknown = || NoRoute::Unknown { hint: hint::for_unknown(path) };
    let target = Target::of(path, bearer).ok_or_else(unknown)?;
    let tail = Tail::new(target.tail);
    let (row, found) = table::find(method, target.mount, &tail, query).ok_or_else(unknown)?;
    if row.is_last_resort()
        && let Some(hint) = hint::for_mistake(&target.path)
    {
        return Err(NoRoute::Unknown { hint });
    }
    Ok(Route {
        class: row.class,
        dialect: row.dialect,
        family: row.family,
        model: found.model.map(Cow::Borrowed),
        path: with_plain_colon(target.path, found.verb),
        stream: row.stream,
        proof: row.proof,
    })
}

/// Writes the colon before a known verb as it is meant, should it have come escaped.
fn with_plain_colon<'p>(path: Cow<'p, str>, verb: Option<&str>) -> Cow<'p, str> {
    let Some(verb) = verb else { return path };
    match path.strip_suffix(verb) {
        Some(stem) if !stem.ends_with(':') => {
            format!("{}:{verb}", &stem[..stem.len() - "%3A".len()]).into()
        }
        _ => path,
    }
}

#[cfg(test)]
mod tests;
