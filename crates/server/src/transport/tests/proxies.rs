//! The way out through a proxy.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use http::Uri;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::wire::{AnyBody, Ask as _, RawServer, config, get, read_head, soon};
use crate::transport::egress::{Egress, EgressError};
use crate::transport::{DialError, SendError, Sent, Upstream, Why};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn a_proxy_is_named_by_a_url() {
    for (url, shown) in [
        ("direct", Ok("Egress(direct)")),
        ("http://proxy:3128", Ok("Egress(http proxy:3128)")),
        ("proxy:3128", Ok("Egress(http proxy:3128)")),
        ("socks5://proxy", Ok("Egress(socks5 proxy:1080)")),
        ("socks5h://u:p@[::1]:9050", Ok("Egress(socks5 ::1:9050)")),
        ("https://proxy", Err(EgressError::Scheme)),
        ("socks4://proxy", Err(EgressError::Scheme)),
        ("http://", Err(EgressError::NotAUrl)),
        ("", Err(EgressError::NotAUrl)),
    ] {
        let parsed = Egress::parse(url).map(|egress| format!("{egress:?}"));

        assert_eq!(parsed.as_deref(), shown.as_ref().map(|shown| *shown), "{url}");
    }
}

#[test]
fn a_proxys_password_is_never_printed() {
    for url in ["http://user:hunter2@proxy:1", "socks5://user:hunter2@proxy:1"] {
        let shown = format!("{:?}", Egress::parse(url).unwrap());

        assert!(!shown.contains("hunter2") && !shown.contains("user"), "{shown}");
    }
    let error = Egress::parse("ftp://user:hunter2@proxy").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

/// An upstream, what the environment says, and the way that follows.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

#[test]
fn the_usual_variables_name_the_proxy() {
    let cases: &[Case<'_>] = &[
        ("https://a.example", &[], "direct"),
        ("https://a.example", &[("HTTPS_PROXY", "http://p:1")], "http p:1"),
        ("https://a.example", &[("https_proxy", "http://p:1")], "http p:1"),
        ("https://a.example", &[("ALL_PROXY", "socks5://p:1")], "socks5 p:1"),
        (
            "https://a.example",
            &[("HTTPS_PROXY", "http://p:1"), ("ALL_PROXY", "http://q:1")],
            "http p:1",
        ),
        ("https://a.example", &[("HTTPS_PROXY", ""), ("ALL_PROXY", "http://q:1")], "http q:1"),
        ("https://a.example", &[("HTTP_PROXY", "http://p:1")], "direct"),
        ("http://a.example", &[("http_proxy", "http://p:1")], "http p:1"),
        ("https://a.example", &[("ALL_PROXY", "http://p:1"), ("NO_PROXY", "b,.example")], "direct"),
        ("https://a.example", &[("ALL_PROXY", "http://p:1"), ("no_proxy", "*")], "direct"),
        ("http://127.0.0.1:1", &[("ALL_PROXY", "http://p:1")], "direct"),
        ("http://localhost:1", &[("ALL_PROXY", "http://p:1")], "direct"),
    ];
    for (upstream, variables, expected) in cases {
        let look = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };

        let egress = Egress::from_env(look, &upstream.parse::<Uri>().unwrap()).unwrap();

        assert_eq!(format!("{egress:?}"), format!("Egress({expected})"), "{variables:?}");
    }
}

#[test]
fn a_variable_that_cannot_be_read_is_an_error_and_not_a_direct_way() {
    let look = |name: &str| (name == "HTTPS_PROXY").then(|| "quic://p:1".to_owned());

    let egress = Egress::from_env(look, &Uri::from_static("https://a.example"));

    assert_eq!(egress.err(), Some(EgressError::Scheme));
}

fn through(url: String) -> Upstream<AnyBody> {
    // A name that only the proxy can resolve.
    let mut config = config(Uri::from_static("http://upstream.invalid:8080"));
    config.egress = Egress::parse(&url).unwrap();
    Upstream::new(config).unwrap()
}

async fn fetch(upstream: &Upstream<AnyBody>) -> Result<String, SendError> {
    let response = soon(upstream.ask(get("/"), || None)).await?;
    let body = soon(response.into_body().collect()).await.unwrap().to_bytes();
    Ok(String::from_utf8(body.to_vec()).unwrap())
}

