//! Who may come without a key, and with one that nobody knows: what those are told who may not.

pub mod rows;

use potluck_core::Refusal;
use potluck_core::invites::Uninvited;
use potluck_core::tokens::{Denied, LimitOf};
use potluck_gemini::answer::{Problem, Reason};

use crate::problem;

/// What an access token cannot be used for.
pub fn needs_own_key() -> Problem {
    let message = "This call needs a key of its own, and an access token brings none: only what the \
                   pool shares can be asked for with it. Send your own Gemini API key.";
    Problem { message: message.to_owned(), ..Problem::new(Reason::NeedsOwnKey) }
}

/// An access token where none are given out.
pub fn no_tokens() -> Problem {
    Problem::new(Reason::UnknownToken).saying("This edition of the proxy gives out none.")
}

/// What operators are told who ask for what an edition does not have.
pub fn none_here(what: &str) -> Problem {
    problem::refused(&format!(
        "This edition of the proxy gives out no {what}: its admission is open."
    ))
}

/// What the pool's refusal says to whoever came with an access token.
pub fn of_refusal(refusal: Refusal, model: Option<&str>) -> Problem {
    let told = problem::of_refusal(refusal, model);
    let Refusal::Reserved { wait } = refusal else { return told };
    let message = "An access token is served with what contributors leave over, and for this model \
                   nothing is left over now; the rest of today's quota is kept for those who share it.";
    Problem { message: message.to_owned(), ..told }.after(wait)
}

/// Why a token's call is not let in.
pub fn denied(denied: Denied, model: Option<&str>) -> Problem {
    match denied {
        Denied::Unknown => Problem::new(Reason::UnknownToken),
        Denied::Expired => Problem::new(Reason::TokenExpired),
        Denied::Model => Problem::new(Reason::TokenModel).with("model", model.unwrap_or_default()),
        Denied::Limit { of, wait } => {
            let told = Problem::new(Reason::TokenLimit).with("limit", of.name());
            let told = told.saying(limit(of)).after(wait);
            if of.is_of_day() { told.for_the_day() } else { told }
        }
    }
}

fn limit(of: LimitOf) -> &'static str {
    match of {
        LimitOf::RequestsPerMinute => "Its requests of this minute are used up.",
        LimitOf::TokensPerMinute => "Its tokens of this minute are used up.",
        LimitOf::RequestsPerDay => "Its requests of this day are used up.",
        LimitOf::TokensPerDay => "Its tokens of this day are used up.",
    }
}

/// Why an invite lets nobody in.
pub fn uninvited(why: Uninvited) -> Problem {
    Problem::new(Reason::NeedsInvite).saying(match why {
        Uninvited::Unknown => "The code that came is not known here.",
        Uninvited::Expired => "The code that came has expired.",
        Uninvited::UsedUp => "As many keys have joined with the code that came as it is for.",
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_token_has_no_own_key_to_be_told_of() {
        let wait = Duration::from_secs(60);
        let told = of_refusal(Refusal::Reserved { wait }, Some("m"));
        assert!(!told.message.contains("your own key"), "{}", told.message);
        assert!(told.message.ends_with("Please retry in 60s."));
        let resting = Refusal::Resting { wait, per_day: false };
        assert_eq!(of_refusal(resting, None), problem::of_refusal(resting, None));
    }

    #[test]
    fn a_spent_limit_says_which_and_until_when() {
        let wait = Duration::from_secs(20);
        let minute = denied(Denied::Limit { of: LimitOf::TokensPerMinute, wait }, None);
        assert_eq!((minute.code, minute.retry_after_seconds()), (429, Some(20)));
        assert!(minute.should_retry && minute.message.contains("Its tokens of this minute"));
        let day = denied(Denied::Limit { of: LimitOf::RequestsPerDay, wait }, None);
        assert!(day.quota_per_day && !day.should_retry);
    }
}
