//! The platform's side of requests, answers and bodies; see `js/platform.mjs`.
//!
//! Rule: a head crosses as one text, a line per field; a body crosses only where it must be read.

use std::time::Duration;

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use js_sys::{Promise, Uint8Array};
use wasm_bindgen::JsCast as _;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, ReadableStream, Request, Response};

use crate::passing::Meter;

#[wasm_bindgen(module = "/js/platform.mjs")]
extern "C" {
    #[wasm_bindgen(js_name = head_of)]
    fn head_of_request(request: &Request) -> String;
    /// What `answered` of the module makes.
    type Came;
    #[wasm_bindgen(method, getter)]
    fn response(this: &Came) -> Response;
    #[wasm_bindgen(method, getter)]
    fn status(this: &Came) -> u16;
    #[wasm_bindgen(method, getter)]
    fn head(this: &Came) -> String;
    #[wasm_bindgen(method, getter)]
    fn body(this: &Came) -> Option<ReadableStream>;
    #[wasm_bindgen(method, getter)]
    fn bytes(this: &Came) -> Option<Uint8Array>;
    #[wasm_bindgen(method, getter)]
    fn broken(this: &Came) -> bool;
    fn send(
        relay: Option<&JsValue>,
        url: &str,
        method: &str,
        head: &str,
        body: &JsValue,
        signal: Option<&AbortSignal>,
        patience: f64,
        eager: bool,
    ) -> Promise;
    fn respond(status: u16, head: &str, body: &JsValue) -> Response;
    /// Has an object do what the hour brings.
    pub fn tend(object: &JsValue, sweeps: bool) -> Promise;
    /// Asks the object that holds the pool.
    pub fn ask(object: &JsValue, said: &str) -> Promise;
    fn take(body: Option<&ReadableStream>, limit: f64) -> Promise;
    #[wasm_bindgen(js_name = mark)]
    fn mark_response(response: &Response, head: &str);
    fn holds(bytes: &Uint8Array, text: &str) -> bool;
}

#[wasm_bindgen(module = "/js/metered.mjs")]
extern "C" {
    fn metered(
        body: &ReadableStream,
        meter: Meter,
        signal: &AbortSignal,
        length: Option<f64>,
    ) -> ReadableStream;
}

/// A request's head.
pub fn head_of_asked(request: &Request) -> HeaderMap {
    parse(&head_of_request(request))
}

/// A request as it came in.
pub struct Incoming<'r> {
    /// The platform's own.
    pub request: &'r Request,
    /// The body, if it is small; else it flows.
    pub bytes: Option<Uint8Array>,
}

impl Incoming<'_> {
    /// The body, up to a limit.
    pub async fn read(&self, limit: usize) -> Result<Taken, JsValue> {
        match &self.bytes {
            Some(bytes) => Ok(Taken::Whole(bytes.clone())),
            None => read(self.request.body().as_ref(), limit).await,
        }
    }

    /// The body, untouched.
    pub fn body(&self) -> JsValue {
        match &self.bytes {
            Some(bytes) => bytes.into(),
            None => self.request.body().map_or(JsValue::UNDEFINED, JsValue::from),
        }
    }
}

/// An answer whose head has come.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The head.
    pub fields: HeaderMap,
    /// The body.
    pub body: AnswerBody,
    /// The platform's own; its body is used up.
    pub response: Response,
}

/// What there is of an answer's body.
pub enum AnswerBody {
    /// All of it: it is small.
    Whole(Uint8Array),
    /// It was small, and broke off.
    Broken,
    /// It flows when it is read; nothing of an answer without any.
    Flowing(Option<ReadableStream>),
}

impl Answer {
    /// Whether it is a 2xx.
    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The text of an error; none of one that breaks off or is too long to be Google's.
    pub async fn text(&self, limit: usize) -> Vec<u8> {
        match &self.body {
            AnswerBody::Whole(bytes) if bytes.length() as usize <= limit => bytes.to_vec(),
            AnswerBody::Whole(_) | AnswerBody::Broken => Vec::new(),
            AnswerBody::Flowing(stream) => match read(stream.as_ref(), limit).await {
                Ok(Taken::Whole(bytes)) => bytes.to_vec(),
                Ok(Taken::Longer(_)) | Err(_) => Vec::new(),
            },
        }
    }
}

