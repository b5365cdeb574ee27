//! The transport against sockets that say exactly what a test wants said.

mod asking;
mod callers;
mod deadlines;
mod draining;
mod framing;
mod proxies;
mod reuse;
mod streams;
mod tls;
mod wire;
