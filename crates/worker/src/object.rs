//! An isolate's line to the objects that hold the pool.
//!
//! Rule: an object that does not answer is asked once more, since one that starts again is there in
//! a moment; then callers are served with their own keys, and nothing is decided about any.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use wasm_bindgen::JsCast as _;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use worker::{Delay, Env, console_error};

use crate::hand::{self, Hand};
use crate::line::{Asked, Heard, Said};
use crate::memory;
use crate::platform;
use crate::unfit;

/// How long an object takes to start again, about.
const AGAIN: Duration = Duration::from_millis(100);

/// Asks one of the objects; none if it cannot be reached.
pub async fn ask(hand: &Hand, shard: u8, asked: Asked) -> Option<Heard> {
    let told = memory::with(|memory| memory.to_tell(shard));
    deliver(hand, shard, Said { told, asked: Some(asked) }).await
}

/// Tells one of the objects what it has not been told yet.
pub async fn tell(hand: &Hand, shard: u8) {
    let told = memory::with(|memory| memory.to_tell(shard));
    if !told.is_empty() {
        deliver(hand, shard, Said { told, asked: None }).await;
    }
}

/// What could not be told is told another time.
async fn deliver(hand: &Hand, shard: u8, said: Said) -> Option<Heard> {
    let heard = say(hand, shard, &said).await;
    if heard.is_none() {
        memory::with(|memory| memory.tell_again(shard, said.told));
    }
    heard
}

/// Saying a thing twice does no harm: whatever is over already is passed over.
async fn say(hand: &Hand, shard: u8, said: &Said) -> Option<Heard> {
    let text = serde_json::to_string(said).ok()?;
    let name = hand.fixed.settings.object(shard);
    for again in [true, false] {
        match speak(&hand.env, &name, &text).await {
            Ok(heard) => return heard,
            Err(error) if again => {
                console_error!("the object {name} is asked again: {}", platform::words(&error));
                Delay::from(AGAIN).await;
            }
            Err(error) => console_error!("no word from the object: {}", platform::words(&error)),
        }
    }
    None
}

async fn speak(env: &Env, name: &str, text: &str) -> Result<Option<Heard>, JsValue> {
    let heard = JsFuture::from(platform::ask(&reach(env, name)?, text)).await?;
    Ok(heard.as_string().and_then(|heard| serde_json::from_str(&heard).ok()))
}

/// Has every object do what the hour brings, and the first one tidy up D1.
#[wasm_bindgen]
pub async fn tend(env: Env) -> Result<(), JsValue> {
    // What a panic leaves behind here is nothing.
    AssertUnwindSafe(async {
        let settings = hand::settings(&env).map_err(|unfit| unfit.to_string())?;
        for (part, name) in settings.objects().enumerate() {
            let tended = JsFuture::from(platform::tend(&reach(&env, &name)?, part == 0)).await;
            if let Err(error) = tended {
                console_error!("the object {name} was not tended: {}", platform::words(&error));
            }
        }
        Ok(())
    })
    .await
}

fn reach(env: &Env, name: &str) -> Result<JsValue, JsValue> {
    let object = env.durable_object(unfit::OBJECT).and_then(|objects| objects.get_by_name(name));
    Ok(object?.into_rpc::<js_sys::Object>().unchecked_into())
}
