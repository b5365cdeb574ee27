//! How a simulator is set up.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use crate::{
    catalog::{self, Model},
    key::Key,
    quota::Window,
};

/// Set-up of a simulator. The default listens on a free port of 127.0.0.1, without TLS, with the
/// usual models and no keys.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where to listen for TLS, if at all.
    pub tls_listen: Option<SocketAddr>,
    /// Where to write the certificate of the authority that vouches for the simulator.
    pub ca_out: Option<PathBuf>,
    /// Further names in the certificate.
    pub tls_names: Vec<String>,
    /// Keys from the start.
    pub keys: Vec<Key>,
    /// Models on offer.
    pub models: Vec<Model>,
    /// How minutes are counted.
    pub window: Window,
    /// The base of upload and video URLs; absent: the host as the caller named it.
    pub public_url: Option<String>,
    /// Answers in gzip who accepts it.
    pub gzip: bool,
    /// Thought signatures are good for the project only that made them.
    pub bound_signatures: bool,
    /// An `AQ.` key is refused as `?key=`.
    pub refuse_auth_key_in_query: bool,
    /// The pause between a stream's events.
    pub event_gap: Duration,
    /// How long each answer takes.
    pub latency: Duration,
    /// How long a file is `PROCESSING`.
    pub processing: Duration,
    /// How many arrivals the log keeps.
    pub log_size: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls_listen: None,
            ca_out: None,
            tls_names: Vec::new(),
            keys: Vec::new(),
            models: catalog::standard(),
            window: Window::Sliding,
            public_url: None,
            gzip: false,
            bound_signatures: true,
            refuse_auth_key_in_query: true,
            event_gap: Duration::ZERO,
            latency: Duration::ZERO,
            processing: Duration::ZERO,
            // Enough for a test that sends ten thousand requests and looks at each.
            log_size: 10_000,
        }
    }
}

impl Config {
    /// With these keys.
    #[must_use]
    pub fn keys(mut self, keys: impl IntoIterator<Item = Key>) -> Self {
        self.keys.extend(keys);
        self
    }

    /// With TLS on a free port.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls_listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        self
    }
}
