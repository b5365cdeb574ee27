//! TLS under an authority of the simulator's own.

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use gemini_sim::{Config, Key, Sim};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use support::{ASK, GENERATE, KEY};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

fn connector(ca_pem: Option<&str>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    if let Some(pem) = ca_pem {
        roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn it_answers_over_tls_to_who_trusts_its_authority() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let config = Config { ca_out: Some(path.clone()), ..Config::default() };
    let sim = Sim::start(config.tls().keys([Key::new(KEY, 1)])).unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), sim.ca_pem().unwrap());
    let connect = || TcpStream::connect(sim.tls_addr().unwrap());

    for name in ["localhost", "127.0.0.1", "generativelanguage.googleapis.com"] {
        let name = ServerName::try_from(name).unwrap();
        let socket = connect().await.unwrap();
        let mut stream = connector(sim.ca_pem()).connect(name, socket).await.unwrap();
        let length = ASK.len();
        let request = format!(
            "POST {GENERATE} HTTP/1.1\r\nhost: sim\r\nx-goog-api-key: {KEY}\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n{ASK}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(sim.last().unwrap().tls);
    }

    let name = ServerName::try_from("localhost").unwrap();
    assert!(connector(None).connect(name, connect().await.unwrap()).await.is_err());
}
