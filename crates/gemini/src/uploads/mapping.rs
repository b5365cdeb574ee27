//! URLs inside of small JSON bodies, moved from one host to the other.
//!
//! The bytes around a URL stay as they are. Only a string that begins with the host is moved, never
//! one that merely mentions it, so that no word of a prompt or an answer changes.

use memchr::memmem;

/// The largest body that is looked into. Operations and requests that name a file are a few
/// kilobytes; what is larger carries media, and passes untouched.
pub const MAPPED_BODY_MAX: usize = 1 << 20;

/// Moves the downloads in an operation's answer to our host. Both hosts are given as origins,
/// without a slash at the end. `None` if nothing had to change.
pub fn operation_for_caller(body: &[u8], upstream: &str, public: &str) -> Option<Vec<u8>> {
    moved(body, upstream, public, |before, rest| {
        is_value_of_uri(before) && memmem::find(path_of(rest), b":download").is_some()
    })
}

/// Moves the files that a request names on our host back to Google's. `None` if nothing had to
/// change.
pub fn body_for_google(body: &[u8], public: &str, upstream: &str) -> Option<Vec<u8>> {
    moved(body, public, upstream, |_, rest| memmem::find(path_of(rest), b"files").is_some())
}

/// Replaces `from` by `to` at the beginning of the strings that `wanted` picks by the bytes before
/// the string and by the rest of it. Slashes may come escaped, as PHP writes them.
fn moved(
    body: &[u8],
    from: &str,
    to: &str,
    wanted: impl Fn(&[u8], &[u8]) -> bool,
) -> Option<Vec<u8>> {
    let plain = replaced(body, from, to, "/", &wanted);
    let body = plain.as_deref().unwrap_or(body);
    let escape = |origin: &str| origin.replace('/', "\\/");
    replaced(body, &escape(from), &escape(to), "\\/", &wanted).or(plain)
}

fn replaced(
    body: &[u8],
    from: &str,
    to: &str,
    slash: &str,
    wanted: &impl Fn(&[u8], &[u8]) -> bool,
) -> Option<Vec<u8>> {
    let needle = format!("\"{from}{slash}");
    let mut out = Vec::new();
    let mut done = 0;
    for at in memmem::find_iter(body, needle.as_bytes()) {
        let (before, rest) = (&body[..at], &body[at + needle.len()..]);
        // An escaped quote opens no string.
        if before.ends_with(b"\\") || !wanted(before, rest) {
            continue;
        }
        out.extend_from_slice(&body[done..=at]);
        out.extend_from_slice(to.as_bytes());
        done = at + 1 + from.len();
    }
    (done > 0).then(|| {
        out.extend_from_slice(&body[done..]);
        out
    })
}

/// Whether what stands before a string makes it the value of `uri`.
fn is_value_of_uri(before: &[u8]) -> bool {
    let Some(name) = before.trim_ascii_end().strip_suffix(b":") else { return false };
    name.trim_ascii_end().ends_with(b"\"uri\"")
}

/// The path of a URL whose host has been read: up to its query, or to the end of the string.
fn path_of(rest: &[u8]) -> &[u8] {
    let end = memchr::memchr3(b'?', b'"', b'#', rest).unwrap_or(rest.len());
    &rest[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOGLE: &str = "https://google.test";
    const OURS: &str = "http://pool.test:8080";

    fn for_caller(body: &str) -> Option<String> {
        let moved = operation_for_caller(body.as_bytes(), GOOGLE, OURS)?;
        String::from_utf8(moved).ok()
    }

    fn for_google(body: &str) -> Option<String> {
        String::from_utf8(body_for_google(body.as_bytes(), OURS, GOOGLE)?).ok()
    }

    #[test]
    fn a_video_is_shown_on_our_host_and_asked_for_on_googles() {
        for (at_google, at_ours) in [
            (
                r#"{"video": {"uri": "https://google.test/v1beta/files/a:download?alt=media"}}"#,
                r#"{"video": {"uri": "http://pool.test:8080/v1beta/files/a:download?alt=media"}}"#,
            ),
            (
                r#"{"a":[{"uri":"https:\/\/google.test\/v1beta\/files\/a:download"}]}"#,
                r#"{"a":[{"uri":"http:\/\/pool.test:8080\/v1beta\/files\/a:download"}]}"#,
            ),
            (
                "[{\"uri\"\n:\t\"https://google.test/v1/files/a:download\"},\
                  {\"uri\":\"https://google.test/v1/files/b:download\"}]",
                "[{\"uri\"\n:\t\"http://pool.test:8080/v1/files/a:download\"},\
                  {\"uri\":\"http://pool.test:8080/v1/files/b:download\"}]",
            ),
        ] {
            assert_eq!(for_caller(at_google).as_deref(), Some(at_ours));
            assert_eq!(for_google(at_ours).as_deref(), Some(at_google));
        }
    }

    #[test]
    fn all_other_words_of_an_operation_stay() {
        for body in [
            r#"{"uri":"https://google.test/v1beta/files/a"}"#,
            r#"{"uri":"https://google.test/v1beta/files/a?x=:download"}"#,
            r#"{"text":"https://google.test/v1beta/files/a:download"}"#,
            r#"{"uri":"https://google.test.evil.test/files/a:download"}"#,
            r#"{"uri":"see https://google.test/v1beta/files/a:download"}"#,
            r#"{"text":"\"uri\":\"https://google.test/files/a:download\""}"#,
            "",
        ] {
            assert_eq!(for_caller(body), None, "{body}");
        }
    }

    #[test]
    fn a_prompt_that_mentions_our_host_stays() {
        for body in [
            r#"{"text":"look at http://pool.test:8080/v1beta/files/a"}"#,
            r#"{"text":"\"http://pool.test:8080/v1beta/files/a\""}"#,
            r#"{"fileUri":"http://pool.test:80801/v1beta/files/a"}"#,
            r#"{"fileUri":"http://pool.test:8080/other"}"#,
        ] {
            assert_eq!(for_google(body), None, "{body}");
        }
    }
}
