//! Google does not serve every place that Cloudflare may leave from.
//!
//! Rule: an answer that blames the place is asked for again through an object that stands where
//! Google serves, and for a while everything goes that way at once. Nobody's key is blamed.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use potluck_core::verdict::{Facts, Stage, Verdict, judge};
use potluck_gemini::Family;
use potluck_gemini::failure::{self, Failure};
use wasm_bindgen::{JsCast as _, JsValue};
use worker::{Env, console_warn};

use crate::memory;
use crate::platform::{self, Answer, AnswerBody, Asking};
use crate::unfit;

/// How long a place is held for blocked: Cloudflare's routes change within the hour.
const BLOCKED_FOR: Duration = Duration::from_secs(600);
/// Where the relays are asked to stand, the first first: Google serves all of North America.
const PLACES: [&str; 2] = ["wnam", "enam"];

/// Asks Google, from where it answers. `again`: the body can be sent once more.
pub async fn ask(env: &Env, asking: Asking<'_>, again: bool) -> Result<Answer, JsValue> {
    if is_avoided() {
        return through(env, &asking).await;
    }
    let answer = platform::asked(&asking).await?;
    if !blames_place(&answer) {
        return Ok(answer);
    }
    avoid();
    if again { through(env, &asking).await } else { Ok(answer) }
}

/// Whether an error that came otherwise than as an answer's head is worth asking again from
/// elsewhere; everything goes that way from then on.
pub fn is_elsewhere_better(failure: &Failure) -> bool {
    let better = !is_avoided() && blames(failure);
    if better {
        avoid();
    }
    better
}

fn is_avoided() -> bool {
    memory::with(|memory| memory.blocked.get()) > memory::now()
}

fn avoid() {
    console_warn!("Google does not serve this place: calls go through an object elsewhere");
    memory::with(|memory| memory.blocked.set(memory::now() + BLOCKED_FOR));
}

async fn through(env: &Env, asking: &Asking<'_>) -> Result<Answer, JsValue> {
    let mut answer = Err(JsValue::from_str("no relay"));
    for place in PLACES {
        let relay = relay(env, place)?;
        answer = platform::asked(&Asking { relay: Some(&relay), ..*asking }).await;
        // A body that was sent is gone; nothing else is worth a second place.
        if answer.is_ok() || !asking.body.is_undefined() {
            break;
        }
    }
    answer
}

fn relay(env: &Env, place: &str) -> Result<JsValue, JsValue> {
    let objects = env.durable_object(unfit::RELAY)?;
    let stub = objects.get_by_name_with_location_hint(&format!("relay-{place}"), place)?;
    Ok(stub.into_rpc::<js_sys::Object>().unchecked_into())
}

/// As Google says it: in a small JSON answer. The page that other servers of Google's send instead
/// is the pool's to judge.
fn blames_place(answer: &Answer) -> bool {
    let AnswerBody::Whole(bytes) = &answer.body else { return false };
    let kind = answer.fields.get(CONTENT_TYPE).map(|value| value.as_bytes());
    answer.status >= 400 && blames(&failure::read(answer.status, kind, &bytes.to_vec()))
}

fn blames(failure: &Failure) -> bool {
    let facts = Facts { family: Family::Other, prompt_tokens: 0, stage: Stage::Head };
    judge(failure, facts) == Verdict::OurPlace
}
