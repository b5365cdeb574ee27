//! Every error body known of Google's, by name.
//!
//! The collection is embedded as recorded. Placeholders are filled with the key that was shown
//! and the project it belongs to: Google does echo both, and who tests for leaks needs that.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

/// One recorded error.
#[derive(Clone, Debug, Deserialize)]
pub struct Sample {
    /// What it is asked for by.
    pub name: String,
    /// HTTP status; none for a websocket's close frame.
    pub http_status: Option<u16>,
    /// JSON, or a string for what is not (HTML, a piece of an event stream).
    pub body: Value,
    /// What the error is about, in the collection's words.
    pub scope: String,
}

/// What placeholders are filled with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filling<'a> {
    /// The key shown.
    pub key: &'a str,
    /// The key's project number.
    pub project: u64,
    /// The RPC's full name, where a body names one.
    pub method: Option<&'a str>,
    /// The caller's address, where a body names one.
    pub address: Option<&'a str>,
    /// The file asked for, where a body names one.
    pub file: Option<&'a str>,
}

static SAMPLES: LazyLock<Vec<Sample>> = LazyLock::new(|| {
    let parse = |text| serde_json::from_str::<Vec<Sample>>(text).unwrap_or_default();
    let mut list = parse(include_str!("../data/gemini-errors.json"));
    list.extend(parse(include_str!("../data/more-errors.json")));
    list
});

/// All samples, in the collection's order.
#[must_use]
pub fn all() -> &'static [Sample] {
    &SAMPLES
}

/// The sample of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Sample> {
    SAMPLES.iter().find(|sample| sample.name == name)
}

impl Sample {
    /// The body with its placeholders filled, as JSON.
    #[must_use]
    pub fn filled(&self, filling: &Filling<'_>) -> Value {
        let mut body = self.body.clone();
        fill(&mut body, filling);
        body
    }

    /// The bytes that go over the wire: pretty JSON as Google prints it, or the text itself.
    #[must_use]
    pub fn bytes(&self, filling: &Filling<'_>) -> Vec<u8> {
        match self.filled(filling) {
            Value::String(text) => text.into_bytes(),
            body => pretty(&body),
        }
    }

    /// The content type that goes with the body.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        match &self.body {
            Value::String(text) if text.starts_with("data:") => "text/event-stream",
            Value::String(_) => "text/html; charset=UTF-8",
            _ => "application/json; charset=UTF-8",
        }
    }

    /// Close code and reason, for samples of websockets.
    #[must_use]
    pub fn close(&self) -> Option<(u16, &str)> {
        let code = self.body.get("ws_close_code")?.as_u64()?;
        Some((u16::try_from(code).ok()?, self.body.get("reason")?.as_str()?))
    }
}

/// JSON the way Google's servers print it: two spaces, and a line end at the end.
#[must_use]
pub fn pretty(value: &Value) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

fn fill(value: &mut Value, filling: &Filling<'_>) {
    match value {
        Value::String(text) => *text = filled_text(text, filling),
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, filling)),
        Value::Object(fields) => fields.values_mut().for_each(|field| fill(field, filling)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn filled_text(text: &str, filling: &Filling<'_>) -> String {
    let mut text = replace_run(text, "AIzaSyX", 'X', filling.key);
    if text.ends_with("key1234") {
        text = text.replace("key1234", filling.key);
    }
    if filling.project != 0 {
        let project = filling.project.to_string();
        text = text.replace("123456789012", &project).replace("12345678", &project);
    }
    if let Some(method) = filling.method {
        for recorded in ["StreamGenerateContent", "GenerateContent"] {
            let recorded =
                format!("google.ai.generativelanguage.v1beta.GenerativeService.{recorded}");
            if text.contains(&recorded) {
                text = text.replace(&recorded, method);
                break;
            }
        }
    }
    if let Some(address) = filling.address {
        text = text.replace("203.0.113.7", address);
    }
    match filling.file {
        Some(file) => text.replace("File abc123", &format!("File {file}")),
        None => text,
    }
}

/// Replaces each run that starts with `start` and goes on with `more` by `with`.
fn replace_run(text: &str, start: &str, more: char, with: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(start) {
        out.push_str(&rest[..at]);
        out.push_str(with);
        rest = rest[at + start.len()..].trim_start_matches(more);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_collections_can_be_read() {
        assert!(all().len() > 70);
        assert_eq!(named("high_demand").unwrap().http_status, Some(503));
    }

    #[test]
    fn the_key_shown_stands_where_google_echoes_it() {
        let filling = Filling { key: "AIzaSyCanary", project: 42, ..Filling::default() };
        for name in ["consumer_suspended_2026", "invalid_key_with_debuginfo"] {
            let text = String::from_utf8(named(name).unwrap().bytes(&filling)).unwrap();
            assert!(text.contains("AIzaSyCanary"), "{name}");
            assert!(!text.contains("XXXX") && !text.contains("key1234"), "{name}");
        }
    }

    #[test]
    fn names_are_unique() {
        for sample in all() {
            assert_eq!(all().iter().filter(|other| other.name == sample.name).count(), 1);
        }
    }
}
