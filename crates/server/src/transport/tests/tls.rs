//! TLS with an authority made for the test.

#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response, Uri};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::wire::{AnyBody, Ask as _, House, config, full, get, say_ok, soon};
use crate::transport::listen::{Limits, Peer};
use crate::transport::tls::{self, TlsError};
use crate::transport::{DialError, SendError, Stream, Upstream, Why};

struct Authority {
    pem: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

fn authority() -> Authority {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem().into_bytes();
    Authority { pem, issuer: Issuer::new(params, key) }
}

fn file(text: impl AsRef<[u8]>) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_ref()).unwrap();
    file
}

impl Authority {
    fn files(&self, name: &str) -> (NamedTempFile, NamedTempFile) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        (file(cert.pem()), file(key.serialize_pem()))
    }

    fn vouch(&self, name: &str) -> Arc<ServerConfig> {
        let (cert, key) = self.files(name);
        tls::server(cert.path(), key.path()).unwrap()
    }
}

fn upstream(house: &House, extra_ca: Option<&[u8]>) -> Upstream<AnyBody> {
    let origin = format!("https://localhost:{}", house.address.port());
    let mut config = config(origin.parse::<Uri>().unwrap());
    config.extra_ca = extra_ca.map(<[u8]>::to_vec);
    Upstream::new(config).unwrap()
}

async fn fetch(upstream: &Upstream<AnyBody>) -> Result<String, SendError> {
    let response = soon(upstream.ask(get("/"), || None)).await?;
    let body = soon(response.into_body().collect()).await.unwrap().to_bytes();
    Ok(String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn an_authority_that_is_trusted_in_addition_vouches_for_the_upstream() {
    let authority = authority();
    let house = House::open_with(Limits::default(), Some(authority.vouch("localhost")), say_ok);
    let upstream = upstream(&house, Some(&authority.pem));

    assert_eq!(fetch(&upstream).await.unwrap(), "ok");
    assert_eq!(fetch(&upstream).await.unwrap(), "ok");

    assert_eq!(house.shutdown.open(), 1, "one connection for both");
}

#[tokio::test]
async fn an_upload_passes_while_it_comes() {
    const LENGTH: usize = 4 << 20;
    let authority = authority();
    let count = |request: Request<Incoming>, _: Peer| async {
        let (mut body, mut came) = (request.into_body(), 0);
        while came < LENGTH {
            came += body.frame().await.unwrap().unwrap().into_data().unwrap().len();
        }
        Response::new(full("all"))
    };
    let house = House::open_with(Limits::default(), Some(authority.vouch("localhost")), count);
    let upstream = upstream(&house, Some(&authority.pem));
    let piece = Ok(Frame::data(Bytes::from(vec![b'x'; LENGTH])));
    let pieces = stream::iter([piece]).chain(stream::pending());
    let body = BodyExt::boxed_unsync(StreamBody::new(pieces));

    let request = Request::post("/").body(body).unwrap();
    let response = soon(upstream.ask(request, || None)).await.unwrap();

    assert_eq!(soon(response.into_body().collect()).await.unwrap().to_bytes(), "all");
}

#[tokio::test]
async fn whoever_cannot_prove_the_name_is_refused() {
    let (authority, stranger) = (authority(), authority());
    for (case, server, trusted) in [
        ("nobody trusts it", authority.vouch("localhost"), None),
        ("another is trusted", authority.vouch("localhost"), Some(&stranger.pem)),
        ("another name", authority.vouch("elsewhere.example"), Some(&authority.pem)),
    ] {
        let house = House::open_with(Limits::default(), Some(server), say_ok);
        let upstream = upstream(&house, trusted.map(Vec::as_slice));

        let error = fetch(&upstream).await.unwrap_err();

        assert!(matches!(error.why, Why::Dial(DialError::Tls { .. })), "{case}: {error:?}");
    }
}

#[tokio::test]
async fn a_plain_server_is_no_tls_server() {
    let house = House::open(Limits::default(), say_ok);

    let error = fetch(&upstream(&house, Some(&authority().pem))).await.unwrap_err();

    assert!(matches!(error.why, Why::Dial(DialError::Tls { .. })), "{error:?}");
}

#[tokio::test]
async fn a_connection_of_its_own_is_under_tls_too() {
    let authority = authority();
    let house = House::open_with(Limits::default(), Some(authority.vouch("localhost")), say_ok);

    let mut stream = soon(upstream(&house, Some(&authority.pem)).connect()).await.unwrap();

    assert!(matches!(stream, Stream::Tls(_)));
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let _ = soon(stream.read_to_string(&mut answer)).await;
    assert!(answer.ends_with("ok"), "{answer}");
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let (authority, nothing) = (authority(), file("nothing"));
    let (cert, key) = authority.files("a");
    let (_, another) = authority.files("a");
    let missing = Path::new("/nonexistent/cert.pem");

    let no_file = tls::server(missing, key.path()).unwrap_err().to_string();
    assert!(no_file.contains("/nonexistent/cert.pem"), "{no_file}");
    let no_cert = tls::server(nothing.path(), key.path()).unwrap_err().to_string();
    assert!(no_cert.contains("holds no certificate"), "{no_cert}");
    let no_key = tls::server(cert.path(), nothing.path()).unwrap_err().to_string();
    assert!(no_key.contains("holds no private key"), "{no_key}");
    let no_pair = tls::server(cert.path(), another.path());
    assert!(matches!(no_pair, Err(TlsError::Pair { .. })), "{no_pair:?}");
    assert!(matches!(tls::client(Some(b"nothing")), Err(TlsError::ExtraCa(_))));
}
