//! Error bodies without anybody's key, project or address in them.
//!
//! Another contributor's key may have been used, and Google echoes keys, project numbers and the
//! address it was asked from. Error bodies are therefore rewritten: the shape stays, and so does
//! every detail a client acts on (`QuotaFailure`, `RetryInfo`, `Help`); debug information and
//! consumers go, and what looks like a secret within a text is replaced. What is not an error in
//! JSON is replaced whole. Answers that are no errors are never given to this module.

mod tree;
mod words;

use crate::answer::{Problem, Reason};
use crate::credential::ApiKey;
use crate::failure::BODY_MAX;
use crate::route::Dialect;
use tree::Tree;

/// Metadata of an `ErrorInfo` that names a key or its project.
const NAMED: [&str; 6] =
    ["consumer", "containerInfo", "container_info", "project", "projectNumber", "projectId"];

/// Rewrites an error body. Literal `keys` are removed in whatever form they look like; other keys
/// by their form. The result is JSON, or empty as the body was.
pub fn redact(status: u16, dialect: Dialect, body: &[u8], keys: &[&ApiKey]) -> Vec<u8> {
    if body.trim_ascii().is_empty() {
        return Vec::new();
    }
    let tree = (body.len() <= BODY_MAX).then(|| serde_json::from_slice::<Tree>(body).ok());
    match tree.flatten() {
        Some(tree) if is_error(&tree) => cleaned(tree, keys).to_vec(),
        _ => Problem::new(Reason::Unreadable).with_status(status).body(dialect),
    }
}

/// The message of a close frame, or any other single line, without secrets.
pub fn redact_text(text: &str, keys: &[&ApiKey]) -> String {
    words::clean(text, keys).into_owned()
}

/// Whether a text holds what looks like a key or a token.
pub fn holds_secret(text: &str) -> bool {
    words::hold_secret(text)
}

/// A whole error as one object on one line: `{"error":{…}}`.
pub(crate) fn redact_object(body: &[u8], keys: &[&ApiKey]) -> Option<Vec<u8>> {
    let tree = serde_json::from_slice::<Tree>(body).ok()?;
    let tree = match tree {
        Tree::List(list) => list.into_iter().next()?,
        other => other,
    };
    is_error(&tree).then(|| cleaned(tree, keys).to_vec())
}

fn is_error(tree: &Tree) -> bool {
    let one = match tree {
        Tree::List(list) => list.first(),
        other => Some(other),
    };
    one.and_then(|one| one.field("error")).is_some_and(|error| matches!(error, Tree::Map(_)))
}

fn cleaned(tree: Tree, keys: &[&ApiKey]) -> Tree {
    match tree {
        Tree::Text(text) => Tree::Text(words::clean(&text, keys).into_owned()),
        Tree::List(list) => {
            let kept = list.into_iter().filter(|one| !is_debug(one));
            Tree::List(kept.map(|one| cleaned(one, keys)).collect())
        }
        Tree::Map(map) => {
            let kept = map.into_iter().filter(|(name, _)| !NAMED.contains(&name.as_str()));
            let clean = |(name, one): (String, Tree)| {
                (words::clean(&name, keys).into_owned(), cleaned(one, keys))
            };
            Tree::Map(kept.map(clean).collect())
        }
        other => other,
    }
}

fn is_debug(detail: &Tree) -> bool {
    let kind = detail.field("@type");
    matches!(kind, Some(Tree::Text(kind)) if kind.ends_with("google.rpc.DebugInfo"))
}

#[cfg(test)]
mod tests;
