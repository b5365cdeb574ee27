//! Google's answer becomes ours: headers filtered, ours added, the body watched.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Response, response};
use potluck_gemini::stream::Framing;
use potluck_gemini::{Dialect, headers};

use crate::Reply;
use crate::forward::{Answered, AnsweredBody, Refused};
use crate::join::KeyMark;
use crate::passing::Passing;
use crate::problem;
use crate::transport::Answer;

const SERVED_BY: HeaderName = HeaderName::from_static("x-potluck-served-by");
const KEY: HeaderName = HeaderName::from_static("x-potluck-key");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-potluck-attempts");

/// Room for the headers that are added here and on the way out, so that the map grows once.
const OURS: usize = 6;

/// The answer for the caller. `judged` is false where its shape was changed by a mask.
pub fn reply(answered: Answered, dialect: Dialect, judged: bool) -> Reply {
    let Answered { mut parts, body, mut lease, mark, used } = answered;
    headers::keep_for_caller(&mut parts.headers);
    parts.headers.reserve(OURS);
    mark_reply(&mut parts.headers, lease.served_by_own(), mark, lease.attempts());
    match body {
        AnsweredBody::Rewritten(text) => {
            parts.headers.remove(CONTENT_LENGTH);
            lease.set_end(0, potluck_core::Ending::Whole);
            Response::from_parts(fresh(parts), Answer::whole(text))
        }
        AnsweredBody::Upstream(body) => {
            let framing = if judged { framing(dialect, &parts.headers) } else { Framing::Opaque };
            if matches!(framing, Framing::Native | Framing::Compat) {
                parts.headers.remove(CONTENT_LENGTH);
            }
            let passing = Box::new(Passing::new(body, framing, lease, used));
            Response::from_parts(fresh(parts), Answer::Made(passing))
        }
        AnsweredBody::Behind(read, body) => {
            parts.headers.remove(CONTENT_LENGTH);
            let passing = Passing::new(body, Framing::Opaque, lease, used).behind(read);
            Response::from_parts(fresh(parts), Answer::Made(Box::new(passing)))
        }
    }
}

/// Our own answer in Google's place.
pub fn refused(refused: &Refused, dialect: Dialect) -> Reply {
    let mut reply = problem::reply(&refused.problem, dialect);
    let headers = reply.headers_mut();
    headers.insert(KEY, refused.mark.value());
    headers.insert(ATTEMPTS, HeaderValue::from(u64::from(refused.attempts)));
    reply
}

fn mark_reply(headers: &mut HeaderMap, own: bool, mark: KeyMark, attempts: u8) {
    headers.insert(SERVED_BY, HeaderValue::from_static(if own { "own" } else { "pool" }));
    headers.insert(KEY, mark.value());
    headers.insert(ATTEMPTS, number(attempts));
}

/// Nearly always one, which needs no text of its own.
fn number(attempts: u8) -> HeaderValue {
    if attempts == 1 { HeaderValue::from_static("1") } else { u64::from(attempts).into() }
}

/// How the body is framed, by what Google says of it.
fn framing(dialect: Dialect, headers: &HeaderMap) -> Framing {
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let events = kind.len() >= 17 && kind[..17].eq_ignore_ascii_case(b"text/event-stream");
    match dialect {
        Dialect::Native if events => Framing::Native,
        Dialect::Compat if events => Framing::Compat,
        Dialect::Native | Dialect::Compat if kind.starts_with(b"application/json") => Framing::Json,
        _ => Framing::Opaque,
    }
}

/// Version and extensions belong to the upstream's connection.
pub fn fresh(parts: response::Parts) -> response::Parts {
    let (mut ours, ()) = Response::new(()).into_parts();
    ours.status = parts.status;
    ours.headers = parts.headers;
    ours
}
