//! Google's answer becomes ours: headers filtered, ours added, the body watched.
//!
//! Rule: of a small JSON text the end is read; a stream is watched; what need not be read passes
//! outside of wasm.

use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use js_sys::Uint8Array;
use potluck_core::{End, Ending};
use potluck_edition::problem::headers as problem_headers;
use potluck_edition::{marks, spent};
use potluck_gemini::answer::{Problem, Reason};
use potluck_gemini::stream::{Framing, Watch};
use potluck_gemini::{Dialect, headers};
use wasm_bindgen::JsValue;
use web_sys::{AbortSignal, Response};

use crate::forward::{self, Answered, AnsweredBody, Refused};
use crate::lease::Lease;
use crate::passing::Meter;
use crate::platform::{self, AnswerBody};

/// The answer for the caller. `judged` is false where its shape was changed by a mask.
pub fn answer(
    answered: Answered,
    dialect: Dialect,
    judged: bool,
    signal: &AbortSignal,
) -> Result<Response, Problem> {
    let Answered { status, mut fields, body, mut lease, mark, used } = answered;
    headers::keep_for_caller(&mut fields);
    marks::of_served(&mut fields, lease.served_by_own(), mark, lease.attempts());
    let body = match body {
        AnsweredBody::Upstream(body) => body,
        AnsweredBody::Rewritten(text) => {
            fields.remove(CONTENT_LENGTH);
            lease.set_end(spent::UNWATCHED);
            return Ok(platform::answer(status, &fields, &forward::bytes(&text)));
        }
    };
    let framing = if judged { marks::framing(dialect, &fields) } else { Framing::Opaque };
    let body = match (framing, body) {
        (_, AnswerBody::Broken) => return Err(Problem::new(Reason::Broken)),
        (framing, AnswerBody::Whole(bytes)) => {
            let json = framing == Framing::Json;
            lease.set_end(if json { used_by(&bytes, &lease) } else { spent::UNWATCHED });
            bytes.into()
        }
        (Framing::Opaque, AnswerBody::Flowing(stream)) => {
            lease.set_end(spent::UNWATCHED);
            stream.map_or(JsValue::NULL, JsValue::from)
        }
        (_, AnswerBody::Flowing(None)) => JsValue::NULL,
        (framing, AnswerBody::Flowing(Some(stream))) => {
            // A stream that may yet be told as failed has no length that could be promised.
            let length = if framing == Framing::Json { length(&fields) } else { None };
            fields.remove(CONTENT_LENGTH);
            platform::watched(&stream, Meter::new(framing, lease, used), signal, length).into()
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

/// What a JSON text says that it used.
fn used_by(bytes: &Uint8Array, lease: &Lease) -> End {
    let mut watch = Watch::new(Framing::Json);
    watch.push(&bytes.subarray(bytes.length().saturating_sub(TAIL), bytes.length()).to_vec());
    spent::end(&watch, lease.prompt_tokens(), false, Ending::Whole)
}

fn length(fields: &HeaderMap) -> Option<u64> {
    fields.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Usage stands in the last few KiB of an answer.
const TAIL: u32 = 4 << 10;
