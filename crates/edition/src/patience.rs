//! How long an answer's head may take.
//!
//! Rule: slowness is no reason to change keys, since Google's slow calls take minutes; there is no
//! limit unless the operator or the caller sets one. The caller's `X-Server-Timeout` is enforced
//! here and not passed on, where it would let Google cut the request (`gemini-api.md` §2d).

use std::time::Duration;

use http::{HeaderMap, HeaderName};

/// The longest wait that a caller can ask for: beyond an hour nobody listens any more.
const LONGEST: f64 = 3600.0;

const TIMEOUT: HeaderName = HeaderName::from_static("x-server-timeout");

/// The stricter of what the caller asks and what the operator sets.
pub fn asked(headers: &HeaderMap, set: Option<Duration>) -> Option<Duration> {
    let asked = headers.get(TIMEOUT).and_then(|value| value.to_str().ok()?.parse().ok());
    let asked = asked
        .filter(|seconds: &f64| seconds.is_finite() && *seconds > 0.0)
        .map(|seconds| Duration::from_secs_f64(seconds.min(LONGEST)));
    match (asked, set) {
        (Some(asked), Some(set)) => Some(asked.min(set)),
        (asked, set) => asked.or(set),
    }
}
