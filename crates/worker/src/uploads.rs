//! Resumable uploads: the start is own, its URLs are shown on our host, signed, and the parts that
//! follow are let through by that signature.

use std::rc::Rc;

use http::HeaderMap;
use http::header::{CONTENT_LENGTH, HeaderValue};
use potluck_edition::problem;
use potluck_edition::uploads::{GOOD_FOR, PURPOSE};
use potluck_gemini::answer::{Problem, Reason};
use potluck_gemini::credential::Shown;
use potluck_gemini::uploads::{SignedPart, UPLOAD_URL_HEADERS, Upload};
use potluck_gemini::{ApiKey, headers, redact};
use wasm_bindgen::JsValue;
use web_sys::Response;
use worker::Date;

use crate::asked::{Asked, Credential};
use crate::fixed::Fixed;
use crate::hand::Hand;
use crate::platform::{self, Answer, AnswerBody, Asking, Incoming};
use crate::{forward, own, region, served};

/// Starts an upload with the caller's key.
pub async fn start(
    hand: &Rc<Hand>,
    asked: &Asked<'_>,
    incoming: &Incoming<'_>,
    key: &Rc<ApiKey>,
) -> Result<Response, Problem> {
    let dialect = asked.route.dialect;
    match own::exchange(hand, asked, incoming, key).await? {
        Ok(mut answered) => {
            show_urls(&hand.fixed, &mut answered.fields, asked.base(&hand.fixed));
            served::answer(answered, dialect, !asked.masked, &hand.signal)
        }
        Err(refused) => Ok(served::refused(&refused, dialect)),
    }
}

/// Passes a part on: by our signature without any key, or as an own call with one.
pub async fn part(
    hand: &Rc<Hand>,
    asked: &Asked<'_>,
    incoming: &Incoming<'_>,
    shown: Shown,
) -> Result<Response, Problem> {
    let Some(signed) = SignedPart::parse(asked.head.path, asked.head.query) else {
        return own::answer(hand, asked, incoming, &Rc::new(problem::key(shown)?)).await;
    };
    if !is_genuine(&hand.fixed, &signed) {
        return Err(Problem::new(Reason::BadSignature));
    }
    pass(hand, asked, incoming).await
}

async fn pass(
    hand: &Hand,
    asked: &Asked<'_>,
    incoming: &Incoming<'_>,
) -> Result<Response, Problem> {
    let body = incoming.body();
    let asking = Asking {
        url: &asked.url(&hand.fixed.settings.google),
        method: asked.head.method.as_str(),
        head: &asked.fields(&Credential::Nothing),
        body: &body,
        signal: Some(&hand.signal),
        patience: asked.patience(),
        relay: None,
        eager: true,
    };
    let answer = match region::ask(&hand.env, asking, false).await {
        Ok(answer) => answer,
        Err(error) if platform::is_late(&error) => {
            return Err(Problem::new(Reason::UpstreamTimeout));
        }
        Err(_) => return Err(Problem::new(Reason::Upstream)),
    };
    let bad = answer.status >= 400;
    let text = if bad { answer.text(forward::MAX_ERROR).await } else { Vec::new() };
    let Answer { status, mut fields, body, .. } = answer;
    show_urls(&hand.fixed, &mut fields, asked.base(&hand.fixed));
    headers::keep_for_caller(&mut fields);
    let body = match body {
        _ if bad => {
            fields.remove(CONTENT_LENGTH);
            forward::bytes(&redact::redact(status, asked.route.dialect, &text, &[]))
        }
        AnswerBody::Whole(bytes) => bytes.into(),
        AnswerBody::Broken => return Err(Problem::new(Reason::Broken)),
        AnswerBody::Flowing(stream) => stream.map_or(JsValue::NULL, JsValue::from),
    };
    Ok(platform::answer(status, &fields, &body))
}

/// Google's URLs of this upload become ours.
fn show_urls(fixed: &Fixed, fields: &mut HeaderMap, base: &str) {
    for name in UPLOAD_URL_HEADERS {
        let google = &fixed.settings.google;
        let Some(upload) =
            fields.get(name).and_then(|url| Upload::from_google(url.to_str().ok()?, google))
        else {
            continue;
        };
        if let Ok(url) = HeaderValue::from_str(&format!("{base}{}", sign(fixed, &upload))) {
            fields.insert(name, url);
        }
    }
}

fn sign(fixed: &Fixed, upload: &Upload) -> String {
    let expires = seconds() + GOOD_FOR.as_secs();
    let signature = fixed.vault.sign(PURPOSE, &upload.signed_bytes(expires));
    upload.signed(expires, &signature)
}

fn is_genuine(fixed: &Fixed, part: &SignedPart) -> bool {
    let bytes = part.upload.signed_bytes(part.expires);
    part.expires > seconds() && fixed.vault.verify(PURPOSE, &bytes, &part.signature)
}

/// Seconds since 1970.
fn seconds() -> u64 {
    Date::now().as_millis() / 1000
}
