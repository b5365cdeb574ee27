//! What an upstream answer says about the key, the request or the upstream: one table.
//!
//! Why marks and not wordings: callers can make Google echo their words, in a model's name or a
//! quoted field, and one caller must never be able to hurt a key. So what decides is what only
//! Google writes: `ErrorInfo.reason` (domain googleapis.com), a quota's id, an Interactions error
//! code, or, where Google sends nothing else, the whole message with the status that belongs to it
//! (see `marks`). Marks are looked at in that order, the bare status last; an unknown 400 or 403
//! says nothing about a key.

mod marks;

use std::time::Duration;

use crate::{
    key::Reason,
    rest::{LONGEST_RETRY, MINUTE, RETRY_SLACK},
    wire::{Failure, Family, Quota},
};

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The call was served.
    Served,
    /// The request is at fault, or its resource: no other key would do better.
    CallerFault,
    /// Permission is missing, perhaps only for this key.
    Unclear,
    /// A thought signature of another key's making.
    Signature,
    /// The key is dead.
    KeyDead(Reason),
    /// The key may be dead; a probe decides.
    PerhapsDead(Reason),
    /// The model is not offered to this key's project.
    ModelClosed,
    /// The model has a limit of zero for this key's project: it is billed elsewhere.
    LimitZero,
    /// A minute's quota is spent, for this long.
    Minute(Duration),
    /// A day's quota is spent.
    Day,
    /// Some quota is spent.
    Unnamed,
    /// The project must be paid for first.
    Billing,
    /// The prompt is larger than this many tokens, a minute's quota of the key.
    TooLarge(u64),
    /// Google is in trouble, or the way to it.
    Trouble,
    /// Google refuses the place we call from.
    OurPlace,
}

impl Verdict {
    /// A stable name for metrics.
    pub fn name(self) -> &'static str {
        Self::NAMES[self.place()]
    }

    /// Whether the key is the cause, so that another key may do better.
    pub fn blames_key(self) -> bool {
        use Verdict::*;
        matches!(self, KeyDead(_) | PerhapsDead(_) | ModelClosed | Billing) || self.blames_quota()
    }

    /// Whether a quota is the cause.
    pub fn blames_quota(self) -> bool {
        use Verdict::*;
        matches!(self, Minute(_) | Day | Unnamed | LimitZero)
    }

    pub(crate) fn place(self) -> usize {
        match self {
            Verdict::Served => 0,
            Verdict::CallerFault => 1,
            Verdict::Unclear => 2,
            Verdict::Signature => 3,
            Verdict::KeyDead(_) => 4,
            Verdict::PerhapsDead(_) => 5,
            Verdict::ModelClosed => 6,
            Verdict::LimitZero => 7,
            Verdict::Minute(_) => 8,
            Verdict::Day => 9,
            Verdict::Unnamed => 10,
            Verdict::Billing => 11,
            Verdict::TooLarge(_) => 12,
            Verdict::Trouble => 13,
            Verdict::OurPlace => 14,
        }
    }

    pub(crate) const NAMES: [&'static str; 15] = [
        "served",
        "caller-fault",
        "permission-unclear",
        "thought-signature",
        "key-dead",
        "perhaps-dead",
        "model-closed",
        "limit-zero",
        "minute-quota",
        "day-quota",
        "unnamed-quota",
        "billing",
        "prompt-too-large",
        "upstream-trouble",
        "our-place",
    ];
}

/// What must be known of a request to judge its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The kind of method.
    pub family: Family,
    /// The estimated size of the prompt.
    pub prompt_tokens: u32,
    /// Where in the answer the error stood.
    pub stage: Stage,
}

/// Where in an answer an error stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It was the answer.
    Head,
    /// Inside an answer whose head was 2xx.
    Within,
    /// It closed a Live socket: the status is read from the close code, the message may be cut.
    Close,
}

/// Judges an error.
///
/// It takes for granted that exactly one credential was sent, in the place the route wants.
pub fn judge(failure: &Failure, facts: Facts) -> Verdict {
    let seen = Seen { failure, facts, status: failure.status };
    seen.by_page()
        .or_else(|| seen.by_reason())
        .or_else(|| seen.by_quota())
        .or_else(|| seen.by_code())
        .or_else(|| marks::find(&failure.message, failure.status, facts.stage))
        .unwrap_or_else(|| seen.by_status())
}

struct Seen<'a> {
    failure: &'a Failure,
    facts: Facts,
    status: u16,
}

