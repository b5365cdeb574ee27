//! TLS on both sides.
//!
//! Rule: whoever the upstream claims to be is always verified. There is a way to trust one more
//! authority, and none to trust nobody in particular.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ServerConfig};
use rustls_platform_verifier::Verifier;

/// The one protocol spoken on either side.
const HTTP_1_1: &[u8] = b"http/1.1";

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{path} holds no {wanted} in PEM form{detail}")]
    Pem {
        /// Which.
        path: PathBuf,
        /// What was looked for.
        wanted: &'static str,
        /// What the reader said, if anything.
        detail: String,
    },
    /// The extra authority is not a certificate.
    #[error("the extra certificate authority cannot be used: {0}")]
    ExtraCa(String),
    /// Certificate and key do not go together, or are of no use.
    #[error("certificate {cert} and key {key} cannot be used: {source}")]
    Pair {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What rustls said.
        source: rustls::Error,
    },
    /// Neither the system nor the settings name an authority to trust.
    #[error("no certificate authority to trust: {0}")]
    NoRoots(rustls::Error),
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Trusts what the system trusts and, when given, the authorities in `extra_ca` (PEM).
pub fn client(extra_ca: Option<&[u8]>) -> Result<Arc<ClientConfig>, TlsError> {
    let extra = extra_ca.map(authorities).transpose()?.unwrap_or_default();
    let verifier = Verifier::new_with_extra_roots(extra, provider()).map_err(TlsError::NoRoots)?;
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::NoRoots)?
        // The name warns of verifiers that verify nothing; this one is the system's own.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(Arc::new(config))
}

fn authorities(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err(TlsError::ExtraCa("no certificate in PEM form in it".to_owned()))
        }
        Ok(found) => Ok(found),
        Err(error) => Err(TlsError::ExtraCa(error.to_string())),
    }
}

/// Shows the certificate chain in `cert` (leaf first), proved by the private key in `key`.
pub fn server(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = read_chain(cert)?;
    let secret = read_key(key)?;
    let pair = |source| TlsError::Pair { cert: cert.to_owned(), key: key.to_owned(), source };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(pair)?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(pair)?;
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(Arc::new(config))
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(unreadable(path, "certificate", None)),
        Err(error) => Err(unreadable(path, "certificate", Some(&error))),
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(path)?)
        .map_err(|error| unreadable(path, "private key", Some(&error)))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::File { path: path.to_owned(), source })
}

fn unreadable(path: &Path, wanted: &'static str, error: Option<&pem::Error>) -> TlsError {
    let detail = error.map(|error| format!(" ({error})")).unwrap_or_default();
    TlsError::Pem { path: path.to_owned(), wanted, detail }
}
