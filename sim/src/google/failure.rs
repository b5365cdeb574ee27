//! Google's refusals as facts, with just what its error bodies carry: see `gemini_sim::problem`,
//! which writes the same as JSON.

use std::time::Duration;

use gemini_sim::quota::{Kind, Refusal, Span, Violation};
use potluck_gemini::failure::{Failure, Quota};

use crate::{google::Answer, world::QUOTA_NAMES};

impl Answer {
    /// The error that it is, if it is one.
    pub fn failure(&self) -> Option<Failure> {
        match self {
            Answer::Served => None,
            Answer::Quota { refusal, quota, free } => Some(exceeded(refusal, *quota, *free)),
            Answer::Dead => Some(Failure {
                reason: Some("API_KEY_INVALID".to_owned()),
                details: true,
                ..plain(400, "API key not valid. Please pass a valid API key.")
            }),
            Answer::Place => Some(Failure {
                status_text: Some("FAILED_PRECONDITION".to_owned()),
                ..plain(400, "User location is not supported for the API use.")
            }),
            Answer::Unavailable => Some(plain(503, "The service is currently unavailable.")),
        }
    }
}

fn plain(status: u16, message: &str) -> Failure {
    let status_text = match status {
        503 => "UNAVAILABLE",
        429 => "RESOURCE_EXHAUSTED",
        _ => "INVALID_ARGUMENT",
    };
    Failure {
        status,
        message: message.to_owned(),
        status_text: Some(status_text.to_owned()),
        readable: true,
        ..Failure::default()
    }
}

fn exceeded(refusal: &Refusal, quota: usize, free: bool) -> Failure {
    let quotas = refusal.violations.iter().map(|one| violated(one, quota, free)).collect();
    Failure {
        quotas,
        // Google prints whole seconds; of days they say nothing.
        retry_delay: Some(Duration::from_secs(refusal.retry_ms / 1_000)),
        details: true,
        ..plain(429, "You exceeded your current quota.")
    }
}

fn violated(violation: &Violation, quota: usize, free: bool) -> Quota {
    let (id, metric) = match (violation.kind, violation.span, free) {
        (Kind::Requests, Span::Minute, true) => (
            "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
            "generate_content_free_tier_requests",
        ),
        (Kind::Requests, Span::Day, true) => (
            "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
            "generate_content_free_tier_requests",
        ),
        (Kind::InputTokens, Span::Minute, true) => (
            "GenerateContentInputTokensPerModelPerMinute-FreeTier",
            "generate_content_free_tier_input_token_count",
        ),
        (Kind::InputTokens, Span::Day, true) => (
            "GenerateContentInputTokensPerModelPerDay-FreeTier",
            "generate_content_free_tier_input_token_count",
        ),
        (Kind::Requests, Span::Minute, false) => {
            ("GenerateRequestsPerMinutePerProjectPerModel", "generate_requests_per_model")
        }
        (Kind::Requests, Span::Day, false) => {
            ("GenerateRequestsPerDayPerProjectPerModel", "generate_requests_per_model_per_day")
        }
        (Kind::InputTokens, Span::Minute, false) => (
            "GenerateContentPaidTierInputTokensPerModelPerMinute",
            "generate_content_paid_tier_input_token_count",
        ),
        (Kind::InputTokens, Span::Day, false) => (
            "GenerateContentPaidTierInputTokensPerModelPerDay",
            "generate_content_paid_tier_input_token_count",
        ),
    };
    Quota {
        id: id.to_owned(),
        metric: format!("generativelanguage.googleapis.com/{metric}"),
        model: Some(QUOTA_NAMES[quota].to_owned()),
        limit: Some(violation.limit),
    }
}
