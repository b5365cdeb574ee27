//! Where the methods hang: the prefixes that Google's API has, and the aliases that we add.

use std::borrow::Cow;

use super::path;
use super::pattern::is_model_name;

/// One prefix of the API, or a set of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mount(u16);

const V1: Mount = Mount(1);
const V1BETA: Mount = Mount(1 << 1);
const V1ALPHA: Mount = Mount(1 << 2);
/// `/v1beta/openai/…`, and its aliases.
pub(super) const OPENAI: Mount = Mount(1 << 3);
/// `/upload/{version}/…`
pub(super) const UPLOAD: Mount = Mount(1 << 4);
/// `/download/{version}/…`
pub(super) const DOWNLOAD: Mount = Mount(1 << 5);
/// `/ws/google.ai.generativelanguage.{version}.GenerativeService.…`
pub(super) const WS: Mount = Mount(1 << 6);
/// `/$discovery/…`
pub(super) const DISCOVERY: Mount = Mount(1 << 7);
/// Below a known prefix, but without the version that belongs there.
pub(super) const STRAY: Mount = Mount(1 << 8);

/// The versions that have the preview methods.
pub(super) const BETA: Mount = V1BETA.or(V1ALPHA);
/// All versions of the native API.
pub(super) const API: Mount = V1.or(BETA);

impl Mount {
    const fn or(self, other: Mount) -> Mount {
        Mount(self.0 | other.0)
    }

    /// Whether `one` is among these.
    pub(super) const fn holds(self, one: Mount) -> bool {
        self.0 & one.0 != 0
    }

    fn version(segment: &str) -> Option<Mount> {
        match segment {
            "v1beta" => Some(V1BETA),
            "v1" => Some(V1),
            "v1alpha" => Some(V1ALPHA),
            _ => None,
        }
    }
}

/// Whether a segment names a version of the API.
pub(super) fn is_version(segment: &str) -> bool {
    Mount::version(segment).is_some()
}

/// A path on its mount.
pub(super) struct Target<'p> {
    pub(super) mount: Mount,
    /// What follows the mount, without a leading slash.
    pub(super) tail: &'p str,
    /// The whole path as Google knows it.
    pub(super) path: Cow<'p, str>,
}

impl<'p> Target<'p> {
    /// Finds the mount of a checked path, or `None` for a path that is none of Google's.
    pub(super) fn of(path: &'p str, bearer: bool) -> Option<Target<'p>> {
        let (first, rest) = path::split_first(path);
        let at = |mount, tail| Some(Target { mount, tail, path: Cow::Borrowed(path) });
        match first {
            "v1" if is_compat_alias(rest, bearer) => {
                let path = format!("/v1beta/openai/{rest}").into();
                Some(Target { mount: OPENAI, tail: rest, path })
            }
            "models" if !rest.is_empty() => {
                let tail = &path[1..];
                Some(Target { mount: V1BETA, tail, path: format!("/v1beta/{tail}").into() })
            }
            "upload" => after_version(rest).map_or(at(STRAY, rest), |tail| at(UPLOAD, tail)),
            "download" => after_version(rest).map_or(at(STRAY, rest), |tail| at(DOWNLOAD, tail)),
            "ws" => socket(rest).map_or(at(STRAY, rest), |tail| at(WS, tail)),
            "$discovery" => at(DISCOVERY, rest),
            _ => {
                let version = Mount::version(first)?;
                match rest.strip_prefix("openai/") {
                    Some(tail) if version != V1ALPHA => at(OPENAI, tail),
                    _ => at(version, rest),
                }
            }
        }
    }
}

fn after_version(rest: &str) -> Option<&str> {
    let (version, tail) = path::split_first(rest);
    is_version(version).then_some(tail)
}

/// The gRPC-like method in a socket's path. Google's SDKs of 2026 (3.x) open sockets at `v1`, older
/// ones at `v1beta`.
fn socket(rest: &str) -> Option<&str> {
    let name = rest.strip_prefix("google.ai.generativelanguage.")?;
    let (version, name) = name.split_once('.')?;
    let method = name.strip_prefix("GenerativeService.")?;
    API.holds(Mount::version(version)?).then_some(method)
}

/// Whether `/v1/{rest}` is what a client of OpenAI's asks.
///
/// Lists of models look alike in both dialects; only the place of the key tells them apart.
fn is_compat_alias(rest: &str, bearer: bool) -> bool {
    match rest {
        "chat/completions" | "embeddings" | "images/generations" => true,
        "models" => bearer,
        _ => bearer && rest.strip_prefix("models/").is_some_and(is_model_id),
    }
}

fn is_model_id(id: &str) -> bool {
    is_model_name(id.strip_prefix("models/").unwrap_or(id))
}

/// Writes the slash in an id as it is meant, on the routes of OpenAI's clients: they escape it, and
/// Google's ids there look like `models/gemini-pro`.
///
/// This happens before the path is checked, so an escaped slash can hide nothing.
pub(super) fn with_plain_slashes(path: &str, bearer: bool) -> Option<String> {
    let compat = path.starts_with("/v1beta/openai/")
        || path.starts_with("/v1/openai/")
        || (bearer && path.starts_with("/v1/models/"));
    let escaped = compat && (path.contains("%2F") || path.contains("%2f"));
    escaped.then(|| path.replace("%2F", "/").replace("%2f", "/"))
}
