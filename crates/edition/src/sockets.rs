//! How Live sockets are bounded, and what their ends are told.
//!
//! Rule: the codes are those that Google closes with (`gemini-api.md` §5); a reason fits its frame
//! and names nobody's key.

use std::time::Duration;

use potluck_core::Refusal;
use potluck_gemini::answer::Problem;
use potluck_gemini::failure::{self, Failure};
use potluck_gemini::{ApiKey, Class, live, redact};

use crate::problem;

/// The largest message: a minute of raw audio, or a few large images.
pub const MAX_MESSAGE: usize = 16 << 20;
/// How long a caller may take to send the setup: the SDKs send it at once.
pub const FIRST_FRAME: Duration = Duration::from_secs(30);
/// How long Google may take to open a socket and to accept a setup. It takes a second or two; a
/// caller who speaks waits no longer.
pub const SETUP: Duration = Duration::from_secs(30);

/// RFC 6455 §5.5: a control frame holds 125 bytes, two of them the code.
const REASON: usize = 123;

/// Codes of RFC 6455 §7.4.1.
mod code {
    pub const NORMAL: u16 = 1000;
    pub const AWAY: u16 = 1001;
    pub const INVALID: u16 = 1007;
    pub const POLICY: u16 = 1008;
    pub const ERROR: u16 = 1011;
}

/// What is said to a caller who does not ask for an upgrade.
pub fn not_asked_for() -> Problem {
    problem::refused("This path is a WebSocket: ask for an upgrade.")
}

/// Whether only the caller's own key will do, whatever the setup says: no socket but the pooled
/// kind may be served by another's.
pub fn insists(asked: bool, class: Class) -> bool {
    asked || class != Class::Live
}

/// Whether Google closes a socket because something is wrong.
pub fn is_fault(code: u16) -> bool {
    !matches!(code, code::NORMAL | code::AWAY)
}

/// Why there is no socket whose setup Google accepted.
#[derive(Debug)]
pub enum Unopened {
    /// Google refused.
    Failed(Box<Failure>, Said),
    /// No word at all.
    NoAnswer,
}

/// In which way Google refused.
#[derive(Debug)]
pub enum Said {
    /// It closed the socket with this code.
    Closed(u16),
    /// It answered the handshake, or the setup, with an error.
    Error,
}

impl Unopened {
    /// Google closed the socket in place of an answer to the setup.
    pub fn closed(code: u16, reason: &str) -> Unopened {
        Unopened::Failed(Box::new(failure::read_close(code, reason)), Said::Closed(code))
    }

    /// Google answered the handshake as it answers any other call.
    pub fn refused(status: u16, kind: Option<&[u8]>, body: &[u8]) -> Unopened {
        Unopened::Failed(Box::new(failure::read(status, kind, body)), Said::Error)
    }

    /// Google's first word, if it is an error.
    pub fn first_word(frame: &[u8]) -> Option<Unopened> {
        live::is_error(frame).then(|| Unopened::refused(0, None, frame))
    }
}

/// A close frame for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// The code.
    pub code: u16,
    /// The reason; it fits the frame.
    pub reason: String,
}

impl Closing {
    fn new(code: u16, reason: &str) -> Closing {
        let most = reason.len().min(REASON);
        let end = (0..=most).rev().find(|at| reason.is_char_boundary(*at)).unwrap_or(0);
        Closing { code, reason: reason[..end].to_owned() }
    }

    /// The pool's refusal.
    pub fn of_refusal(refusal: Refusal) -> Closing {
        let code = match refusal {
            Refusal::NoKey | Refusal::KeyRefused { .. } | Refusal::OurPlace => code::INVALID,
            Refusal::TooManyRefused { .. } | Refusal::Uninvited | Refusal::Closed => code::POLICY,
            _ => code::ERROR,
        };
        Closing::new(code, &problem::of_refusal(refusal, None).message)
    }

    /// What Google closes with, without anybody's key.
    pub fn of_google(code: u16, reason: &str, keys: &[&ApiKey]) -> Closing {
        Closing::new(code, &redact::redact_text(reason, keys))
    }

    /// Google's word before there was a socket, without anybody's key.
    pub fn of_unopened(why: &Unopened, keys: &[&ApiKey]) -> Closing {
        match why {
            Unopened::Failed(failure, said) => {
                let code = if let Said::Closed(code) = said { *code } else { code::ERROR };
                Closing::of_google(code, &failure.message, keys)
            }
            Unopened::NoAnswer => Closing::of_refusal(Refusal::NoAnswer),
        }
    }

    /// A problem that kept the socket from being served.
    pub fn of_problem(problem: &Problem) -> Closing {
        let code = if problem.should_retry { code::ERROR } else { code::POLICY };
        Closing::new(code, &format!("{}: {}", problem.reason.name(), problem.message))
    }

    /// A frame on a pooled socket points at somebody's state.
    pub fn foreign() -> Closing {
        Closing::new(code::POLICY, FOREIGN)
    }

    /// Google's end broke.
    pub fn cut() -> Closing {
        Closing::new(code::ERROR, CUT)
    }
}

const FOREIGN: &str =
    "POOL_NEEDS_OWN_KEY: this socket is pooled; open it with x-potluck-route: own";
const CUT: &str = "POOL_NO_ANSWER: the upstream closed the socket without a word";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_fits_its_frame_and_is_cut_between_letters() {
        let closing = Closing::of_google(1011, &"ä".repeat(100), &[]);
        assert_eq!((closing.code, closing.reason.len()), (1011, 122));
        assert_eq!(Closing::foreign().reason, FOREIGN);
        assert_eq!(Closing::cut().reason, CUT);
    }

    #[test]
    fn google_s_own_code_goes_through_and_nobody_s_key_does() {
        let key = ApiKey::parse("AIzaSyTestTestTestTestTestTestTestEdge0").unwrap();
        let why = Unopened::closed(1008, &format!("'api_key:{}' is odd", key.expose()));
        let closing = Closing::of_unopened(&why, &[&key]);
        assert_eq!(closing.code, 1008);
        assert!(!closing.reason.contains("Edge0") && !closing.reason.contains(key.expose()));
    }

    #[test]
    fn an_error_in_place_of_a_socket_is_ours_to_close_with() {
        let error = br#"{"error":{"code":429,"message":"Resource has been exhausted"}}"#;
        let why = Unopened::first_word(error).unwrap();
        let told = Closing::new(1011, "Resource has been exhausted");
        assert_eq!(Closing::of_unopened(&why, &[]), told);
        assert!(Unopened::first_word(br#"{"setupComplete":{}}"#).is_none());
        assert_eq!(Closing::of_unopened(&Unopened::NoAnswer, &[]).code, 1011);
    }

    #[test]
    fn sockets_end_well_with_two_codes_alone() {
        let faults = [1000, 1001, 1005, 1008, 1011].map(is_fault);
        assert_eq!(faults, [false, false, true, true, true]);
        assert!(insists(false, Class::LiveMusic) && !insists(false, Class::Live));
    }
}
