//! Asking Google whether a key lives, with a call that costs no quota.

use std::time::Duration;

use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, HeaderValue};
use potluck_gemini::{ApiKey, Dialect, failure};
use wasm_bindgen::JsValue;
use worker::Env;

use crate::asked::{self, Credential};
use crate::forward;
use crate::line::OutcomeSaid;
use crate::platform::Asking;
use crate::region;

/// What is asked.
const TARGET: &str = "/v1beta/models?pageSize=1";
/// How long a probe may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks about one key.
pub async fn ask(env: &Env, google: &str, key: &ApiKey) -> OutcomeSaid {
    let mut head = HeaderMap::new();
    asked::place(&mut head, &Credential::Key(key), Dialect::Native);
    head.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let asking = Asking {
        url: &format!("{google}{TARGET}"),
        method: "GET",
        head: &head,
        body: &JsValue::UNDEFINED,
        signal: None,
        patience: Some(PATIENCE),
        relay: None,
        eager: true,
    };
    let Ok(answer) = region::ask(env, asking, true).await else { return OutcomeSaid::NoAnswer };
    if answer.is_good() {
        return OutcomeSaid::Served;
    }
    let text = answer.text(forward::MAX_ERROR).await;
    let kind = answer.fields.get(CONTENT_TYPE).map(|kind| kind.as_bytes());
    OutcomeSaid::Failed(Box::new(failure::read(answer.status, kind, &text)))
}
