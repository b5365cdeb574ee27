//! Refusals in the shapes Google gives them: one for native routes, one for OpenAI-compatible
//! ones, one for interactions.

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    quota::{Kind, Refusal, Span},
    samples::{self, Filling, pretty},
};

/// How errors are put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `{"error":{…}}`.
    Native,
    /// `[{"error":{…}}]`: compatible routes, and native streams that are JSON arrays.
    Array,
    /// `{"error":{"code":"string","message":…}}`.
    Interactions,
}

/// A refusal.
#[derive(Clone, Debug)]
pub struct Problem {
    status: u16,
    body: Value,
    content_type: &'static str,
}

impl Problem {
    /// One in Google's usual form, without details.
    pub fn new(code: u16, message: impl Into<String>) -> Self {
        let error = json!({"code": code, "message": message.into(), "status": status_text(code)});
        Self::json(code, json!({ "error": error }))
    }

    /// One with another status than its code suggests.
    #[must_use]
    pub fn precondition(message: &str) -> Self {
        let error = json!({"code": 400, "message": message, "status": "FAILED_PRECONDITION"});
        Self::json(400, json!({ "error": error }))
    }

    /// Any JSON.
    #[must_use]
    pub fn json(status: u16, body: Value) -> Self {
        Self { status, body, content_type: "application/json; charset=UTF-8" }
    }

    /// A recorded one.
    #[must_use]
    pub fn sample(name: &str, filling: &Filling<'_>) -> Self {
        let Some(sample) = samples::named(name) else {
            return Self::new(500, format!("gemini-sim has no sample {name:?}"));
        };
        if let Some((code, reason)) = sample.close() {
            return Self::new(500, format!("{name} is a close frame: {code} {reason}"));
        }
        Self {
            status: sample.http_status.unwrap_or(500),
            body: sample.filled(filling),
            content_type: sample.content_type(),
        }
    }

    /// Google's empty 404, for paths unknown to it.
    #[must_use]
    pub fn nothing_here() -> Self {
        Self { status: 404, body: Value::String(String::new()), content_type: "text/html" }
    }

    /// A quota is spent.
    #[must_use]
    pub fn quota(refusal: &Refusal, names: &QuotaNames<'_>) -> Self {
        let mut message = String::from(
            "You exceeded your current quota, please check your plan and billing details. For more \
             information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. \
             To monitor your current usage, head to: https://ai.dev/rate-limit. ",
        );
        let mut violations = Vec::new();
        for violation in &refusal.violations {
            let (id, metric) = names.of(violation.kind, violation.span);
            let (limit, model) = (violation.limit, names.model);
            message +=
                &format!("\n* Quota exceeded for metric: {metric}, limit: {limit}, model: {model}");
            let mut entry = json!({
                "quotaMetric": metric,
                "quotaId": id,
                "quotaDimensions": {"location": "global", "model": names.model},
            });
            if limit > 0 {
                entry["quotaValue"] = json!(limit.to_string());
            }
            violations.push(entry);
        }
        // Google prints the exact time in the message and whole seconds in the details.
        message += &format!("\nPlease retry in {:.9}s.", refusal.retry_ms as f64 / 1_000.0);
        let details = json!([
            {"@type": "type.googleapis.com/google.rpc.Help", "links": [{
                "description": "Learn more about Gemini API quotas",
                "url": "https://ai.google.dev/gemini-api/docs/rate-limits"}]},
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo",
             "retryDelay": format!("{}s", refusal.retry_ms / 1_000)},
        ]);
        let status = "RESOURCE_EXHAUSTED";
        let error = json!({"code": 429, "message": message, "status": status, "details": details});
        Self::json(429, json!({ "error": error }))
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The message, for close frames.
    #[must_use]
    pub fn message(&self) -> &str {
        let error = self.body.get("error").or_else(|| self.body.get(0)?.get("error"));
        error.and_then(|error| error.get("message")?.as_str()).unwrap_or("Internal error.")
    }

