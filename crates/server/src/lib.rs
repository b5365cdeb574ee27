//! The native edition: listen, forward, stream, drain. The only crate that knows tokio and hyper.
//!
//! The way of a request, top to bottom:
//!
//! - [`transport`] accepts the connection and reads the head;
//! - `handle` guards it, finds its route and its key, and by which `door` that may come in; `tokens`
//!   takes it where an access token stands in a key's place;
//! - `pooled` (after `intake` has read the body), `own`, `uploads`, `live` or `local` take it from
//!   there;
//! - `forward` asks the pool (through a `lease`) which key to send it with (as `outgoing`), and
//!   does so until one answer is the caller's;
//! - `served` makes Google's answer ours, and `passing` watches its body go.
//!
//! Beside the calls, `background` carries out what the pool wants stored, probed or told.

mod admin;
mod app;
mod background;
mod caller;
pub mod client;
mod clock;
pub mod diagnosis;
mod door;
mod download;
mod erasures;
mod forward;
mod handle;
mod idle;
mod intake;
mod join;
mod kept;
mod lease;
mod lent;
mod live;
mod local;
mod me;
mod metrics;
mod outgoing;
mod own;
mod passing;
mod pooled;
mod pools;
mod probe;
mod problem;
mod sending;
mod served;
pub mod settings;
mod start;
mod tokens;
mod traces;
pub mod transport;
mod uploads;
mod usage;
mod watchman;
mod webhook;

/// Copies of the data.
pub use potluck_store::sqlite::copy as copies;
pub use start::{Server, StartError, StopError};

/// An answer on its way to a caller.
type Reply = http::Response<transport::Answer<sending::Sending, Box<passing::Passing>>>;
