//! Google does not serve every place that Cloudflare may leave from.
//!
//! Rule: an answer that blames the place is asked for again through an object that stands where
//! Google serves, and for a while everything goes that way at once. Nobody's key is blamed.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use potluck_core::verdict::{Facts, Stage, Verdict, judge};
use potluck_gemini::{Family, failure};
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::Response;
use worker::{Env, console_warn};

use crate::forward;
use crate::hand::Hand;
use crate::memory;
use crate::platform::{self, Asking};
use crate::unfit;

/// How long a place is held for blocked: Cloudflare's routes change within the hour.
const BLOCKED_FOR: Duration = Duration::from_secs(600);
/// Where the relays are asked to stand, the first first: Google serves all of North America.
const PLACES: [&str; 2] = ["wnam", "enam"];

/// Asks Google, from where it answers. `again`: the body can be sent once more.
pub async fn ask(hand: &Hand, asking: Asking<'_>, again: bool) -> Result<Response, JsValue> {
    if memory::with(|memory| memory.blocked.get()) > memory::now() {
        return through(hand, &asking).await;
    }
    let response = platform::asked(&asking).await?;
    if response.ok() || response.status() < 400 || !blames_place(&response).await? {
        return Ok(response);
    }
    console_warn!("Google does not serve this place: calls go through an object elsewhere");
    memory::with(|memory| memory.blocked.set(memory::now() + BLOCKED_FOR));
    if again { through(hand, &asking).await } else { Ok(response) }
}

async fn through(hand: &Hand, asking: &Asking<'_>) -> Result<Response, JsValue> {
    let mut answer = Err(JsValue::from_str("no relay"));
    for place in PLACES {
        let relay = relay(&hand.env, place)?;
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

/// Reads a copy, so that the answer itself stays whole for whoever judges it.
async fn blames_place(response: &Response) -> Result<bool, JsValue> {
    let fields = platform::head_of_answer(response);
    let text = forward::text_of(&response.clone()?).await;
    let kind = fields.get(CONTENT_TYPE).map(|value| value.as_bytes());
    let failure = failure::read(response.status(), kind, &text);
    let facts = Facts { family: Family::Other, prompt_tokens: 0, stage: Stage::Head };
    Ok(judge(&failure, facts) == Verdict::OurPlace)
}
