//! Errors of our own, in Google's shape, so that every client parses and heeds them.
//!
//! All of them stand in one table. A message says what happened, why, and what to do next. The
//! details carry the same for machines: an `ErrorInfo` with our reason in our domain, a `RetryInfo`
//! when waiting helps, and a `QuotaFailure` by the day when only the next day helps (clients that
//! retry by themselves stop at that). Compatible routes get Google's list of one; Interactions get
//! a word for a code.

mod reasons;

use std::time::Duration;

use serde_json::{Map, Value, json};

pub use reasons::Reason;

use crate::route::Dialect;

/// The domain of our reasons.
pub const DOMAIN: &str = "potluck";

/// The longest wait that is told: more is a day that has to pass, and clients keep it as a number
/// of seconds.
const WAIT_MAX: Duration = Duration::from_secs(31 * 24 * 3600);

/// Clients that retry by themselves look for `PerDay` in the id of a quota.
const DAY_QUOTA: &str = "PotluckRequestsPerDayPerModel";

/// An error of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status, and `error.code`.
    pub code: u16,
    /// `error.status`.
    pub status: &'static str,
    /// What happened, why, and what to do next.
    pub message: String,
    /// Which line of the table it is; its name is `POOL_…`.
    pub reason: Reason,
    /// More for machines.
    pub metadata: Vec<(&'static str, String)>,
    /// When to come back.
    pub retry_after: Option<Duration>,
    /// Only another day helps.
    pub quota_per_day: bool,
    /// False where a retry is useless: to be said in `x-should-retry`.
    pub should_retry: bool,
}

impl Problem {
    /// The error as the table has it.
    pub fn new(reason: Reason) -> Self {
        let row = reason.row();
        Problem {
            code: row.code,
            status: row.status,
            message: row.message.to_owned(),
            reason,
            metadata: Vec::new(),
            retry_after: None,
            quota_per_day: false,
            should_retry: row.should_retry,
        }
    }

    /// Adds a word for machines.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.metadata.push((name, value.into()));
        self
    }

    /// Adds a sentence to the message.
    pub fn saying(mut self, sentence: &str) -> Self {
        self.message.push(' ');
        self.message.push_str(sentence);
        self
    }

    /// Says when to come back; in the message too, where clients look for it.
    pub fn after(mut self, wait: Duration) -> Self {
        let wait = wait.min(WAIT_MAX);
        self.retry_after = Some(wait);
        self.message.push_str(&format!(" Please retry in {}s.", whole_seconds(wait)));
        self
    }

    /// Says that the wait ends with the day.
    pub fn for_the_day(mut self) -> Self {
        self.quota_per_day = true;
        self.should_retry = false;
        self
    }

    /// Takes the status of an upstream answer that this error stands for.
    pub fn with_status(mut self, code: u16) -> Self {
        if (400..600).contains(&code) {
            self.code = code;
            self.status = status_name(code);
            self.should_retry = matches!(code, 408 | 429 | 500..);
        }
        self
    }

    /// `Retry-After` in seconds, rounded up.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after.map(whole_seconds)
    }

    /// The body, always `application/json; charset=UTF-8`.
    pub fn body(&self, dialect: Dialect) -> Vec<u8> {
        let value = match dialect {
            Dialect::Native => self.native(),
            Dialect::Compat => Value::Array(vec![self.native()]),
            Dialect::Interactions => json!({"error": {
                "code": self.reason.row().word,
                "message": self.message,
            }}),
        };
        value.to_string().into_bytes()
    }

    fn native(&self) -> Value {
        json!({"error": {
            "code": self.code,
            "message": self.message,
            "status": self.status,
            "details": self.details(),
        }})
    }

    fn details(&self) -> Vec<Value> {
        let metadata: Map<String, Value> = self
            .metadata
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Value::String(value.clone())))
            .collect();
        let info = json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": self.reason.name(),
            "domain": DOMAIN,
            "metadata": metadata,
        });
        let help = self.reason.row().help.map(help);
        let quota = self.quota_per_day.then(|| self.quota());
        let retry = self.retry_after.map(|wait| {
            json!({
                "@type": "type.googleapis.com/google.rpc.RetryInfo",
                "retryDelay": format!("{}s", whole_seconds(wait)),
            })
        });
        [Some(info), help, quota, retry].into_iter().flatten().collect()
    }

    fn quota(&self) -> Value {
        let model = self.metadata.iter().find(|(name, _)| *name == "model");
        let mut violation = json!({ "quotaMetric": "potluck/requests", "quotaId": DAY_QUOTA });
        if let Some((_, model)) = model {
            violation["quotaDimensions"] = json!({ "model": model });
        }
        json!({
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [violation],
        })
    }
}

fn help((description, url): (&str, &str)) -> Value {
    json!({
        "@type": "type.googleapis.com/google.rpc.Help",
        "links": [{ "description": description, "url": url }],
    })
}

/// A wait is over when its last second is.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// Google's word for an HTTP status.
fn status_name(code: u16) -> &'static str {
    match code {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        416 => "OUT_OF_RANGE",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        402..=499 => "FAILED_PRECONDITION",
        _ => "INTERNAL",
    }
}

#[cfg(test)]
mod tests;
