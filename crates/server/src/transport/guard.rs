//! What no request may look like, whatever it asks for.
//!
//! hyper itself refuses, before a request exists: heads above the limits (431), targets above
//! 64 KiB (414), malformed lengths, chunks and names, differing lengths, a last coding other than
//! `chunked` (400). Where both length and coding are given it drops the length, reads by the
//! coding and closes afterwards, so that one request stays one. The rest is refused here. Rule: a
//! refused connection is closed, since nobody knows what its next bytes mean.

use http::header::{CONTENT_LENGTH, HOST, HeaderName, TRANSFER_ENCODING};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, Version};

/// The longest target. Twice what the longest honest one (a page token) takes.
pub const MAX_TARGET: usize = 8 << 10;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GuardRefusal {
    /// `CONNECT`: this is no forward proxy.
    #[error("CONNECT is not served: this is not a forward proxy")]
    Connect,
    /// The target is longer than [`MAX_TARGET`].
    #[error("the request target is longer than {MAX_TARGET} bytes")]
    TargetTooLong,
    /// Neither a path nor this host's absolute form.
    #[error("the request target must be a path")]
    Target,
    /// No Host.
    #[error("a Host header is required")]
    NoHost,
    /// More than one Host.
    #[error("more than one Host header")]
    ManyHosts,
    /// Not a host.
    #[error("the Host header is not a host")]
    BadHost,
    /// A coding other than exactly `chunked`, or two of them, or beside a length.
    #[error("Transfer-Encoding must be exactly \"chunked\", once and without Content-Length")]
    Framing,
    /// A name that some servers read as another (`Content_Length`).
    #[error("a header name with an underscore shadows another header")]
    Shadow,
}

impl GuardRefusal {
    /// The status it is answered with. The answer must say `Connection: close`.
    pub fn status(self) -> StatusCode {
        match self {
            GuardRefusal::Connect => StatusCode::METHOD_NOT_ALLOWED,
            GuardRefusal::TargetTooLong => StatusCode::URI_TOO_LONG,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// Refuses what is dangerous to understand differently from the next server.
pub fn check<B>(request: &Request<B>) -> Result<(), GuardRefusal> {
    if request.method() == Method::CONNECT {
        return Err(GuardRefusal::Connect);
    }
    let host = check_headers(request.headers())?;
    if host.is_none() && request.version() >= Version::HTTP_11 {
        return Err(GuardRefusal::NoHost);
    }
    check_target(request.method(), request.uri(), host)
}

/// One pass over all headers. Gives the Host.
fn check_headers(headers: &HeaderMap) -> Result<Option<&HeaderValue>, GuardRefusal> {
    let (mut host, mut coding, mut length) = (None, None, false);
    for (name, value) in headers {
        if name == HOST {
            if host.replace(value).is_some() {
                return Err(GuardRefusal::ManyHosts);
            }
        } else if name == TRANSFER_ENCODING {
            if coding.replace(value).is_some() {
                return Err(GuardRefusal::Framing);
            }
        } else if name == CONTENT_LENGTH {
            length = true;
        } else if shadows(name) {
            return Err(GuardRefusal::Shadow);
        }
    }
    let exact = coding.is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    if !exact || (coding.is_some() && length) {
        return Err(GuardRefusal::Framing);
    }
    if host.is_some_and(|host| !is_host(host.as_bytes())) {
        return Err(GuardRefusal::BadHost);
    }
    Ok(host)
}

/// Names that differ from one that matters only by `_` for `-`.
fn shadows(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "content_length" | "transfer_encoding" | "x_forwarded_for" | "x_goog_api_key"
    )
}

/// Host and port, and nothing that some server might take for more.
fn is_host(value: &[u8]) -> bool {
    is_usual_host(value) || is_any_host(value)
}

/// A name or an IPv4 address, as nearly everyone writes them: found out without a parser.
fn is_usual_host(value: &[u8]) -> bool {
    let colon = value.iter().position(|byte| *byte == b':');
    let (host, port) = value.split_at(colon.unwrap_or(value.len()));
    let port = port.strip_prefix(b":").unwrap_or(b"1");
    let of_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    !host.is_empty()
        && host.iter().all(of_name)
        && (1..=5).contains(&port.len())
        && port.iter().all(u8::is_ascii_digit)
}

fn is_any_host(value: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:[]%!$&'()*+,;=".contains(byte);
    !value.is_empty()
        && value.iter().all(plain)
        && Authority::try_from(value).is_ok_and(|authority| !authority.host().is_empty())
}

fn check_target(
    method: &Method,
    uri: &Uri,
    host: Option<&HeaderValue>,
) -> Result<(), GuardRefusal> {
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    if path.len() > MAX_TARGET {
        return Err(GuardRefusal::TargetTooLong);
    }
    if let Some(authority) = uri.authority() {
        let http = uri.scheme() == Some(&Scheme::HTTP) || uri.scheme() == Some(&Scheme::HTTPS);
        let own = host.is_some_and(|host| {
            host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes())
        });
        return if http && own { Ok(()) } else { Err(GuardRefusal::Target) };
    }
    let whole_server = path == "*" && method == Method::OPTIONS;
    if path.starts_with('/') || whole_server { Ok(()) } else { Err(GuardRefusal::Target) }
}
