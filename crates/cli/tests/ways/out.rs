//! The way to Google: verified TLS, and one way out through a proxy.

use std::path::PathBuf;

use gemini_sim::{Act, Rule, Sim};

use super::proxy::Proxy;
use crate::common::serving::{Potluck, config, key, sim, stream};

/// A simulator with TLS, its URL, and a file with the authority that vouches for it.
fn secure() -> (Sim, String, tempfile::TempDir, PathBuf) {
    let sim = Sim::start(config(2).tls()).unwrap();
    let here = tempfile::tempdir().unwrap();
    let ca = here.path().join("ca.pem");
    std::fs::write(&ca, sim.ca_pem().unwrap()).unwrap();
    let url = format!("https://localhost:{}", sim.tls_addr().unwrap().port());
    (sim, url, here, ca)
}

fn argument(name: &str, value: impl std::fmt::Display) -> String {
    format!("--{name}={value}")
}

/// Calls of every kind come through.
fn works(potluck: &Potluck, sim: &Sim) {
    assert_eq!(potluck.generate(&key(1), "hello").status, 200);
    let streamed = potluck.ask(stream(&key(1), "[[long 100]]"));
    assert!(streamed.status == 200 && streamed.whole, "{streamed:?}");
    sim.rule(Rule::next(1, Act::SilentClose));
    (0..3).for_each(|_| assert_eq!(potluck.generate(&key(1), "hello").status, 200));
}

#[test]
fn google_is_reached_over_tls_under_an_authority_that_is_named() {
    let (sim, url, _here, ca) = secure();
    let potluck = Potluck::with(&url, &[&argument("upstream-ca", ca.display())]);

    works(&potluck, &sim);

    assert!(sim.log().iter().all(|arrival| arrival.tls));
    assert!(sim.counters().connections <= 6, "connections are kept: {:?}", sim.counters());
}

#[test]
fn nobody_else_is_believed() {
    let (sim, url, _here, ca) = secure();
    let (_other, other_url, _there, _) = secure();
    let ca = argument("upstream-ca", ca.display());
    for potluck in [Potluck::with(&url, &[]), Potluck::with(&other_url, &[&ca])] {
        let answer = potluck.generate(&key(1), "hello");
        assert_eq!((answer.status, answer.reason().as_str()), (502, "POOL_UPSTREAM"), "{answer:?}");
        assert!(!answer.text().contains(&key(1)));
    }
    assert_eq!(sim.counters().requests, 0);
}

#[test]
fn a_proxy_that_speaks_connect_is_the_way_out() {
    let (sim, url, _here, ca) = secure();
    let plain_url = sim.url();
    for (upstream, ca) in [(&url, Some(ca)), (&plain_url, None)] {
        let proxy = Proxy::connect(Some("Basic bWU6c2VjcmV0"));
        let egress = argument("egress", format!("http://me:secret@{}", proxy.addr));
        let ca = ca.map(|ca| argument("upstream-ca", ca.display()));
        let args: Vec<&str> =
            [Some(egress.as_str()), ca.as_deref()].into_iter().flatten().collect();
        let potluck = Potluck::with(upstream, &args);

        works(&potluck, &sim);

        let target = upstream.split_once("://").unwrap().1;
        for asked in proxy.seen() {
            assert!(asked.starts_with(&format!("CONNECT {target} HTTP/1.1\r\n")), "{asked}");
            assert!(!asked.contains(&key(1)), "the proxy learns where we go and nothing else");
        }
        assert!(!proxy.seen().is_empty());
        assert!(!potluck.log().contains("secret"), "{}", potluck.log());
        assert_eq!(sim.last().unwrap().header("proxy-authorization"), None);
    }
}

#[test]
fn a_socks_proxy_is_the_way_out_and_resolves_the_name() {
    let (sim, url, _here, ca) = secure();
    let ca = argument("upstream-ca", ca.display());
    for wants in [None, Some(("me", "secret"))] {
        let proxy = Proxy::socks(wants);
        let user = wants.map_or(String::new(), |(user, password)| format!("{user}:{password}@"));
        for scheme in ["socks5", "socks5h"] {
            let egress = argument("egress", format!("{scheme}://{user}{}", proxy.addr));
            let potluck = Potluck::with(&url, &[&egress, &ca]);
            works(&potluck, &sim);
            assert!(!potluck.log().contains("secret"));
        }
        let name = format!("localhost:{}", sim.tls_addr().unwrap().port());
        assert!(proxy.seen().iter().all(|asked| *asked == name), "{:?}", proxy.seen());
    }
}

#[test]
fn a_proxy_that_refuses_is_an_honest_error_and_nobody_goes_around_it() {
    let sim = sim(1);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let wrong = Proxy::connect(Some("Basic other"));
    let socks = Proxy::socks(Some(("other", "other")));
    for way in [
        format!("http://me:secret@{}", wrong.addr),
        format!("socks5://me:secret@{}", socks.addr),
        format!("socks5://{closed}"),
    ] {
        let potluck = Potluck::with(&sim.url(), &[&argument("egress", &way)]);
        let answer = potluck.generate(&key(1), "hello");
        assert_eq!((answer.status, answer.reason().as_str()), (502, "POOL_UPSTREAM"), "{way}");
        assert!(!potluck.log().contains("secret") && !answer.text().contains("secret"));
    }
    assert_eq!(sim.counters().connections, 0);
}

#[test]
fn an_upstream_that_is_not_there_is_an_honest_error() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for upstream in [format!("http://{closed}"), "http://nowhere.invalid".to_owned()] {
        let potluck = Potluck::with(&upstream, &["--connect-timeout=2s"]);
        let answer = potluck.generate(&key(1), "hello");
        assert_eq!((answer.status, answer.reason().as_str()), (502, "POOL_UPSTREAM"), "{answer:?}");
        assert_eq!(answer.header("x-potluck-key"), Some("not-stored"));
    }
}
