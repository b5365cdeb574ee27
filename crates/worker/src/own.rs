//! Calls that only the caller's own key may serve.
//!
//! Rule: their bodies pass outside of wasm, both ways. The one exception is small JSON that names
//! our host, where a generated video was shown: Google's is put back.

use std::rc::Rc;

use http::Method;
use js_sys::Uint8Array;
use potluck_edition::{calls, problem};
use potluck_gemini::answer::Problem;
use potluck_gemini::uploads::{self, MAPPED_BODY_MAX};
use potluck_gemini::{ApiKey, Class};
use wasm_bindgen::JsValue;
use web_sys::Response;

use crate::asked::Asked;
use crate::forward::{self, Answered, AnsweredBody, Body, Job, Refused};
use crate::hand::Hand;
use crate::platform::{self, AnswerBody, Incoming, Taken};
use crate::{download, served};

/// Answers a call with the caller's own key.
pub async fn answer(
    hand: &Rc<Hand>,
    asked: &Asked<'_>,
    incoming: &Incoming<'_>,
    key: &Rc<ApiKey>,
) -> Result<Response, Problem> {
    let dialect = asked.route.dialect;
    match exchange(hand, asked, incoming, key).await? {
        Ok(answered) => served::answer(answered, dialect, !asked.masked, &hand.signal),
        Err(refused) => Ok(served::refused(&refused, dialect)),
    }
}

/// The exchange alone, for those who look at the answer before it goes.
pub async fn exchange(
    hand: &Rc<Hand>,
    asked: &Asked<'_>,
    incoming: &Incoming<'_>,
    key: &Rc<ApiKey>,
) -> Result<Result<Answered, Refused>, Problem> {
    let body = outgoing_body(hand, asked, incoming).await?;
    let call = calls::own_call(&asked.route, asked.bearer(key, &hand.fixed));
    let job = Job { asked, call, key, body };
    let answered = match forward::run(hand, &job).await {
        Ok(answered) => answered,
        Err(refused) => return Ok(Err(refused)),
    };
    let answered = match asked.route.class {
        Class::Download => download::follow(hand, answered, asked, &hand.signal).await?,
        _ if uploads::is_operation(&asked.route) => shown_here(hand, answered, asked),
        _ => answered,
    };
    Ok(Ok(answered))
}

async fn outgoing_body(
    hand: &Hand,
    asked: &Asked<'_>,
    incoming: &Incoming<'_>,
) -> Result<Body, Problem> {
    // The platform sends none with these, and takes even an empty one for a mistake.
    if matches!(asked.head.method, Method::GET | Method::HEAD) {
        return Ok(Body::Kept(JsValue::UNDEFINED));
    }
    if !may_name_us(asked) {
        return Ok(Body::once(incoming.body()));
    }
    match incoming.read(MAPPED_BODY_MAX).await {
        Ok(Taken::Whole(bytes)) => Ok(Body::Kept(for_google(hand, asked, bytes))),
        Ok(Taken::Longer(rest)) => Ok(Body::once(rest.into())),
        Err(_) => Err(problem::refused("The body broke off or is badly framed.")),
    }
}

fn for_google(hand: &Hand, asked: &Asked<'_>, bytes: Uint8Array) -> JsValue {
    let (base, google) = (asked.base(&hand.fixed), &hand.fixed.settings.google);
    let named = platform::names(&bytes, base);
    match named.then(|| uploads::body_for_google(&bytes.to_vec(), base, google)).flatten() {
        Some(text) => forward::bytes(&text),
        None => bytes.into(),
    }
}

fn may_name_us(asked: &Asked<'_>) -> bool {
    let kind = asked.head.fields.get(http::header::CONTENT_TYPE);
    let json = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    json && asked.head.length().is_some_and(|length| length <= MAPPED_BODY_MAX as u64)
}

/// Shows the URL of a generated video on our host, where clients follow it. An answer that is too
/// large to be looked into passes as it is.
fn shown_here(hand: &Hand, answered: Answered, asked: &Asked<'_>) -> Answered {
    let AnsweredBody::Upstream(AnswerBody::Whole(bytes)) = &answered.body else { return answered };
    let (read, google) = (bytes.to_vec(), &hand.fixed.settings.google);
    match uploads::operation_for_caller(&read, google, asked.base(&hand.fixed)) {
        Some(text) => Answered { body: AnsweredBody::Rewritten(text), ..answered },
        None => answered,
    }
}