    /// As an answer of that shape.
    #[must_use]
    pub fn answer(self, shape: Shape) -> Answer {
        let mut status = self.status;
        let body = match (shape, self.body) {
            (_, Value::String(text)) => text.into_bytes(),
            (Shape::Array, body @ Value::Object(_)) => pretty(&Value::Array(vec![body])),
            (Shape::Interactions, body) => {
                let (body, mended) = for_interactions(body, status);
                status = mended;
                pretty(&body)
            }
            (_, body) => pretty(&body),
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let answer = Answer::new(status, self.content_type, body);
        if status == StatusCode::UNAUTHORIZED {
            let realm = "Bearer realm=\"https://accounts.google.com/\"";
            return answer.with("www-authenticate", realm);
        }
        answer
    }
}

/// The error in words, and with the status, of interactions.
fn for_interactions(body: Value, status: u16) -> (Value, u16) {
    let error = &body["error"];
    if error["code"].is_string() {
        return (body, status);
    }
    let details = error["details"].to_string();
    let message = error["message"].as_str().unwrap_or_default();
    let no_key = details.contains("API_KEY_INVALID") || message.contains("unregistered callers");
    let (code, status) = match status {
        400 | 403 if no_key => ("authentication", 401),
        401 => ("authentication", 401),
        403 => ("permission_denied", 403),
        404 => ("not_found", 404),
        409 => ("aborted", 409),
        429 if details.contains("PerDay") => ("quota_exceeded", 429),
        429 => ("rate_limit_exceeded", 429),
        500 => ("api_error", 500),
        503 => ("service_unavailable", 503),
        504 => ("deadline_exceeded", 504),
        other => ("invalid_request", other),
    };
    (json!({"error": {"code": code, "message": message}}), status)
}

fn status_text(code: u16) -> &'static str {
    match code {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        413 => "INVALID_ARGUMENT",
        429 => "RESOURCE_EXHAUSTED",
        501 => "UNIMPLEMENTED",
        503 => "UNAVAILABLE",
        _ => "INTERNAL",
    }
}

/// What a quota is called.
#[derive(Clone, Copy, Debug)]
pub struct QuotaNames<'a> {
    /// The kind of calls.
    pub family: Family,
    /// The project pays nothing.
    pub free: bool,
    /// The model, by its quota's name.
    pub model: &'a str,
}

/// Kinds of calls that are counted apart.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// generateContent and its streams, Live too.
    #[default]
    Generate,
    /// countTokens.
    CountTokens,
    /// Embeddings.
    Embed,
    /// Images and videos.
    Predict,
    /// Live sockets.
    Live,
}

impl QuotaNames<'_> {
    /// Quota id and metric.
    fn of(&self, kind: Kind, span: Span) -> (String, String) {
        let per = if span == Span::Minute { "Minute" } else { "Day" };
        let (free_id, free_metric) = if self.free { ("-FreeTier", "_free_tier") } else { ("", "") };
        let (id, metric) = match (self.family, kind) {
            (Family::Generate, Kind::Requests) if self.free => (
                format!("GenerateRequestsPer{per}PerProjectPerModel"),
                "generate_content_free_tier_requests".to_owned(),
            ),
            (Family::Generate, Kind::Requests) => (
                format!("GenerateRequestsPer{per}PerProjectPerModel"),
                format!(
                    "generate_requests_per_model{}",
                    if per == "Day" { "_per_day" } else { "" }
                ),
            ),
            (Family::Generate, Kind::InputTokens) if self.free => (
                format!("GenerateContentInputTokensPerModelPer{per}"),
                "generate_content_free_tier_input_token_count".to_owned(),
            ),
            (Family::Generate, Kind::InputTokens) => (
                format!("GenerateContentPaidTierInputTokensPerModelPer{per}"),
                "generate_content_paid_tier_input_token_count".to_owned(),
            ),
            (family, kind) => {
                let (name, short) = match family {
                    Family::CountTokens => ("CountTokens", "count_tokens"),
                    Family::Embed => ("EmbedContent", "embed_content"),
                    Family::Predict => ("Predict", "predict"),
                    _ => ("BidiGenerateContent", "bidi_generate_content"),
                };
                let (what, counted) = match kind {
                    Kind::Requests => ("Requests", "requests"),
                    Kind::InputTokens => ("InputTokens", "input_token_count"),
                };
                (
                    format!("{name}{what}Per{per}PerProjectPerModel"),
                    format!("{short}{free_metric}_{counted}"),
                )
            }
        };
        (format!("{id}{free_id}"), format!("generativelanguage.googleapis.com/{metric}"))
    }
}
