//! Google's answer becomes ours: headers filtered, ours added, the body watched.

use http::header::CONTENT_LENGTH;
use http::{Response, response};
use potluck_edition::{marks, spent};
use potluck_gemini::stream::Framing;
use potluck_gemini::{Dialect, headers};

use crate::Reply;
use crate::forward::{Answered, AnsweredBody, Refused};
use crate::passing::Passing;
use crate::problem;
use crate::transport::Answer;

/// Room for the headers that are added here and on the way out, so that the map grows once.
const OURS: usize = 6;

/// The answer for the caller. `judged` is false where its shape was changed by a mask.
pub fn reply(answered: Answered, dialect: Dialect, judged: bool) -> Reply {
    let Answered { mut parts, body, mut lease, mark, used } = answered;
    headers::keep_for_caller(&mut parts.headers);
    parts.headers.reserve(OURS);
    marks::of_served(&mut parts.headers, lease.served_by_own(), mark, lease.attempts());
    match body {
        AnsweredBody::Rewritten(text) => {
            parts.headers.remove(CONTENT_LENGTH);
            lease.set_end(spent::UNWATCHED);
            Response::from_parts(fresh(parts), Answer::whole(text))
        }
        AnsweredBody::Upstream(body) => {
            let framing =
                if judged { marks::framing(dialect, &parts.headers) } else { Framing::Opaque };
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
    marks::of_refused(reply.headers_mut(), refused.mark, refused.attempts);
    reply
}

/// Version and extensions belong to the upstream's connection.
pub fn fresh(parts: response::Parts) -> response::Parts {
    let (mut ours, ()) = Response::new(()).into_parts();
    ours.status = parts.status;
    ours.headers = parts.headers;
    ours
}
