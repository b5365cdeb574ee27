//! Which requests a page of another site has sent, in an operator's name.

/// Whether a browser says that a page of another site sends this. `public`: the origin under which callers
/// reach us, where that was set; a proxy in front of us may name us otherwise.
pub fn is_cross_site(headers: &http::HeaderMap, public: Option<&str>) -> bool {
    let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
    let ours = |site: &[u8]| matches!(site, b"same-origin" | b"none");
    let origin = headers.get(http::header::ORIGIN).map(|origin| origin.as_bytes());
    let host = headers.get(http::header::HOST).map(|host| host.as_bytes());
    let names_host = |origin: &[u8]| {
        let after = [&b"https://"[..], b"http://"].into_iter().find_map(|s| origin.strip_prefix(s));
        after.is_some() && after == host
    };
    let names_us = |origin: &[u8]| {
        names_host(origin)
            || public.is_some_and(|ours| origin.eq_ignore_ascii_case(ours.as_bytes()))
    };
    site.is_some_and(|site| !ours(site)) || origin.is_some_and(|origin| !names_us(origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_sites_are_told_apart() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| {
                (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
            });
            pairs.collect::<http::HeaderMap>()
        };
        let host = ("host", "pool.example:8080");
        for (pairs, expected) in [
            (vec![host], false),
            (vec![host, ("sec-fetch-site", "same-origin")], false),
            (vec![host, ("sec-fetch-site", "cross-site")], true),
            (vec![host, ("sec-fetch-site", "same-site")], true),
            (vec![host, ("origin", "http://pool.example:8080")], false),
            (vec![host, ("origin", "https://evil.example")], true),
            (vec![host, ("origin", "null")], true),
            (vec![("origin", "https://pool.example:8080")], true),
        ] {
            assert_eq!(is_cross_site(&headers(&pairs), None), expected, "{pairs:?}");
        }
        let named = headers(&[("host", "127.0.0.1:8080"), ("origin", "https://pool.example")]);
        assert!(is_cross_site(&named, None));
        assert!(!is_cross_site(&named, Some("https://pool.example")));
        assert!(is_cross_site(&named, Some("http://pool.example")));
    }
}
