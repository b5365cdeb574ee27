//! Downloads, whose redirects are followed inside, without any credential.

use http::header::{ACCEPT, ACCEPT_ENCODING, IF_RANGE, LOCATION, RANGE};
use http::{HeaderMap, HeaderValue};
use potluck_edition::redirect;
use potluck_gemini::answer::{Problem, Reason};
use wasm_bindgen::JsValue;
use web_sys::AbortSignal;

use crate::asked::Asked;
use crate::forward::{Answered, AnsweredBody};
use crate::hand::Hand;
use crate::platform::{self, Asking};

/// Follows an answer that is a redirect.
pub async fn follow(
    hand: &Hand,
    mut answered: Answered,
    asked: &Asked<'_>,
    signal: &AbortSignal,
) -> Result<Answered, Problem> {
    let upstream = &hand.fixed.settings.upstream;
    let wanted = wanted(&asked.head.fields);
    let mut at = upstream.clone();
    for _ in 0..redirect::MOST {
        if !redirect::is_redirect(answered.status) {
            return Ok(answered);
        }
        let location = answered.fields.get(LOCATION).and_then(|value| value.to_str().ok());
        at = location
            .and_then(|location| redirect::next(upstream, &at, location))
            .ok_or_else(|| Problem::new(Reason::Upstream))?;
        let asking = Asking {
            url: &at.to_string(),
            method: "GET",
            head: &wanted,
            body: &JsValue::UNDEFINED,
            signal: Some(signal),
            patience: None,
            relay: None,
            eager: false,
        };
        let answer = platform::asked(&asking).await;
        let answer = answer.map_err(|_| Problem::new(Reason::Upstream))?;
        answered.status = answer.status;
        answered.fields = answer.fields;
        answered.body = AnsweredBody::Upstream(answer.body);
    }
    match redirect::is_redirect(answered.status) {
        true => Err(Problem::new(Reason::Upstream)),
        false => Ok(answered),
    }
}

/// What of the caller's headers a redirect's host is told as well: which bytes are wanted.
fn wanted(fields: &HeaderMap) -> HeaderMap {
    let named = [ACCEPT, RANGE, IF_RANGE].into_iter();
    let mut wanted: HeaderMap =
        named.filter_map(|name| fields.get(&name).cloned().map(|value| (name, value))).collect();
    wanted.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    wanted
}
