//! Google's answer becomes ours: headers filtered, ours added, the body watched.
//!
//! Rule: an answer that is one JSON text is read whole where it is small, since a stream that is
//! watched costs more than the call; what need not be read passes outside of wasm.

use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use potluck_core::Ending;
use potluck_edition::marks;
use potluck_edition::problem::headers as problem_headers;
use potluck_gemini::answer::{Problem, Reason};
use potluck_gemini::stream::{Framing, Watch};
use potluck_gemini::{Dialect, headers};
use wasm_bindgen::JsValue;
use web_sys::{AbortSignal, Response};

use crate::forward::{self, Answered, AnsweredBody, Refused};
use crate::lease::Lease;
use crate::passing::{self, Meter};
use crate::platform;

/// The largest answer that is read whole.
const SMALL: u64 = 256 << 10;

/// The answer for the caller. `judged` is false where its shape was changed by a mask.
pub async fn answer(
    answered: Answered,
    dialect: Dialect,
    judged: bool,
    signal: &AbortSignal,
) -> Result<Response, Problem> {
    let Answered { status, mut fields, body, mut lease, mark, used } = answered;
    headers::keep_for_caller(&mut fields);
    marks::of_served(&mut fields, lease.served_by_own(), mark, lease.attempts());
    let response = match body {
        AnsweredBody::Upstream(response) => response,
        AnsweredBody::Rewritten(text) => {
            fields.remove(CONTENT_LENGTH);
            lease.set_end(0, Ending::Whole);
            return Ok(platform::answer(status, &fields, &forward::bytes(&text)));
        }
    };
    let framing = if judged { marks::framing(dialect, &fields) } else { Framing::Opaque };
    let body = match (framing, response.body()) {
        (Framing::Json, _) if length(&fields).is_some_and(|length| length <= SMALL) => {
            small(&response, lease).await?
        }
        (Framing::Opaque, _) | (_, None) => {
            lease.set_end(0, Ending::Whole);
            platform::body_of(&response)
        }
        (framing, Some(body)) => {
            fields.remove(CONTENT_LENGTH);
            platform::watched(&body, Meter::new(framing, lease, used), signal).into()
        }
    };
    Ok(platform::answer(status, &fields, &body))
}

/// Our own answer in Google's place.
pub fn refused(refused: &Refused, dialect: Dialect) -> Response {
    let mut fields = problem_headers(&refused.problem);
    marks::of_refused(&mut fields, refused.mark, refused.attempts);
    let text = refused.problem.body(dialect);
    platform::answer(refused.problem.code, &fields, &forward::bytes(&text))
}

/// One JSON text, read for its usage.
async fn small(response: &Response, mut lease: Lease) -> Result<JsValue, Problem> {
    let bytes = platform::whole(response.array_buffer()).await;
    let bytes = bytes.map_err(|_| Problem::new(Reason::Broken))?;
    let mut watch = Watch::new(Framing::Json);
    watch.push(&bytes.subarray(bytes.length().saturating_sub(TAIL), bytes.length()).to_vec());
    lease.set_end(passing::tokens(&watch, &lease, false), Ending::Whole);
    Ok(bytes.into())
}

fn length(fields: &HeaderMap) -> Option<u64> {
    fields.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Usage stands in the last few KiB of an answer.
const TAIL: u32 = 4 << 10;