/// What goes to Google, or to wherever Google sends us.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// The whole URL.
    pub url: &'a str,
    /// The method.
    pub method: &'a str,
    /// The head, credential included.
    pub head: &'a HeaderMap,
    /// The body: nothing, bytes, or a stream.
    pub body: &'a JsValue,
    /// Ends it when the caller leaves.
    pub signal: Option<&'a AbortSignal>,
    /// How long the answer's head may take.
    pub patience: Option<Duration>,
    /// An object elsewhere that asks in our place.
    pub relay: Option<&'a JsValue>,
    /// The answer is no stream: where it is a small text, all of it is waited for.
    pub eager: bool,
}

/// Asks and waits for the answer's head. An error is the platform's word for what went wrong.
pub async fn asked(asking: &Asking<'_>) -> Result<Answer, JsValue> {
    let Asking { url, method, body, signal, eager, .. } = *asking;
    let head = text(asking.head);
    let patience = asking.patience.map_or(0.0, |patience| patience.as_millis() as f64);
    let answer = send(asking.relay, url, method, &head, body, signal, patience, eager);
    let came: Came = JsFuture::from(answer).await?.unchecked_into();
    let body = match came.bytes() {
        Some(bytes) => AnswerBody::Whole(bytes),
        None if came.broken() => AnswerBody::Broken,
        None => AnswerBody::Flowing(came.body()),
    };
    let (status, fields, response) = (came.status(), parse(&came.head()), came.response());
    Ok(Answer { status, fields, body, response })
}

/// Whether that error means that the answer's head took too long.
pub fn is_late(error: &JsValue) -> bool {
    words(error).contains(LATE)
}

/// Whether that error means that a connection broke before anything came back.
pub fn is_lost(error: &JsValue) -> bool {
    words(error).contains("Network connection lost")
}

/// An error in words.
pub fn words(error: &JsValue) -> String {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => error.message().into(),
        None => format!("{error:?}"),
    }
}

/// An answer with a body of the platform's: nothing, bytes, or a stream.
pub fn answer(status: u16, head: &HeaderMap, body: &JsValue) -> Response {
    respond(status, &text(head), body)
}

/// Adds fields to an answer.
pub fn mark(response: &Response, head: &HeaderMap) {
    mark_response(response, &text(head));
}

/// A body that `meter` watches; of that length, where one is promised.
pub fn watched(
    body: &ReadableStream,
    meter: Meter,
    signal: &AbortSignal,
    length: Option<u64>,
) -> ReadableStream {
    metered(body, meter, signal, length.map(|length| length as f64))
}

/// What was read of a body.
pub enum Taken {
    /// All of it.
    Whole(Uint8Array),
    /// It is longer than the limit; nothing of it is missing.
    Longer(ReadableStream),
}

/// Reads a body up to a limit.
pub async fn read(body: Option<&ReadableStream>, limit: usize) -> Result<Taken, JsValue> {
    let taken = JsFuture::from(take(body, limit as f64)).await?;
    let field = |name: &str| js_sys::Reflect::get(&taken, &name.into());
    match field("bytes")?.dyn_into::<Uint8Array>() {
        Ok(bytes) => Ok(Taken::Whole(bytes)),
        Err(_) => field("rest")?.dyn_into().map(Taken::Longer),
    }
}

/// Whether a text stands in bytes of text.
pub fn names(bytes: &Uint8Array, text: &str) -> bool {
    holds(bytes, text)
}

fn parse(head: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in head.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let name = HeaderName::from_bytes(name.as_bytes());
        // The platform shows bytes beyond ASCII as the letters of Latin-1 that they are.
        let value: Option<Vec<u8>> = match value.is_ascii() {
            true => Some(value.as_bytes().to_vec()),
            false => value.chars().map(|letter| u8::try_from(u32::from(letter)).ok()).collect(),
        };
        let value = value.and_then(|value| HeaderValue::from_bytes(&value).ok());
        if let (Ok(name), Some(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    headers
}

fn text(headers: &HeaderMap) -> String {
    let mut text = String::new();
    for (name, value) in headers {
        text.push_str(name.as_str());
        text.push(':');
        text.extend(value.as_bytes().iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text
}

/// What `js/platform.mjs` calls an answer whose head took too long.
const LATE: &str = "the head took too long";