/// An HTTP proxy that leads everywhere to `to`, for whoever knows the password.
async fn connect_proxy(to: SocketAddr) -> (RawServer, mpsc::UnboundedReceiver<String>) {
    let (tell, told) = mpsc::unbounded_channel();
    let proxy = RawServer::start(move |_, mut stream| {
        let tell = tell.clone();
        async move {
            let head = read_head(&mut stream).await.unwrap();
            let allowed = head.contains("Proxy-Authorization: Basic dXNlcjpwYXNz\r\n");
            tell.send(head).unwrap();
            if !allowed {
                let _ = stream.write_all(b"HTTP/1.1 407 Who?\r\nContent-Length: 0\r\n\r\n").await;
                return;
            }
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
            let mut onward = TcpStream::connect(to).await.unwrap();
            let _ = copy_bidirectional(&mut stream, &mut onward).await;
        }
    })
    .await;
    (proxy, told)
}

#[tokio::test]
async fn an_http_proxy_is_asked_for_a_tunnel() {
    let server = RawServer::answering(OK).await;
    let (proxy, mut told) = connect_proxy(server.address).await;
    let upstream = through(format!("http://user:pass@{}", proxy.address));

    assert_eq!(fetch(&upstream).await.unwrap(), "ok");
    assert_eq!(fetch(&upstream).await.unwrap(), "ok");

    assert!(told.recv().await.unwrap().starts_with("CONNECT upstream.invalid:8080 HTTP/1.1\r\n"));
    assert_eq!(proxy.accepted(), 1, "the tunnel is kept");
}

#[tokio::test]
async fn a_proxy_that_refuses_is_told_as_the_proxys_doing() {
    let server = RawServer::answering(OK).await;
    let (proxy, _told) = connect_proxy(server.address).await;

    let error = fetch(&through(format!("http://{}", proxy.address))).await.unwrap_err();

    assert!(matches!(error.why, Why::Dial(DialError::Egress(_))), "{error:?}");
    assert_eq!(error.sent, Sent::Nothing);
}

/// A SOCKS5 proxy that leads everywhere to `to`, for whoever knows the password.
async fn socks_proxy(to: SocketAddr) -> (RawServer, mpsc::UnboundedReceiver<String>) {
    let (tell, told) = mpsc::unbounded_channel();
    let proxy = RawServer::start(move |_, stream| {
        let tell = tell.clone();
        async move {
            // A caller that leaves in the middle ends the conversation, and that is all.
            let _ = socks(stream, to, tell).await;
        }
    })
    .await;
    (proxy, told)
}

async fn socks(
    mut stream: TcpStream,
    to: SocketAddr,
    tell: mpsc::UnboundedSender<String>,
) -> std::io::Result<()> {
    assert_eq!(stream.read_u8().await?, 5);
    let mut methods = vec![0; stream.read_u8().await?.into()];
    stream.read_exact(&mut methods).await?;
    if !methods.contains(&2) {
        return stream.write_all(&[5, 0xff]).await;
    }
    stream.write_all(&[5, 2]).await?;
    assert_eq!(stream.read_u8().await?, 1);
    let mut login = [0; 10];
    stream.read_exact(&mut login).await?;
    if &login != b"\x04user\x04pass" {
        return stream.write_all(&[1, 1]).await;
    }
    stream.write_all(&[1, 0]).await?;
    let mut request = [0; 5];
    stream.read_exact(&mut request).await?;
    assert_eq!(request[..4], [5, 1, 0, 3], "CONNECT to a name");
    let mut name = vec![0; usize::from(request[4]) + 2];
    stream.read_exact(&mut name).await?;
    let port = u16::from_be_bytes([name[name.len() - 2], name[name.len() - 1]]);
    tell.send(format!("{}:{port}", String::from_utf8_lossy(&name[..name.len() - 2]))).unwrap();
    stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    let mut onward = TcpStream::connect(to).await?;
    copy_bidirectional(&mut stream, &mut onward).await.map(|_| ())
}

#[tokio::test]
async fn a_socks5_proxy_resolves_the_name_itself() {
    let server = RawServer::answering(OK).await;
    let (proxy, mut told) = socks_proxy(server.address).await;
    for scheme in ["socks5", "socks5h"] {
        let upstream = through(format!("{scheme}://user:pass@{}", proxy.address));

        assert_eq!(fetch(&upstream).await.unwrap(), "ok", "{scheme}");

        assert_eq!(told.recv().await.unwrap(), "upstream.invalid:8080", "{scheme}");
    }
}

#[tokio::test]
async fn a_socks5_proxy_that_refuses_is_told_as_the_proxys_doing() {
    let server = RawServer::answering(OK).await;
    let (proxy, _told) = socks_proxy(server.address).await;
    for login in ["", "user:wron@"] {
        let error =
            fetch(&through(format!("socks5://{login}{}", proxy.address))).await.unwrap_err();

        assert!(matches!(error.why, Why::Dial(DialError::Egress(_))), "{login}: {error:?}");
    }
}
