//! The table of routes: every decision that a path alone can make, one row each.
//!
//! Rows are tried from the top, so the busiest stand first and what is unknown falls to the last
//! row of its mount, where it becomes *own*. Files, caches, tuned models, batches, operations and
//! all that is bound to a project need no rows of their own for that.

use http::Method;

use super::mount::Mount;
use super::pattern::{self, Pattern};
use super::{Class, Dialect, Family};
use crate::params;

use super::mount::{API, BETA, DISCOVERY, DOWNLOAD, OPENAI, STRAY, UPLOAD, WS};
use Class::{Download, Listing, Live, LiveConstrained, LiveMusic, Own, Pooled};
use Class::{UploadPart, UploadStart};
use Dialect::{Compat, Interactions, Native};
use Family::{Answer, CountTokens, Embed, Generate, Models, Other, Predict};
use Given::{Media, UploadId};

// A table reads in columns.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    // Stateless: served by the pool if the body is plain.
    post(API,  "models/{model}:generateContent",       Pooled,  Native, Generate).proof(),
    post(API,  "models/{model}:streamGenerateContent", Pooled,  Native, Generate).proof().stream(),
    post(API,  "models/{model}:countTokens",           Pooled,  Native, CountTokens).proof(),
    post(API,  "models/{model}:embedContent",          Pooled,  Native, Embed).proof(),
    post(API,  "models/{model}:batchEmbedContents",    Pooled,  Native, Embed).proof(),
    post(BETA, "models/{model}:generateAnswer",        Pooled,  Native, Answer),
    post(BETA, "models/{model}:predict",               Pooled,  Native, Predict),
    get(API,   "models",                               Listing, Native, Models).proof(),
    get(API,   "models/{model}",                       Listing, Native, Models).proof(),

    // The same for OpenAI's clients.
    post(OPENAI, "chat/completions",      Pooled,  Compat, Generate).proof(),
    post(OPENAI, "embeddings",            Pooled,  Compat, Embed).proof(),
    post(OPENAI, "images/generations",    Pooled,  Compat, Predict),
    get(OPENAI,  "models",                Listing, Compat, Models).proof(),
    get(OPENAI,  "models/{model}",        Listing, Compat, Models).proof(),
    get(OPENAI,  "models/models/{model}", Listing, Compat, Models).proof(),
    any(OPENAI,  "{**}",                  Own,     Compat, Other),

    // Sockets; the model stands in the first frame.
    get(WS, "BidiGenerateContent",            Live,            Native, Family::Live),
    get(WS, "BidiGenerateContentConstrained", LiveConstrained, Native, Family::Live),
    get(WS, "BidiGenerateMusic",              LiveMusic,       Native, Family::Live),
    any(WS, "{**}",                           Own,             Native, Other),

    // Own, but the model is worth knowing.
    post(API, "models/{model}:batchGenerateContent",   Own, Native, Other),
    post(API, "models/{model}:asyncBatchEmbedContent", Own, Native, Other),
    post(API, "models/{model}:predictLongRunning",     Own, Native, Other),

    // Parts of uploads that have begun.
    any(UPLOAD, "environments/{id}/files/{**}", UploadPart, Interactions, Other).given(UploadId),
    any(UPLOAD, "{**}",                         UploadPart, Native,       Other).given(UploadId),

    // Starts of uploads.
    post(UPLOAD, "files",                                         UploadStart, Native,       Other),
    post(UPLOAD, "fileSearchStores/{id}:uploadToFileSearchStore", UploadStart, Native,       Other),
    post(UPLOAD, "environments/{id}/files/{**}",                  UploadStart, Interactions, Other),
    any(UPLOAD,  "{**}",                                          Own,         Native,       Other),

    // Downloads, which Google may answer with a redirect.
    get(API,      "files/{id}:download",              Download, Native,       Other),
    get(API,      "files/{id}",                       Download, Native,       Other).given(Media),
    get(API,      "fileSearchStores/{id}/media/{**}", Download, Native,       Other),
    get(API,      "environments/{id}/files/{**}",     Download, Interactions, Other).given(Media),
    get(DOWNLOAD, "{**}",                             Download, Native,       Other),
    any(DOWNLOAD, "{**}",                             Own,      Native,       Other),

    // The Interactions API and its siblings, which write their errors in another way.
    any(API, "interactions/{**}", Own, Interactions, Other),
    any(API, "agents/{**}",       Own, Interactions, Other),
    any(API, "credentials/{**}",  Own, Interactions, Other),
    any(API, "environments/{**}", Own, Interactions, Other),
    any(API, "triggers/{**}",     Own, Interactions, Other),
    any(API, "voices/{**}",       Own, Interactions, Other),
    any(API, "webhooks/{**}",     Own, Interactions, Other),

    // The rest.
    get(DISCOVERY, "rest", Own, Native, Other),
    any(API,       "{**}", Own, Native, Other),
    any(STRAY,     "{**}", Own, Native, Other),
];

