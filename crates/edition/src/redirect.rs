//! Where a download's redirect may lead.
//!
//! Why: Google answers some downloads with a redirect that clients would follow with their key, or
//! not at all (`gemini-api.md` §4). Rule: at most [`MOST`], over https, to Google's hosts.

use http::Uri;
use http::uri::Scheme;

/// Google needs one; three leaves room for a change of storage.
pub const MOST: usize = 3;
/// Where Google keeps what it lets people download.
const GOOGLE: [&str; 3] = [".googleapis.com", ".googleusercontent.com", ".google.com"];

/// Whether a status is one of a redirect.
pub fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Where a redirect from one URL leads, if it may be followed. `upstream` is Google's API.
pub fn next(upstream: &Uri, from: &Uri, location: &str) -> Option<Uri> {
    let mut to: Uri = location.parse().ok()?;
    if to.authority().is_none() {
        let mut parts = from.clone().into_parts();
        parts.path_and_query = to.path_and_query().cloned();
        to = Uri::from_parts(parts).ok()?;
    }
    is_allowed(upstream, &to).then_some(to)
}

fn is_allowed(upstream: &Uri, to: &Uri) -> bool {
    if to.scheme() == upstream.scheme() && to.authority() == upstream.authority() {
        return true;
    }
    let host = to.host().unwrap_or_default().to_ascii_lowercase();
    let default_port = to.port_u16().is_none_or(|port| port == 443);
    to.scheme() == Some(&Scheme::HTTPS)
        && default_port
        && to.authority().is_some_and(|authority| !authority.as_str().contains('@'))
        && GOOGLE.iter().any(|google| host.ends_with(google))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn redirects_lead_to_google_over_https_alone() {
        let upstream: Uri = "https://generativelanguage.googleapis.com".parse().unwrap();
        for (to, allowed) in [
            ("https://generativelanguage.googleapis.com/x", true),
            ("https://storage.googleapis.com/x?sig=1", true),
            ("https://lh3.googleusercontent.com/x", true),
            ("/elsewhere", true),
            ("http://storage.googleapis.com/x", false),
            ("https://storage.googleapis.com:8443/x", false),
            ("https://evilgoogleapis.com/x", false),
            ("https://user@storage.googleapis.com/x", false),
            ("https://storage.googleapis.com.evil.test/x", false),
            ("https://127.0.0.1/x", false),
        ] {
            assert_eq!(next(&upstream, &upstream, to).is_some(), allowed, "{to}");
        }
    }
}
