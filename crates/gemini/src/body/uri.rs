//! Which files a pooled call may point at: those that anybody's key reads alike.
//!
//! A public page or a video is nobody's; a file on Google's hosts is its uploader's. A host is
//! read so strictly that no other reader can come to another one: no user part, no escapes, no
//! addresses, nothing but letters, digits, dots and hyphens.

/// Longest URI that is looked at; signed storage URLs stay well below. A longer one is own.
pub(super) const URI_MAX: usize = 8 * 1024;

/// The domains whose resources may belong to somebody with a Google account or project.
const GOOGLE: [&str; 12] = [
    "google.com",
    "googleapis.com",
    "googleusercontent.com",
    "googlevideo.com",
    "gstatic.com",
    "google",
    "goog",
    "goo.gl",
    "withgoogle.com",
    "appspot.com",
    "firebasestorage.app",
    "run.app",
];

/// Whether whoever owns the key sees the same there.
pub(super) fn is_public(uri: &[u8]) -> bool {
    let Some(rest) = std::str::from_utf8(uri).ok().and_then(|uri| uri.strip_prefix("https://"))
    else {
        return false;
    };
    if uri.len() > URI_MAX || rest.bytes().any(|byte| byte <= b' ' || byte == b'\\' || byte == 127)
    {
        return false;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = match authority.split_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        Some(_) => return false,
        None => authority,
    };
    is_name(host) && !is_google(host) && !is_file(path)
}

/// A host name of at least two labels that is no address.
fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    host.contains('.')
        && host.split('.').all(label)
        && last.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-')
}

fn is_google(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let under = |domain: &str| {
        host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    GOOGLE.iter().any(|domain| under(domain))
}

/// A path of the Files API on whatever host: one that mirrors it, as we do ourselves.
fn is_file(path: &str) -> bool {
    let mut segments = path.split('/').skip(1);
    let first = segments.next().unwrap_or_default();
    let versioned = matches!(first, "v1" | "v1beta" | "v1alpha" | "download" | "upload");
    versioned && segments.any(|segment| segment == "files")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_public_or_it_is_somebodys() {
        let cases = [
            ("https://www.youtube.com/watch?v=abc", true),
            ("https://youtu.be/abc", true),
            ("https://example.com/a.pdf", true),
            ("https://example.com:8443/a.pdf?x=https://generativelanguage.googleapis.com", true),
            ("https://bucket.s3.amazonaws.com/%E2%82%AC", true),
            ("https://notgoogle.com/x", true),
            ("https://xn--bcher-kva.example/x", true),
            ("http://example.com/a.pdf", false),
            ("files/abc", false),
            ("gs://bucket/x", false),
            ("https://generativelanguage.googleapis.com/v1beta/files/abc", false),
            ("HTTPS://example.com/", false),
            ("https://GenerativeLanguage.GoogleApis.Com/v1beta/files/abc", false),
            ("https://generativelanguage.googleapis.com./v1beta/files/abc", false),
            ("https://storage.googleapis.com/b/o", false),
            ("https://drive.google.com/file/d/x", false),
            ("https://example.com@generativelanguage.googleapis.com/v1beta/files/abc", false),
            ("https://generativelanguage%2Egoogleapis.com/v1beta/files/abc", false),
            ("https://example.com\\@generativelanguage.googleapis.com/", false),
            ("https://generativelanguage.googleapis.com:443/v1beta/files/abc", false),
            ("https://generativelanguage\u{3002}googleapis.com/x", false),
            ("https://example.com:80a/", false),
            ("https://192.0.2.7/x", false),
            ("https://[2001:db8::1]/x", false),
            ("https://localhost/x", false),
            ("https:///x", false),
            ("https://exa mple.com/x", false),
            ("https://proxy.example/v1beta/files/abc", false),
            ("https://proxy.example/download/v1beta/files/abc:download", false),
            ("", false),
        ];
        for (uri, public) in cases {
            assert_eq!(is_public(uri.as_bytes()), public, "{uri}");
        }
    }
}
