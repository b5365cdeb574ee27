//! What the pool's refusals, and errors of a caller's, say to whoever reads them.

use http::HeaderMap;
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use potluck_core::Refusal;
use potluck_gemini::ApiKey;
use potluck_gemini::answer::{Problem, Reason};
use potluck_gemini::credential::{NotAKey, Shown};
use potluck_gemini::route::NoRoute;

use crate::{admission, pages};

/// Tells SDKs of OpenAI's making whether trying again makes sense.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// The headers that a problem's body goes with.
pub fn headers(problem: &Problem) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(pages::JSON));
    if let Some(seconds) = problem.retry_after_seconds() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    let allowed = problem.metadata.iter().find(|(name, _)| *name == "allow");
    if let Some(methods) = allowed.and_then(|(_, methods)| HeaderValue::try_from(methods).ok()) {
        headers.insert(ALLOW, methods);
    }
    if !problem.should_retry {
        headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    headers
}

/// A path that takes other methods: these, with commas between.
pub fn other_method(allowed: &str) -> Problem {
    Problem::new(Reason::Method).with("allow", allowed)
}

/// What the pool's refusal says to the caller.
pub fn of_refusal(refusal: Refusal, model: Option<&str>) -> Problem {
    let quota = |reason, wait, per_day| {
        let problem = Problem::new(reason).with("model", model.unwrap_or_default()).after(wait);
        if per_day { problem.for_the_day() } else { problem }
    };
    match refusal {
        Refusal::NoKey => Problem::new(Reason::NoKey),
        Refusal::Uninvited => Problem::new(Reason::NeedsInvite),
        Refusal::Closed => Problem::new(Reason::Closed),
        Refusal::KeyRefused { wait } => Problem::new(Reason::KeyRefused).after(wait),
        Refusal::TooManyRefused { wait } => Problem::new(Reason::TooManyRefused).after(wait),
        Refusal::Resting { wait, per_day } => quota(Reason::Resting, wait, per_day),
        Refusal::Reserved { wait } => quota(Reason::Reserved, wait, false),
        Refusal::Spent { wait, per_day } => quota(Reason::Exhausted, wait, per_day),
        Refusal::TooLarge => Problem::new(Reason::Exhausted).saying(
            "The prompt alone is larger than a minute's tokens of any key: make it shorter.",
        ),
        Refusal::KeysFailed { wait } => Problem::new(Reason::Unserved).after(wait),
        Refusal::OurPlace => Problem::new(Reason::Place),
        Refusal::NoAnswer => Problem::new(Reason::Upstream),
    }
}

/// The one key that a request shows.
pub fn key(shown: Shown) -> Result<ApiKey, Problem> {
    match shown {
        Shown::Key(key) => Ok(key),
        Shown::Nothing => Err(Problem::new(Reason::NoKey)),
        Shown::Conflict => Err(Problem::new(Reason::KeyConflict)),
        Shown::NotAKey(why) => Err(not_a_key(why)),
        Shown::Token(_) => Err(admission::needs_own_key()),
        Shown::Ephemeral(_) => Err(not_a_key(NotAKey::EphemeralToken)),
    }
}

fn not_a_key(why: NotAKey) -> Problem {
    if why == NotAKey::PotluckToken {
        // It has our mark and not our form: nobody gave it out.
        return Problem::new(Reason::UnknownToken);
    }
    Problem::new(Reason::NotAKey).saying(&sentence(&why.to_string()))
}

/// A path that leads nowhere, and what may have been meant.
pub fn no_route(none: NoRoute) -> Problem {
    match none {
        NoRoute::Unknown { hint } => Problem::new(Reason::NoRoute).saying(&sentence(hint)),
        NoRoute::Refused(why) => refused(&sentence(&why.to_string())),
    }
}

/// A request that is at fault, and why.
pub fn refused(why: &str) -> Problem {
    Problem::new(Reason::Refused).saying(why)
}

/// An error's words as a sentence of a message.
pub fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str().trim_end_matches('.'))
}