/// One line of the table.
pub(super) struct Row {
    on: On,
    mount: Mount,
    pattern: Pattern,
    given: Given,
    pub(super) class: Class,
    pub(super) dialect: Dialect,
    pub(super) family: Family,
    pub(super) stream: bool,
    pub(super) proof: bool,
}

/// Which method a row is about.
#[derive(Clone, Copy)]
enum On {
    Get,
    Post,
    Any,
}

/// What the query must hold for a row to count.
#[derive(Clone, Copy)]
enum Given {
    Nothing,
    UploadId,
    Media,
}

const fn get(m: Mount, p: &'static str, c: Class, d: Dialect, f: Family) -> Row {
    Row::new(On::Get, m, p, c, d, f)
}

const fn post(m: Mount, p: &'static str, c: Class, d: Dialect, f: Family) -> Row {
    Row::new(On::Post, m, p, c, d, f)
}

const fn any(m: Mount, p: &'static str, c: Class, d: Dialect, f: Family) -> Row {
    Row::new(On::Any, m, p, c, d, f)
}

impl Row {
    const fn new(
        on: On,
        mount: Mount,
        pattern: &'static str,
        class: Class,
        dialect: Dialect,
        family: Family,
    ) -> Row {
        let pattern = Pattern::new(pattern);
        let given = Given::Nothing;
        Row { on, mount, pattern, given, class, dialect, family, stream: false, proof: false }
    }

    const fn proof(mut self) -> Row {
        self.proof = true;
        self
    }

    const fn stream(mut self) -> Row {
        self.stream = true;
        self
    }

    const fn given(mut self, given: Given) -> Row {
        self.given = given;
        self
    }

    /// Whether only the end of the table took this row's request.
    pub(super) fn is_last_resort(&self) -> bool {
        self.class == Class::Own && self.pattern.is_anything()
    }
}

impl On {
    fn is(self, method: &Method) -> bool {
        match self {
            On::Get => method == Method::GET,
            On::Post => method == Method::POST,
            On::Any => true,
        }
    }
}

impl Given {
    fn holds(self, query: Option<&str>) -> bool {
        match self {
            Given::Nothing => true,
            Given::UploadId => params::find(query, "upload_id").is_some(),
            Given::Media => ["alt", "$alt"]
                .iter()
                .any(|name| params::find(query, name).is_some_and(|alt| alt == "media")),
        }
    }
}

/// The first row that takes the request, with what its pattern found.
pub(super) fn find<'t>(
    method: &Method,
    mount: Mount,
    tail: &pattern::Tail<'t>,
    query: Option<&str>,
) -> Option<(&'static Row, pattern::Found<'t>)> {
    ROWS.iter().filter(|row| row.on.is(method) && row.mount.holds(mount)).find_map(|row| {
        let found = row.pattern.fits(tail)?;
        row.given.holds(query).then_some((row, found))
    })
}
