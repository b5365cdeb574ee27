//! What Google's Gemini API looks like on the wire.
//!
//! Everything in here is a pure function of its arguments: no sockets, no clock, no randomness, no
//! global state. It reads what a caller sent, reads what Google answered, and writes what either
//! of them must see; whether a key is to be blamed or another one tried is decided elsewhere.
//!
//! A request, in the order in which it is understood:
//!
//! - [`credential`]: which key was shown, and whether it can be one at all;
//! - [`route`]: which method is meant, whether its kind may be pooled, and the path to ask Google;
//! - [`query`] and [`headers`]: what else of the request may travel on;
//! - [`body`]: whether the body is plain enough to be served with anybody's key;
//! - [`uploads`]: the URLs that resumable uploads and downloads go through;
//! - [`live`]: the frames of a Live socket, which play the part of bodies.
//!
//! An answer:
//!
//! - [`failure`]: the facts in an error body;
//! - [`stream`]: whether an event stream is whole, failed or broken, and what it used;
//! - [`redact`]: an error body without anybody's key or project in it;
//! - [`answer`]: errors of our own, in Google's shape.

pub mod answer;
pub mod body;
pub mod credential;
pub mod failure;
pub mod headers;
mod json;
pub mod live;
mod params;
pub mod query;
pub mod redact;
pub mod route;
pub mod stream;
pub mod uploads;
mod words;

pub use credential::ApiKey;
pub use route::{Class, Dialect, Family, Route};
