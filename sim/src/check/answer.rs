//! What Google may answer in a script: every verdict there is.

use std::time::Duration;

use potluck_gemini::failure::{Failure, Quota};

/// An answer, or what became of the call instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// 200.
    Served,
    /// The request is at fault.
    CallerFault,
    /// Permission is missing.
    Unclear,
    /// Another key's thought signature.
    Signature,
    /// The minute's requests are spent, for so many seconds; the limit is told.
    Minute(u16, u16),
    /// The minute's tokens are spent, for so many seconds; the limit is told.
    MinuteTokens(u16, u32),
    /// The day is spent; the limit is told.
    Day(u16),
    /// The limit is zero.
    Zero,
    /// Something is spent.
    Unnamed,
    /// The key is dead,
    Dead,
    /// or leaked,
    Leaked,
    /// or its project must be paid for.
    Billing,
    /// 503.
    Trouble,
    /// The connection was reset.
    Reset,
    /// The place we call from is refused.
    Place,
    /// The caller left before any answer.
    Leave,
}

impl Reply {
    /// The error that it is, if it is one.
    pub fn failure(self, quota: &str) -> Option<Failure> {
        let quota = |id: &str, limit: u64| exceeded(id, quota, limit);
        Some(match self {
            Reply::Served | Reply::Reset | Reply::Leave => return None,
            Reply::CallerFault => plain(400, "Invalid value at 'contents'."),
            Reply::Unclear => plain(403, "The caller does not have permission"),
            Reply::Signature => plain(400, "Corrupted thought signature."),
            Reply::Minute(wait, limit) => waiting(
                wait,
                quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", limit.into()),
            ),
            Reply::MinuteTokens(wait, limit) => waiting(
                wait,
                quota("GenerateContentInputTokensPerModelPerMinute-FreeTier", limit.into()),
            ),
            Reply::Day(limit) => waiting(
                30,
                quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier", limit.into()),
            ),
            Reply::Zero => {
                waiting(30, quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier", 0))
            }
            Reply::Unnamed => plain(429, "Resource has been exhausted (e.g. check quota)."),
            Reply::Dead => Failure {
                reason: Some("API_KEY_INVALID".to_owned()),
                ..plain(400, "API key not valid. Please pass a valid API key.")
            },
            Reply::Leaked => {
                plain(403, "Your API key was reported as leaked. Please use another API key.")
            }
            Reply::Billing => plain(429, "Your prepayment credits are depleted."),
            Reply::Trouble => plain(503, "The service is currently unavailable."),
            Reply::Place => plain(400, "User location is not supported for the API use."),
        })
    }

    /// Whether it says nothing about any key.
    pub fn spares_keys(self) -> bool {
        matches!(self, Reply::CallerFault | Reply::Trouble | Reply::Reset | Reply::Place)
    }
}

fn plain(status: u16, message: &str) -> Failure {
    Failure { status, message: message.to_owned(), readable: true, ..Failure::default() }
}

fn exceeded(id: &str, model: &str, limit: u64) -> Failure {
    let quota = Quota {
        id: id.to_owned(),
        metric: "generativelanguage.googleapis.com/generate_content_free_tier".to_owned(),
        model: Some(model.to_owned()),
        limit: Some(limit),
    };
    Failure {
        quotas: vec![quota],
        details: true,
        status_text: Some("RESOURCE_EXHAUSTED".to_owned()),
        ..plain(429, "You exceeded your current quota.")
    }
}

fn waiting(seconds: u16, failure: Failure) -> Failure {
    Failure { retry_delay: Some(Duration::from_secs(seconds.into())), ..failure }
}
