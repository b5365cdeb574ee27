//! Sockets and HTTP/1.1 on both sides, made for a proxy.
//!
//! Why: what a proxy spends is spent here, on every call. Rule: nothing in this module knows what
//! is proxied. It knows connections, limits and bytes; keys, routes and verdicts live elsewhere.
//!
//! * [`listen`] accepts and serves callers; [`guard`] refuses what no request may look like.
//! * [`upstream`] sends to the one origin; [`egress`] is the way there, [`tls`] the lock on it.

pub mod body;
mod caps;
mod dial;
pub mod drain;
pub mod egress;
pub mod error;
pub mod guard;
mod link;
pub mod listen;
mod pulse;
mod session;
pub mod stream;
pub mod tls;
pub mod upstream;
mod upstream_body;
mod waiting;
pub mod workers;

pub use body::Answer;
pub use drain::Shutdown;
pub use egress::Egress;
pub use error::{BodyError, DialError, SendError, Sent, Why};
pub use guard::{GuardRefusal, check};
pub use link::{Asking, Fields, Outgoing};
pub use listen::{Door, Peer, bind, serve};
pub use stream::Stream;
pub use upstream::{Upstream, UpstreamConfig};
pub use upstream_body::UpstreamBody;
pub use workers::Workers;

#[cfg(test)]
mod tests;
