//! Pages for people, as answers.

use http::header::{
    ACCEPT_LANGUAGE, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, HeaderMap, HeaderValue,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use potluck_pages::language::Language;
use serde_json::Value;

pub use potluck_pages::HTML;
pub use potluck_pages::asset::Asset;

/// The page at `/` for whoever asks so: `base` is the address that they know us by, `pool` what
/// `/pool` tells.
pub fn table(
    asked: &HeaderMap,
    query: Option<&str>,
    base: &str,
    pool: &Value,
) -> (String, HeaderMap) {
    let accepted = asked.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let language = Language::of(query, accepted);
    let mut headers = headers();
    let spoken = match language {
        Language::English => "en",
        Language::Chinese => "zh-CN",
    };
    headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(spoken));
    headers.insert(VARY, HeaderValue::from_static("accept-language"));
    (potluck_pages::table::html(language, base, pool), headers)
}

/// What a browser is told of every page, style and script.
pub fn headers() -> HeaderMap {
    let value = HeaderValue::from_static;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_SECURITY_POLICY, value(potluck_pages::CSP));
    headers.insert(X_CONTENT_TYPE_OPTIONS, value("nosniff"));
    headers.insert(REFERRER_POLICY, value("no-referrer"));
    headers
}
