//! Errors of ours become HTTP in this one place.

use http::header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use potluck_core::Refusal;
use potluck_gemini::Dialect;
use potluck_gemini::answer::{Problem, Reason};

use crate::Reply;
use crate::intake::IntakeError;
use crate::transport::{Answer, GuardRefusal};

/// Tells SDKs of OpenAI's making whether trying again makes sense.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// A problem, as the caller's dialect writes it.
pub fn reply(problem: &Problem, dialect: Dialect) -> Reply {
    let mut response = Response::new(Answer::whole(problem.body(dialect)));
    *response.status_mut() =
        StatusCode::from_u16(problem.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
    if let Some(seconds) = problem.retry_after_seconds() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if !problem.should_retry {
        headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    response
}

/// A request that no server should try to understand; its connection ends with the answer.
pub fn guarded(refusal: GuardRefusal) -> Reply {
    let why = sentence(&refusal.to_string());
    let problem = refused(&why).with_status(refusal.status().as_u16());
    let mut response = reply(&problem, Dialect::Native);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// What the pool's refusal says to the caller.
pub fn of_refusal(refusal: Refusal, model: Option<&str>) -> Problem {
    let quota = |reason, wait, per_day| {
        let problem = Problem::new(reason).with("model", model.unwrap_or_default()).after(wait);
        if per_day { problem.for_the_day() } else { problem }
    };
    match refusal {
        Refusal::NoKey => Problem::new(Reason::NoKey),
        Refusal::KeyRefused { wait } => Problem::new(Reason::KeyRefused).after(wait),
        Refusal::TooManyRefused { wait } => Problem::new(Reason::TooManyRefused).after(wait),
        Refusal::Resting { wait, per_day } => quota(Reason::Resting, wait, per_day),
        Refusal::Spent { wait, per_day } => quota(Reason::Exhausted, wait, per_day),
        Refusal::TooLarge => Problem::new(Reason::Exhausted).saying(
            "The prompt alone is larger than a minute's tokens of any key: make it shorter.",
        ),
        Refusal::KeysFailed { wait } => Problem::new(Reason::Unserved).after(wait),
        Refusal::OurPlace => Problem::new(Reason::Place),
        Refusal::NoAnswer => Problem::new(Reason::Upstream),
    }
}

/// Why a body was not taken in.
pub fn of_intake(error: &IntakeError) -> Problem {
    match error {
        IntakeError::Full => Problem::new(Reason::Busy).after(BUSY),
        IntakeError::Broken => refused("The body broke off or is badly framed."),
        IntakeError::Silent => Problem::new(Reason::TooSlow),
    }
}

/// A request that is at fault, and why.
pub fn refused(why: &str) -> Problem {
    Problem::new(Reason::Refused).saying(why)
}

/// When to come back after the memory for bodies was full: an answer's head takes some seconds.
const BUSY: std::time::Duration = std::time::Duration::from_secs(2);

/// An error's words as a sentence of a message.
pub fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str().trim_end_matches('.'))
}
