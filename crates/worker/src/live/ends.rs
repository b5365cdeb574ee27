//! The platform's side of sockets; see `js/sockets.mjs`.
//!
//! Rule: a frame crosses only where it must be read: the setup, Google's first word, and what a
//! caller sends to somebody else's project.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use js_sys::{Promise, Uint8Array};
use potluck_edition::sockets::{Closing, FIRST_FRAME, MAX_MESSAGE, SETUP};
use potluck_gemini::live;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Response};

#[wasm_bindgen(module = "/js/sockets.mjs")]
extern "C" {
    /// The caller's end.
    pub type Caller;
    #[wasm_bindgen(constructor)]
    fn open(limit: f64) -> Caller;
    /// The answer that opens it.
    #[wasm_bindgen(method, getter)]
    pub fn answer(this: &Caller) -> Response;
    /// A signal for one attempt, aborted when the caller leaves before it has led to a socket.
    #[wasm_bindgen(method)]
    pub fn asks(this: &Caller) -> AbortSignal;
    #[wasm_bindgen(method, getter)]
    fn over(this: &Caller) -> Promise;
    #[wasm_bindgen(method, js_name = next)]
    fn next_of_caller(this: &Caller, patience: f64) -> Promise;
    #[wasm_bindgen(method, js_name = close)]
    fn close_caller(this: &Caller, code: Option<u16>, reason: &str);
    #[wasm_bindgen(method, js_name = relay)]
    fn relay_frames(
        this: &Caller,
        google: &Google,
        word: &JsValue,
        plain: Option<Plain>,
    ) -> Promise;

    /// Google's end.
    pub type Google;
    /// Google's end, if that answer opened one.
    pub fn google_of(response: &Response, caller: &Caller) -> Option<Google>;
    #[wasm_bindgen(method)]
    fn send(this: &Google, frame: &JsValue);
    #[wasm_bindgen(method)]
    fn next(this: &Google, patience: f64) -> Promise;
    #[wasm_bindgen(method, js_name = close)]
    fn close_google(this: &Google);
    #[wasm_bindgen(method, getter)]
    fn ended(this: &Google) -> Option<How>;

    type How;
    #[wasm_bindgen(method, getter)]
    fn by(this: &How) -> Option<u8>;
    #[wasm_bindgen(method, getter)]
    fn code(this: &How) -> Option<u16>;
    #[wasm_bindgen(method, getter)]
    fn reason(this: &How) -> Option<String>;
}

/// A frame, text or not, where the platform keeps it.
pub struct Frame(JsValue);

/// The code of a close frame that has none, as the platform writes it.
const NO_CODE: u16 = 1005;

/// What Google closed a socket with, if it said anything.
pub type Word = Option<(u16, String)>;

/// Why a socket is over.
pub enum Ended {
    /// The caller closed it, or is gone.
    Left,
    /// A frame points at somebody's state.
    Foreign,
    /// Google closed it.
    Closed(Word),
    /// Google's end broke.
    Cut,
}

impl Frame {
    /// The bytes.
    pub fn bytes(&self) -> Vec<u8> {
        match self.0.as_string() {
            Some(text) => text.into_bytes(),
            None => Uint8Array::new(&self.0).to_vec(),
        }
    }
}

impl Caller {
    /// Both ends of a new socket: one goes away with the answer.
    pub fn new() -> Caller {
        Caller::open(MAX_MESSAGE as f64)
    }

    /// The first frame; none if the caller leaves before, or takes too long.
    pub async fn first(&self) -> Option<Frame> {
        arrived(self.next_of_caller(milliseconds(FIRST_FRAME))).await
    }

    /// What comes of `work`; none if the caller leaves before.
    pub async fn waits<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let left = JsFuture::from(self.over());
        match select(pin!(work), pin!(left)).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }

    /// Passes frames until either end is over; then so is the other. `judged`: the caller's frames
    /// go to somebody else's project.
    pub async fn relay(&self, google: &Google, word: Option<Frame>, judged: bool) -> Ended {
        let word = word.map_or(JsValue::UNDEFINED, |Frame(word)| word);
        let plain = judged.then_some(Plain {});
        let how = JsFuture::from(self.relay_frames(google, &word, plain)).await;
        google.close_google();
        // The promise is never rejected.
        how.map_or(Ended::Cut, |how| ended(how.unchecked_ref()))
    }

    /// Says goodbye.
    pub fn close(&self, closing: &Closing) {
        self.close_caller(Some(closing.code), &closing.reason);
    }

    /// Says goodbye without a word.
    pub fn hang_up(&self) {
        self.close_caller(None, "");
    }
}

impl Google {
    /// Sends the setup; Google's first word, or what it closes with.
    pub async fn set_up(&self, setup: &Frame) -> Result<Frame, Word> {
        self.send(&setup.0);
        let word = arrived(self.next(milliseconds(SETUP))).await;
        word.ok_or_else(|| self.ended().and_then(|how| said(&how)))
    }

    /// Closes it.
    pub fn close(&self) {
        self.close_google();
    }
}

/// Judges what a caller sends on a pooled socket.
#[wasm_bindgen]
pub struct Plain {}

#[wasm_bindgen]
impl Plain {
    /// Whether a text may pass.
    pub fn text(&self, frame: &str) -> bool {
        live::is_plain(frame.as_bytes())
    }

    /// Whether bytes may pass.
    pub fn bytes(&self, frame: &[u8]) -> bool {
        live::is_plain(frame)
    }
}

async fn arrived(frame: Promise) -> Option<Frame> {
    let frame = JsFuture::from(frame).await.ok()?;
    (!frame.is_undefined()).then_some(Frame(frame))
}

/// In the numbers of `js/sockets.mjs`.
fn ended(how: &How) -> Ended {
    match how.by() {
        Some(0) => Ended::Left,
        Some(1) => Ended::Foreign,
        Some(2) => Ended::Closed(said(how)),
        _ => Ended::Cut,
    }
}

fn said(how: &How) -> Word {
    let code = how.code().filter(|code| *code != NO_CODE)?;
    Some((code, how.reason().unwrap_or_default()))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_millis() as f64
}
