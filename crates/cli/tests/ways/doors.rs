//! Who is believed to come from where, and the door under TLS.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::common::raw::Ask;
use crate::common::serving::{Potluck, generate, key, sim};

fn metrics(potluck: &Potluck, from: Option<&str>) -> u16 {
    let ask = Ask::get("/metrics");
    let ask = match from {
        Some(from) => ask.header("x-forwarded-for", from),
        None => ask,
    };
    potluck.ask(ask).status
}

#[test]
fn metrics_are_for_this_machine_and_for_operators() {
    let sim = sim(0);
    let behind = Potluck::with(&sim.url(), &["--trusted-proxy=127.0.0.1/32,10.0.0.0/8"]);
    for (from, status) in [
        (None, 200),
        (Some("192.0.2.1"), 401),
        (Some("192.0.2.1, 10.1.2.3"), 401),
        (Some("127.0.0.1, 192.0.2.1"), 401),
        (Some("127.0.0.1, 192.0.2.1, 10.1.2.3"), 401),
        (Some("2001:db8::1"), 401),
    ] {
        assert_eq!(metrics(&behind, from), status, "{from:?}");
    }
    let bearer = format!("Bearer {}", behind.admin_token());
    let ask = Ask::get("/metrics").header("x-forwarded-for", "192.0.2.1");
    assert_eq!(behind.ask(ask.header("authorization", &bearer)).status, 200);

    let direct = Potluck::start(&sim);
    assert_eq!(metrics(&direct, Some("192.0.2.1")), 200, "nobody's word but the socket's");
}

#[test]
fn a_forwarded_address_is_believed_from_trusted_proxies_alone() {
    let sim = sim(0);
    let direct = Potluck::start(&sim);
    let asked = |potluck: &Potluck, number: usize| {
        let from = format!("192.0.2.{number}");
        potluck.ask(generate(&key(100 + number), "x").header("x-forwarded-for", &from)).status
    };
    let all: Vec<u16> = (0..12).map(|number| asked(&direct, number)).collect();
    assert_eq!(&all[10..], [429, 429], "one address, whatever it says of itself: {all:?}");

    let behind = Potluck::with(&sim.url(), &["--trusted-proxy=127.0.0.0/8"]);
    let all: Vec<u16> = (0..12).map(|number| asked(&behind, number)).collect();
    assert_eq!(all, [400; 12], "twelve addresses");
}

/// A certificate for 127.0.0.1 as files, and its bytes for a client.
fn certificate(
    here: &tempfile::TempDir,
) -> (String, String, rustls::pki_types::CertificateDer<'static>) {
    let pair = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let cert = params.self_signed(&pair).unwrap();
    let path = |name: &str| here.path().join(name).display().to_string();
    let (cert_path, key_path) = (path("cert.pem"), path("key.pem"));
    std::fs::write(&cert_path, cert.pem()).unwrap();
    std::fs::write(&key_path, pair.serialize_pem()).unwrap();
    (cert_path, key_path, cert.der().clone())
}

#[test]
fn callers_are_served_under_tls() {
    let sim = sim(1);
    let here = tempfile::tempdir().unwrap();
    let (cert, pair, der) = certificate(&here);
    let args = [format!("--tls-cert={cert}"), format!("--tls-key={pair}")];
    let potluck = Potluck::with(&sim.url(), &[&args[0], &args[1]]);
    let mut roots = RootCertStore::empty();
    roots.add(der).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = Arc::new(config);
    let ask = |request: Vec<u8>| {
        let name = "localhost".try_into().unwrap();
        let session = ClientConnection::new(Arc::clone(&config), name).unwrap();
        let mut stream = StreamOwned::new(session, TcpStream::connect(potluck.addr()).unwrap());
        stream.write_all(&request).unwrap();
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    };

    let call = generate(&key(1), "hello").header("connection", "close");
    let answer = ask(call.bytes(potluck.addr()));
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("You said: hello"), "{answer}");

    let upload = Ask::post("/upload/v1beta/files")
        .header("x-goog-api-key", &key(1))
        .header("x-goog-upload-protocol", "resumable")
        .header("x-goog-upload-command", "start")
        .header("connection", "close")
        .body("{}");
    let answer = ask(upload.bytes(potluck.addr()));
    let url = format!("x-goog-upload-url: https://{}/upload/", potluck.addr());
    assert!(answer.contains(&url), "{answer}");

    let mut plain = generate(&key(1), "hello").open(potluck.addr());
    assert!(plain.head().is_none(), "not without TLS");
}
