//! Pages for people, as answers.

use http::header::{
    ACCEPT_LANGUAGE, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, HeaderMap, HeaderValue,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use potluck_pages::language::Language;
use serde_json::Value;

pub use potluck_pages::HTML;
pub use potluck_pages::asset::Asset;
pub use potluck_pages::still::Still;

/// The page at `/` for whoever asks so: `base` is the address that they know us by, `pool` what
/// `/pool` tells.
pub fn table(
    asked: &HeaderMap,
    query: Option<&str>,
    base: &str,
    pool: &Value,
) -> (String, HeaderMap) {
    let language = language(asked, query);
    (potluck_pages::table::html(language, base, pool), spoken(language))
}

/// A page that holds no numbers, for whoever asks so.
pub fn still(page: Still, asked: &HeaderMap, query: Option<&str>) -> (&'static str, HeaderMap) {
    let language = language(asked, query);
    (page.html(language), spoken(language))
}

fn language(asked: &HeaderMap, query: Option<&str>) -> Language {
    let accepted = asked.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    Language::of(query, accepted)
}

/// What a browser is told of a page in that language.
fn spoken(language: Language) -> HeaderMap {
    let mut headers = headers();
    let spoken = match language {
        Language::English => "en",
        Language::Chinese => "zh-CN",
    };
    headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(spoken));
    headers.insert(VARY, HeaderValue::from_static("accept-language"));
    headers
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

#[cfg(test)]
mod tests {
    use potluck_core::{Cause, Config, Pool, Reason};
    use serde_json::json;

    use crate::admin::status::Status;
    use crate::alarms::Kind;

    fn words() -> &'static str {
        potluck_pages::asset::find("/pool/assets/words.js").map_or("", |words| words.text)
    }

    #[test]
    fn every_reason_cause_and_alarm_is_said_in_chinese_too() {
        let reasons = Reason::ALL.iter().map(|reason| reason.words());
        let causes = Cause::ALL.iter().map(|cause| cause.words());
        let alarms = Kind::ALL.iter().map(|kind| kind.sentence());
        for sentence in reasons.chain(causes).chain(alarms) {
            assert!(words().contains(&format!("\"{sentence}\":")), "{sentence}");
        }
    }

    #[test]
    fn whatever_is_counted_has_a_name_in_chinese_too() {
        let status = json!(Status::of(&Pool::<u32>::new(Config::default(), 1).metrics()));
        for part in ["attempts", "refusals", "cooldowns"] {
            let counts = status[part].as_object().cloned().unwrap_or_default();
            assert!(!counts.is_empty(), "{part}");
            for name in counts.keys() {
                let named = [format!(" {name}: \""), format!("\"{name}\": \"")];
                assert!(named.iter().any(|named| words().contains(named)), "{part}: {name}");
            }
        }
    }
}
