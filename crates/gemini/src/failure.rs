//! The facts in an answer that is an error. No judgement: what they say about a key is decided
//! where keys are known.
//!
//! Callers can make Google echo their own words, so a fact is taken only from where Google alone
//! writes: the reason of an `ErrorInfo` in Google's own domain, the ids of a `QuotaFailure`, the
//! delay of a `RetryInfo`. Messages are handed on whole, to be compared whole. Only in an answer
//! that names exceeded quotas is the message read for what its details leave out.

mod quota;
mod time;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use quota::Quota;

/// Error bodies are a few kilobytes; more than this is not Google's and is not read.
pub const BODY_MAX: usize = 64 * 1024;

/// The only domain whose reasons are Google's own.
const DOMAIN: &str = "googleapis.com";

/// What an error answer says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Failure {
    /// The status of the answer; of the error itself where the answer had already begun.
    pub status: u16,
    /// The whole message.
    pub message: String,
    /// `error.status`: `INVALID_ARGUMENT`, `RESOURCE_EXHAUSTED`, …
    pub status_text: Option<String>,
    /// The reason Google gives, when it is Google's.
    pub reason: Option<String>,
    /// The project behind the key, `projects/N`. Never shown to anybody.
    pub consumer: Option<String>,
    /// The quotas that were exceeded.
    pub quotas: Vec<Quota>,
    /// When to come back, as Google sees it.
    pub retry_delay: Option<Duration>,
    /// The code, where it is a word (Interactions).
    pub code: Option<String>,
    /// A web page instead of an answer.
    pub html: bool,
    /// The error has details.
    pub details: bool,
    /// The body holds an error that could be read.
    pub readable: bool,
}

/// Reads an error body: an object, a list of one, or a web page.
pub fn read(status: u16, content_type: Option<&[u8]>, body: &[u8]) -> Failure {
    let mut failure = Failure { status, ..Failure::default() };
    failure.html = is_html(content_type, body);
    if let Some(error) = parse(body) {
        failure.readable = true;
        failure.take(&error);
    }
    failure
}

/// Reads an error that came in the middle of an answer whose head said 200.
pub fn read_late(body: &[u8]) -> Failure {
    let mut failure = read(0, None, body);
    let told = parse(body).and_then(|error| error.get("code")?.as_u64());
    failure.status = told.and_then(|code| u16::try_from(code).ok()).unwrap_or(500);
    failure
}

/// Reads the close frame of a Live socket. Its reason is the message of an error, cut to 123
/// bytes; its code stands for a status.
pub fn read_close(code: u16, reason: &str) -> Failure {
    let status = match code {
        1007 => 400,
        1008 => 403,
        1011 | 1013 if EXHAUSTED.iter().any(|words| reason.starts_with(words)) => 429,
        1012 | 1013 => 503,
        _ => 500,
    };
    Failure {
        status,
        message: reason.to_owned(),
        readable: !reason.is_empty(),
        ..Failure::default()
    }
}

/// How the messages of a 429 begin. Google alone writes the reason of an 1011.
const EXHAUSTED: [&str; 5] = [
    "You exceeded your current quota",
    "Resource has been exhausted",
    "Resource exhausted",
    "Your prepayment credits are depleted",
    "Your project has exceeded its monthly spending cap",
];

fn is_html(content_type: Option<&[u8]>, body: &[u8]) -> bool {
    let said = content_type.is_some_and(|kind| {
        kind.get(..9).is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/html"))
    });
    said || body.trim_ascii_start().starts_with(b"<")
}

/// The `error` of the body.
pub(crate) fn parse(body: &[u8]) -> Option<Value> {
    if body.len() > BODY_MAX {
        return None;
    }
    let mut value: Value = serde_json::from_slice(body).ok()?;
    if let Value::Array(list) = &mut value {
        value = list.first_mut()?.take();
    }
    value.get_mut("error").map(Value::take).filter(Value::is_object)
}

impl Failure {
    fn take(&mut self, error: &Value) {
        self.message = text(error, "message").unwrap_or_default();
        self.status_text = text(error, "status");
        self.code = text(error, "code");
        let details = error.get("details").and_then(Value::as_array);
        self.details = details.is_some_and(|details| !details.is_empty());
        for detail in details.into_iter().flatten() {
            self.take_detail(detail);
        }
        if !self.quotas.is_empty() {
            quota::complete(&mut self.quotas, &self.message);
        }
        if self.retry_delay.is_none() && self.status_text.as_deref() == Some("RESOURCE_EXHAUSTED") {
            self.retry_delay = time::in_message(&self.message);
        }
    }

    fn take_detail(&mut self, detail: &Value) {
        let kind = detail.get("@type").and_then(Value::as_str).unwrap_or_default();
        match kind.rsplit('/').next() {
            Some("google.rpc.ErrorInfo") => self.take_info(detail),
            Some("google.rpc.QuotaFailure") => self.quotas.extend(quota::violations(detail)),
            Some("google.rpc.RetryInfo") => {
                let delay = detail.get("retryDelay").and_then(Value::as_str);
                self.retry_delay = delay.and_then(time::parse).or(self.retry_delay);
            }
            _ => {}
        }
    }

    fn take_info(&mut self, info: &Value) {
        if text(info, "domain").as_deref() != Some(DOMAIN) || self.reason.is_some() {
            return;
        }
        self.reason = text(info, "reason");
        let metadata = info.get("metadata").unwrap_or(&Value::Null);
        self.consumer = text(metadata, "consumer");
        self.quotas.extend(quota::gateway(metadata));
    }
}

fn text(value: &Value, field: &str) -> Option<String> {
    value.get(field)?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests;