impl Seen<'_> {
    /// A page for people instead of JSON comes from Google's front: it turns away the address we
    /// call from with 429 or 403; its other pages are ordinary errors.
    fn by_page(&self) -> Option<Verdict> {
        match self.status {
            _ if !self.failure.html => None,
            403 | 429 => Some(Verdict::OurPlace),
            _ => Some(self.by_status()),
        }
    }

    fn by_reason(&self) -> Option<Verdict> {
        if !matches!(self.status, 400..=499) {
            return None;
        }
        Some(match self.failure.reason.as_deref()? {
            "API_KEY_INVALID" => Verdict::KeyDead(Reason::Invalid),
            "CONSUMER_SUSPENDED" => Verdict::KeyDead(Reason::Suspended),
            "ACCESS_TOKEN_TYPE_UNSUPPORTED" => self.refused_credential(),
            "SERVICE_DISABLED" | "SERVICE_NOT_VISIBLE" => {
                Verdict::PerhapsDead(Reason::ServiceDisabled)
            }
            "API_KEY_SERVICE_BLOCKED"
            | "API_KEY_HTTP_REFERRER_BLOCKED"
            | "API_KEY_IP_ADDRESS_BLOCKED"
            | "API_KEY_ANDROID_APP_BLOCKED"
            | "API_KEY_IOS_APP_BLOCKED" => Verdict::PerhapsDead(Reason::Blocked),
            "BILLING_DISABLED" | "CONSUMER_INVALID" | "USER_PROJECT_DENIED" | "GCP_SUSPENDED" => {
                Verdict::PerhapsDead(Reason::Project)
            }
            // Ours to mend, or a method that takes no keys: nothing is said about the key.
            "CREDENTIALS_MISSING" | "OVERLOADED_CREDENTIALS" => Verdict::CallerFault,
            _ => return None,
        })
    }

    /// Methods outside the plain ones may want another kind of credential altogether.
    fn refused_credential(&self) -> Verdict {
        match self.facts.family {
            Family::Other => Verdict::PerhapsDead(Reason::Unauthenticated),
            _ => Verdict::KeyDead(Reason::Unauthenticated),
        }
    }

    fn by_quota(&self) -> Option<Verdict> {
        let quotas = &self.failure.quotas[..];
        if quotas.is_empty() || self.status != 429 {
            return None;
        }
        if quotas.iter().any(|quota| quota.limit == Some(0)) {
            return Some(Verdict::LimitZero);
        }
        if quotas.iter().any(|quota| quota.id.contains("PerDay")) {
            return Some(Verdict::Day);
        }
        let too_large = quotas.iter().filter_map(|quota| self.outgrown(quota)).min();
        Some(too_large.map_or(Verdict::Minute(self.wait()), Verdict::TooLarge))
    }

    /// The minute's tokens that this prompt alone would spend.
    fn outgrown(&self, quota: &Quota) -> Option<u64> {
        let limit = quota.limit.filter(|limit| *limit > 0)?;
        let about_prompts = quota.id.contains("InputTokens") && quota.id.contains("PerMinute");
        let outgrown = u64::from(self.facts.prompt_tokens) >= size_bound(limit);
        (about_prompts && outgrown).then_some(limit)
    }

    /// The string codes of the Interactions API.
    fn by_code(&self) -> Option<Verdict> {
        let code = self.failure.code.as_deref()?;
        let (_, status, verdict) = CODES.into_iter().find(|(name, ..)| *name == code)?;
        let agrees = status == self.status || self.facts.stage == Stage::Within;
        agrees.then_some(match verdict {
            Verdict::Minute(_) => Verdict::Minute(self.wait()),
            verdict => verdict,
        })
    }

    fn by_status(&self) -> Verdict {
        match self.status {
            401 if self.facts.family != Family::Other => {
                Verdict::PerhapsDead(Reason::Unauthenticated)
            }
            402 => Verdict::Billing,
            429 if self.failure.retry_delay.is_some() => Verdict::Minute(self.wait()),
            429 => Verdict::Unnamed,
            // Somebody hung up on Google: within a stream that was not our caller.
            499 if self.facts.stage == Stage::Within => Verdict::Trouble,
            501 | 505 => Verdict::CallerFault,
            500..=599 => Verdict::Trouble,
            _ => Verdict::CallerFault,
        }
    }

    fn wait(&self) -> Duration {
        self.failure.retry_delay.map_or(MINUTE, |delay| delay.min(LONGEST_RETRY) + RETRY_SLACK)
    }
}

/// From this size on a prompt is taken not to fit a minute's tokens: estimates are that rough.
pub(crate) fn size_bound(limit: u64) -> u64 {
    limit.saturating_mul(4) / 5
}

/// Codes of the Interactions API, the status each belongs to, and what it says.
const CODES: [(&str, u16, Verdict); 20] = [
    ("authentication", 401, Verdict::KeyDead(Reason::Unauthenticated)),
    ("payment_required", 402, Verdict::Billing),
    ("permission_denied", 403, Verdict::Unclear),
    ("rate_limit_exceeded", 429, Verdict::Minute(MINUTE)),
    ("quota_exceeded", 429, Verdict::Day),
    ("too_many_requests", 429, Verdict::Unnamed),
    ("invalid_request", 400, Verdict::CallerFault),
    ("failed_precondition", 400, Verdict::CallerFault),
    ("parameter_unknown", 400, Verdict::CallerFault),
    ("not_found", 404, Verdict::CallerFault),
    ("model_not_found", 404, Verdict::CallerFault),
    ("already_exists", 409, Verdict::CallerFault),
    ("aborted", 409, Verdict::CallerFault),
    ("out_of_range", 416, Verdict::CallerFault),
    ("cancelled", 499, Verdict::CallerFault),
    ("api_error", 500, Verdict::Trouble),
    ("unimplemented", 501, Verdict::CallerFault),
    ("service_unavailable", 503, Verdict::Trouble),
    ("deadline_exceeded", 504, Verdict::Trouble),
    ("internal", 500, Verdict::Trouble),
];
