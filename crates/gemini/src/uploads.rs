//! The URLs of uploads and downloads, on Google's host and on ours.
//!
//! Google answers the start of an upload with a URL on its own host, and clients send the rest of
//! the file there, some of them without any key. We show the same URL on our host, signed, so that
//! such a part is let through because we have seen its upload begin, and for no other reason.
//!
//! Files keep the URIs that Google gave them. Only the `uri` of a generated video is shown on our
//! host, because clients follow it with their key there and nowhere else; bodies that name our host
//! are translated back.
//!
//! Nothing is signed in here: this file says which bytes are to be signed, and where in a URL the
//! signature stands.

mod mapping;

use std::borrow::Cow;

use http::uri::Authority;
use http::{Method, Uri};

use crate::params::params;
use crate::query;
use crate::route::{self, Class, Route};

pub use mapping::{MAPPED_BODY_MAX, body_for_google, operation_for_caller};

/// Headers of Google's that may hold the URL of an upload; the last one is for older clients.
pub const UPLOAD_URL_HEADERS: [&str; 3] =
    ["x-goog-upload-url", "x-goog-upload-control-url", "location"];

/// The length of a signature in bytes.
pub const SIGNATURE_LEN: usize = 32;

/// Our parameters in the URL of an upload.
const EXPIRY: &str = "potluck_exp";
const SIGNATURE: &str = "potluck_sig";

/// One upload, as its URL names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The path on either host.
    pub path: String,
    /// The decoded upload id.
    pub id: String,
    /// What of the query goes to Google, and so is all that is worth showing.
    query: String,
}

impl Upload {
    /// Recognises the URL of an upload on the upstream's host, given as origin
    /// (`https://generativelanguage.googleapis.com`). Any other URL is none of ours to show.
    pub fn from_google(url: &str, upstream: &str) -> Option<Upload> {
        let url: Uri = url.parse().ok()?;
        same_host(&url, &upstream.parse().ok()?).then(|| Upload::new(url.path(), url.query()))?
    }

    fn new(path: &str, query: Option<&str>) -> Option<Upload> {
        let route = route::route(&Method::POST, path, query, false).ok()?;
        if route.class != Class::UploadPart {
            return None;
        }
        let id = only(query, "upload_id")?.into_owned();
        let query = query::query(&route, query).ok()?.text;
        Some(Upload { path: route.path.into_owned(), id, query })
    }

    /// What a signature is made over. The parts cannot run into each other: neither a checked path
    /// nor a number holds a line break, and the id comes last.
    pub fn signed_bytes(&self, expires: u64) -> Vec<u8> {
        format!("{}\n{expires}\n{}", self.path, self.id).into_bytes()
    }

    /// The path and query to show on our host, with the signature in it.
    pub fn signed(&self, expires: u64, signature: &[u8; SIGNATURE_LEN]) -> String {
        let signature = hex::encode(signature);
        format!("{}?{}&{EXPIRY}={expires}&{SIGNATURE}={signature}", self.path, self.query)
    }
}

/// A part of an upload that comes with a signature, which is still to be verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedPart {
    /// The upload that the part belongs to.
    pub upload: Upload,
    /// When the signature ends, as it was signed.
    pub expires: u64,
    /// The signature that is claimed.
    pub signature: [u8; SIGNATURE_LEN],
}

impl SignedPart {
    /// Reads the path and query of a request; `None` if it carries no well-formed signature.
    pub fn parse(path: &str, query: Option<&str>) -> Option<SignedPart> {
        let upload = Upload::new(path, query)?;
        let expires = only(query, EXPIRY)?.parse().ok()?;
        let mut signature = [0; SIGNATURE_LEN];
        hex::decode_to_slice(&*only(query, SIGNATURE)?, &mut signature).ok()?;
        Some(SignedPart { upload, expires, signature })
    }
}

/// Whether the answer to this route is an operation, in which the `uri` of a video may stand.
pub fn is_operation(route: &Route<'_>) -> bool {
    route.class == Class::Own && route.path.split('/').any(|segment| segment == "operations")
}

/// The parameter of that name if it stands there once: of two, Google might heed the other one.
fn only<'q>(query: Option<&'q str>, name: &str) -> Option<Cow<'q, str>> {
    let mut values = params(query).filter(|param| param.name() == name);
    let value = values.next()?.value();
    values.next().is_none().then_some(value)
}

fn same_host(one: &Uri, other: &Uri) -> bool {
    let port = |uri: &Uri| uri.port_u16().or(default_port(uri));
    let host = |uri: &Uri| uri.authority().map(Authority::host).map(str::to_ascii_lowercase);
    let user = |uri: &Uri| uri.authority().is_some_and(|a| a.as_str().contains('@'));
    one.scheme() == other.scheme()
        && host(one).is_some()
        && host(one) == host(other)
        && port(one) == port(other)
        && !user(one)
}

fn default_port(uri: &Uri) -> Option<u16> {
    match uri.scheme_str()? {
        "https" => Some(443),
        "http" => Some(80),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
