//! How this program asks others than Google: rarely, and in threads that may wait.

use std::sync::Arc;

use ureq::tls::{RootCerts, TlsConfig, TlsProvider};

/// TLS as calls have it: the same crypto, verified as the system verifies.
pub fn tls() -> TlsConfig {
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(crypto)
        .build()
}
