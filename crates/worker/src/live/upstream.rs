//! Google's end of a Live socket.

use std::rc::Rc;

use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderValue, UPGRADE};
use potluck_edition::sockets::{SETUP, Unopened};
use potluck_gemini::Dialect;
use wasm_bindgen::JsValue;
use worker::console_warn;

use super::ends::{Caller, Frame, Google, google_of};
use crate::asked::{self, Credential};
use crate::hand::Hand;
use crate::platform::{self, Asking};
use crate::{forward, region};

/// Where sockets to Google are opened, as often as it takes.
pub struct Door {
    /// The surroundings.
    pub hand: Rc<Hand>,
    /// The whole URL.
    pub url: String,
    /// What travels, but for the credential.
    pub fields: HeaderMap,
}

/// A socket whose setup Google accepted, and what Google said first.
pub struct Opened {
    /// The socket.
    pub google: Google,
    /// Google's first word.
    pub word: Frame,
}

impl Door {
    /// Opens a socket, and has the setup accepted.
    pub async fn set_up(
        &self,
        caller: &Caller,
        credential: &Credential<'_>,
        setup: &Frame,
    ) -> Result<Opened, Unopened> {
        match self.attempt(caller, credential, setup).await {
            Err(Unopened::Failed(failure, _)) if region::is_elsewhere_better(&failure) => {
                self.attempt(caller, credential, setup).await
            }
            answered => answered,
        }
    }

    async fn attempt(
        &self,
        caller: &Caller,
        credential: &Credential<'_>,
        setup: &Frame,
    ) -> Result<Opened, Unopened> {
        let google = self.open(caller, credential).await?;
        let why = match google.set_up(setup).await {
            Ok(word) => match Unopened::first_word(&word.bytes()) {
                None => return Ok(Opened { google, word }),
                Some(why) => why,
            },
            Err(Some((code, reason))) => Unopened::closed(code, &reason),
            Err(None) => Unopened::NoAnswer,
        };
        google.close();
        Err(why)
    }

    /// Opens a socket.
    pub async fn open(
        &self,
        caller: &Caller,
        credential: &Credential<'_>,
    ) -> Result<Google, Unopened> {
        let mut fields = self.fields.clone();
        asked::place(&mut fields, credential, Dialect::Native);
        fields.insert(UPGRADE, HeaderValue::from_static("websocket"));
        let asking = Asking {
            url: &self.url,
            method: "GET",
            head: &fields,
            body: &JsValue::UNDEFINED,
            signal: Some(&caller.asks()),
            patience: Some(SETUP),
            relay: None,
            eager: true,
        };
        let answer = region::ask(&self.hand.env, asking, true).await.map_err(|error| {
            console_warn!("no socket to the upstream: {}", platform::words(&error));
            Unopened::NoAnswer
        })?;
        if let Some(google) = google_of(&answer.response, caller) {
            return Ok(google);
        }
        let text = answer.text(forward::MAX_ERROR).await;
        let kind = answer.fields.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        Err(Unopened::refused(answer.status, kind, &text))
    }
}
