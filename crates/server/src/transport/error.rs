//! What can go wrong between here and the upstream.
//!
//! Rule: an error says whether anything may have reached the upstream, because that alone decides
//! whether a call may be repeated; and it never holds a header or a body, so it is safe to log.

use std::io;
use std::time::Duration;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// A request that got no answer's head.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub struct SendError {
    /// What happened.
    pub why: Why,
    /// Whether the upstream may have seen some of the request.
    pub sent: Sent,
}

/// How much of a request may have left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Certainly nothing: repeating it is harmless.
    Nothing,
    /// Perhaps some or all of it.
    Perhaps,
}

/// The ways to get no answer.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// No connection could be made.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The connection ended before the answer's head was whole.
    #[error("the upstream closed the connection before it answered: {0}")]
    Reset(#[source] Source),
    /// What came back is not an HTTP answer that can be trusted.
    #[error("the upstream's answer cannot be read: {0}")]
    BadAnswer(#[source] Source),
    /// The request's own body failed; the source is that body's error.
    #[error("the request could not be read to its end: {0}")]
    RequestBody(#[source] Source),
}

/// The ways to get no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name has no address, or no server of names answers.
    #[error("no address found for {host}: {source}")]
    Resolve {
        /// The name asked for.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Every address refused or stayed unreachable.
    #[error("cannot connect to {host}: {source}")]
    Connect {
        /// Where to.
        host: String,
        /// What the last address said.
        source: io::Error,
    },
    /// The deadline for the whole way, TLS included, passed.
    #[error("no connection to {host} within {limit:?}")]
    Timeout {
        /// Where to.
        host: String,
        /// The deadline.
        limit: Duration,
    },
    /// The proxy on the way out would not let us through.
    #[error("the egress proxy refused: {0}")]
    Egress(#[source] Source),
    /// The upstream could not prove who it is, or does not speak TLS.
    #[error("TLS with {host} failed: {source}")]
    Tls {
        /// Who should have proved its name.
        host: String,
        /// What was wrong.
        source: io::Error,
    },
}

/// An answer's body that did not come to its proper end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The upstream cut it, or framed it wrongly.
    #[error("the upstream broke off its answer: {0}")]
    Cut(#[source] Source),
    /// The upstream fell silent.
    #[error("the upstream fell silent within its answer")]
    Silent,
}

impl SendError {
    pub(super) fn nothing_sent(why: impl Into<Why>) -> SendError {
        SendError { why: why.into(), sent: Sent::Nothing }
    }

    /// True when no connection could be made at all.
    pub fn is_dial(&self) -> bool {
        matches!(self.why, Why::Dial(_))
    }
}
