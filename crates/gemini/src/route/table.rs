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

use super::mount::{BETAS, DISCOVERY, DOWNLOAD, OPENAI, STRAY, UPLOAD, VERSIONS, WS};
use Class::{Download, Listing, Live, LiveConstrained, LiveMusic, Own, Pooled};
use Class::{UploadPart, UploadStart};
use Dialect::{Compat, Interactions, Native};
use Family::{Answer, CountTokens, Embed, Generate, Models, Other, Predict};
use On::{Any, Get, Post};

// A table reads in columns.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    // Stateless: served by the pool if the body is plain.
    row(Post, VERSIONS,  "models/{model}:generateContent",        Pooled,  Native, Generate).proof(),
    row(Post, VERSIONS,  "models/{model}:streamGenerateContent",  Pooled,  Native, Generate).proof().stream(),
    row(Post, VERSIONS,  "models/{model}:countTokens",            Pooled,  Native, CountTokens).proof(),
    row(Post, VERSIONS,  "models/{model}:embedContent",           Pooled,  Native, Embed).proof(),
    row(Post, VERSIONS,  "models/{model}:batchEmbedContents",     Pooled,  Native, Embed).proof(),
    row(Post, BETAS,     "models/{model}:generateAnswer",         Pooled,  Native, Answer),
    row(Post, BETAS,     "models/{model}:predict",                Pooled,  Native, Predict),
    row(Get,  VERSIONS,  "models",                                Listing, Native, Models).proof(),
    row(Get,  VERSIONS,  "models/{model}",                        Listing, Native, Models).proof(),

    // The same for OpenAI's clients.
    row(Post, OPENAI,    "chat/completions",                      Pooled,  Compat, Generate).proof(),
    row(Post, OPENAI,    "embeddings",                            Pooled,  Compat, Embed).proof(),
    row(Post, OPENAI,    "images/generations",                    Pooled,  Compat, Predict),
    row(Get,  OPENAI,    "models",                                Listing, Compat, Models).proof(),
    row(Get,  OPENAI,    "models/{model}",                        Listing, Compat, Models).proof(),
    row(Get,  OPENAI,    "models/models/{model}",                 Listing, Compat, Models).proof(),
    row(Any,  OPENAI,    "{**}",                                  Own,     Compat, Other),

    // Sockets; the model stands in the first frame.
    row(Get,  WS,        "GenerativeService.BidiGenerateContent",            Live,            Native, Family::Live),
    row(Get,  WS,        "GenerativeService.BidiGenerateContentConstrained", LiveConstrained, Native, Family::Live),
    row(Get,  WS,        "GenerativeService.BidiGenerateMusic",              LiveMusic,       Native, Family::Live),
    row(Any,  WS,        "{**}",                                             Own,             Native, Other),

    // Own, but the model is worth knowing.
    row(Post, VERSIONS,  "models/{model}:batchGenerateContent",   Own, Native, Other),
    row(Post, VERSIONS,  "models/{model}:asyncBatchEmbedContent", Own, Native, Other),
    row(Post, VERSIONS,  "models/{model}:predictLongRunning",     Own, Native, Other),

    // Uploads.
    row(Any,  UPLOAD,    "environments/{id}/files/{**}",          UploadPart,  Interactions, Other).given(Given::UploadId),
    row(Any,  UPLOAD,    "{**}",                                  UploadPart,  Native,       Other).given(Given::UploadId),
    row(Post, UPLOAD,    "files",                                 UploadStart, Native,       Other),
    row(Post, UPLOAD,    "fileSearchStores/{id}:uploadToFileSearchStore", UploadStart, Native, Other),
    row(Post, UPLOAD,    "environments/{id}/files/{**}",          UploadStart, Interactions, Other),
    row(Any,  UPLOAD,    "{**}",                                  Own,         Native,       Other),

    // Downloads, which Google may answer with a redirect.
    row(Get,  VERSIONS,  "files/{id}:download",                   Download, Native,       Other),
    row(Get,  VERSIONS,  "files/{id}",                            Download, Native,       Other).given(Given::Media),
    row(Get,  VERSIONS,  "fileSearchStores/{id}/media/{**}",      Download, Native,       Other),
    row(Get,  VERSIONS,  "environments/{id}/files/{**}",          Download, Interactions, Other).given(Given::Media),
    row(Get,  DOWNLOAD,  "{**}",                                  Download, Native,       Other),
    row(Any,  DOWNLOAD,  "{**}",                                  Own,      Native,       Other),

    // The Interactions API and its siblings, which write their errors in another way.
    row(Any,  VERSIONS,  "interactions/{**}",                     Own, Interactions, Other),
    row(Any,  VERSIONS,  "agents/{**}",                           Own, Interactions, Other),
    row(Any,  VERSIONS,  "credentials/{**}",                      Own, Interactions, Other),
    row(Any,  VERSIONS,  "environments/{**}",                     Own, Interactions, Other),
    row(Any,  VERSIONS,  "triggers/{**}",                         Own, Interactions, Other),
    row(Any,  VERSIONS,  "voices/{**}",                           Own, Interactions, Other),
    row(Any,  VERSIONS,  "webhooks/{**}",                         Own, Interactions, Other),

    row(Get,  DISCOVERY, "rest",                                  Own, Native, Other),
    row(Any,  VERSIONS,  "{**}",                                  Own, Native, Other),
    row(Any,  STRAY,     "{**}",                                  Own, Native, Other),
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

const fn row(
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

impl Row {
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
