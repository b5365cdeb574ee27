//! What a path asks for.

use percent_encoding::percent_decode_str;

use crate::{problem::Shape, shelf::Page};

/// The tree that a path belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tree {
    /// `/v1beta/…`
    Native,
    /// `/v1beta/openai/…`
    Compat,
    /// `/upload/v1beta/…`
    Upload,
    /// `/download/v1beta/…`
    Download,
    /// `/ws/…`
    Socket,
    /// Nothing of the API.
    Elsewhere,
}

/// A path, taken apart.
#[derive(Clone, Debug)]
pub struct Path {
    /// The tree.
    pub tree: Tree,
    /// `v1`, `v1beta` or `v1alpha`.
    pub version: String,
    /// The segments below the version, without the verb.
    pub segments: Vec<String>,
    /// What follows the last colon.
    pub verb: Option<String>,
    query: Vec<(String, String)>,
}

impl Path {
    /// Takes a path and its query apart.
    #[must_use]
    pub fn parse(path: &str, query: Option<&str>) -> Self {
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        // The JavaScript SDK opens sockets at `//ws/…`, and Google lets it.
        let mut parts: Vec<String> = path.trim_start_matches('/').split('/').map(decode).collect();
        let mut tree = match parts.first().map(String::as_str) {
            Some("upload") => Tree::Upload,
            Some("download") => Tree::Download,
            Some("ws") => Tree::Socket,
            _ => Tree::Native,
        };
        if tree != Tree::Native {
            parts.remove(0);
        }
        let version = if parts.is_empty() { String::new() } else { parts.remove(0) };
        let known = matches!(version.as_str(), "v1" | "v1beta" | "v1alpha");
        if !known && tree != Tree::Socket {
            tree = Tree::Elsewhere;
        }
        if tree == Tree::Native && parts.first().is_some_and(|first| first == "openai") {
            tree = Tree::Compat;
            parts.remove(0);
        }
        let mut verb = None;
        if let (true, Some(last)) = (tree != Tree::Compat, parts.last_mut())
            && let Some(at) = last.rfind(':')
        {
            verb = Some(last[at + 1..].to_owned());
            last.truncate(at);
        }
        let query = query.map(pairs).unwrap_or_default();
        Self { tree, version, segments: parts, verb, query }
    }

    /// A parameter of the query.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The segments, to match on.
    #[must_use]
    pub fn slices(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// The model named in the path.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        match (self.segments.first()?.as_str(), self.segments.get(1)) {
            ("models", Some(model)) => Some(model),
            _ => None,
        }
    }

    /// The RPC's name, as key restrictions and error bodies name it.
    #[must_use]
    pub fn method(&self) -> &str {
        match (&self.verb, self.model(), self.segments.first().map(String::as_str)) {
            (Some(verb), _, _) => verb,
            (None, Some(_), _) => "GetModel",
            (None, None, Some("models")) => "ListModels",
            (None, None, Some("chat")) => "ChatCompletions",
            (None, None, Some("embeddings")) => "Embeddings",
            (None, None, Some(other)) => other,
            (None, None, None) => "",
        }
    }

    /// The RPC's full name.
    #[must_use]
    pub fn full_method(&self) -> String {
        let method = self.method();
        let mut chars = method.chars();
        let first = chars.next().map(|first| first.to_ascii_uppercase());
        let method: String = first.into_iter().chain(chars).collect();
        let version = if self.version.is_empty() { "v1beta" } else { &self.version };
        format!("google.ai.generativelanguage.{version}.GenerativeService.{method}")
    }

    /// True when a stream of events is asked for.
    #[must_use]
    pub fn sse(&self) -> bool {
        self.param("alt") == Some("sse") || self.param("$alt") == Some("sse")
    }

    /// How errors are put here.
    #[must_use]
    pub fn shape(&self) -> Shape {
        let first = self.segments.first().map(String::as_str);
        match self.tree {
            Tree::Compat => Shape::Array,
            Tree::Native if first == Some("interactions") => Shape::Interactions,
            Tree::Native if self.verb.as_deref() == Some("streamGenerateContent") => {
                if self.sse() {
                    Shape::Native
                } else {
                    Shape::Array
                }
            }
            _ => Shape::Native,
        }
    }

    /// The page asked for.
    #[must_use]
    pub fn page(&self, default: usize) -> Page {
        let number = |name| self.param(name).and_then(|text| text.parse().ok());
        let size = number("pageSize").filter(|size| *size > 0).unwrap_or(default).min(1_000);
        let token = self.param("pageToken").and_then(|token| token.strip_prefix("page-"));
        Page { size, from: token.and_then(|from| from.parse().ok()).unwrap_or(0) }
    }
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let decode =
        |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn paths_come_apart() {
        let path = Path::parse("/v1beta/models/gemini-x:streamGenerateContent", Some("alt=sse"));
        assert_eq!((path.tree, path.model()), (Tree::Native, Some("gemini-x")));
        assert_eq!((path.method(), path.sse()), ("streamGenerateContent", true));
        let compat = Path::parse("/v1beta/openai/chat/completions", None);
        assert_eq!((compat.tree, compat.slices()), (Tree::Compat, vec!["chat", "completions"]));
        let encoded = Path::parse("/v1beta/models/gemini-x%3AcountTokens", Some("%24alt=sse"));
        assert_eq!((encoded.method(), encoded.sse()), ("countTokens", true));
        assert_eq!(Path::parse("//ws/google.x", None).tree, Tree::Socket);
        assert_eq!(Path::parse("/robots.txt", None).tree, Tree::Elsewhere);
    }
}
