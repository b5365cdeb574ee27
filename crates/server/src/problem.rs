//! Errors of ours become HTTP in this one place.

use http::header::{CONNECTION, HeaderValue};
use http::{Response, StatusCode};
use potluck_edition::problem;
pub use potluck_edition::problem::{key, no_route, of_refusal, refused, sentence};
use potluck_gemini::Dialect;
use potluck_gemini::answer::{Problem, Reason};

use crate::Reply;
use crate::intake::IntakeError;
use crate::transport::{Answer, GuardRefusal};

/// A problem, as the caller's dialect writes it.
pub fn reply(told: &Problem, dialect: Dialect) -> Reply {
    let mut response = Response::new(Answer::whole(told.body(dialect)));
    *response.status_mut() =
        StatusCode::from_u16(told.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = problem::headers(told);
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

/// Why a body was not taken in.
pub fn of_intake(error: &IntakeError) -> Problem {
    match error {
        IntakeError::Full => Problem::new(Reason::Busy).after(BUSY),
        IntakeError::Broken => refused("The body broke off or is badly framed."),
        IntakeError::Silent => Problem::new(Reason::TooSlow),
    }
}

/// When to come back after the memory for bodies was full: an answer's head takes some seconds.
const BUSY: std::time::Duration = std::time::Duration::from_secs(2);
