//! How one setting's text becomes a value, or a phrase that says what it should have been.
//!
//! Rule: a phrase never repeats the text: where the text came from and whether it may be shown is
//! for the layers to say.

mod admission;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use http::Uri;
use http::uri::Authority;
use ipnet::IpNet;
use jiff::SignedDuration;
use potluck_server::settings::PublicUrl;
use tracing_subscriber::EnvFilter;

pub use admission::{Expiry, admission, expiry, number_or_none, some_number};

/// With more parts than this each would be too small to be fair, as at the edge.
const MOST_PARTS: u8 = 64;
/// More threads than any machine has processors for are a slip of the finger.
const MOST_THREADS: usize = 1024;

/// Longer limits than a day are no limits, and risk overflow in clocks.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What a parser of this module gives.
type Parsed<T> = Result<T, String>;

/// The text of an egress setting: may hold a password, hence no Debug or Display of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl(String);

impl ProxyUrl {
    /// The text, password and all. For the one who connects.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyUrl({})", shown(&self.0))
    }
}

/// A log filter that was parsed once, so that parsing it again cannot fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(String);

impl Filter {
    /// The filter for the subscriber.
    pub fn to_env_filter(&self) -> EnvFilter {
        EnvFilter::new(&self.0)
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Text,
    /// For programs, one object a line.
    Json,
}

/// The text as it may be printed: whatever stands before an `@` can be a password.
pub fn shown(text: &str) -> String {
    match text.rsplit_once('@') {
        None => text.to_owned(),
        Some((before, after)) => {
            let scheme = before.split_once("://").map(|(scheme, _)| format!("{scheme}://"));
            format!("{}***@{after}", scheme.unwrap_or_default())
        }
    }
}

/// An address and a port.
pub fn listen(text: &str) -> Parsed<SocketAddr> {
    let text = text.replace("localhost:", "127.0.0.1:");
    text.parse().map_err(|_| "needs an address and a port, such as 127.0.0.1:8080".to_owned())
}

/// Scheme and authority of the upstream.
pub fn upstream(text: &str) -> Parsed<Uri> {
    let (https, authority) = origin(text)?;
    let scheme = if https { "https" } else { "http" };
    Uri::builder()
        .scheme(scheme)
        .authority(authority)
        .path_and_query("/")
        .build()
        .map_err(|_| ORIGIN.to_owned())
}

/// Scheme and authority callers know us by.
pub fn public_url(text: &str) -> Parsed<PublicUrl> {
    origin(text).map(|(https, authority)| PublicUrl { https, authority })
}

/// A network, or one address for the network of itself.
pub fn network(text: &str) -> Parsed<IpNet> {
    text.parse()
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        .map(|net| net.trunc())
        .map_err(|_| "needs a network, such as 10.0.0.0/8, or an address".to_owned())
}

/// The way out; judged in full where it is put to use.
pub fn proxy(text: &str) -> Parsed<ProxyUrl> {
    crate::settings::egress(text)?;
    Ok(ProxyUrl(text.to_owned()))
}

/// A path that is not empty.
pub fn path(text: &str) -> Parsed<PathBuf> {
    if text.is_empty() { Err("needs a path".to_owned()) } else { Ok(text.into()) }
}

/// How many threads.
pub fn threads(text: &str) -> Parsed<usize> {
    text.parse()
        .ok()
        .filter(|n| (1..=MOST_THREADS).contains(n))
        .ok_or_else(|| format!("needs a number from 1 to {MOST_THREADS}"))
}

/// Where a running server listens.
pub fn server(text: &str) -> Parsed<Uri> {
    const SERVER: &str = "it is written https://HOST, or http://127.0.0.1:PORT on this machine";
    const CLEAR: &str = "keys and the admin token would leave this machine in the clear; use https, \
                         or a tunnel to a port of this machine";
    let uri: Uri = text.parse().map_err(|_| SERVER)?;
    let bare = uri.path_and_query().is_none_or(|path| path == "/");
    let host = uri.host().filter(|_| bare).ok_or(SERVER)?;
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if is_here(host) => Ok(uri),
        Some("http") => Err(CLEAR.into()),
        _ => Err(SERVER.into()),
    }
}

fn is_here(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Where alarms are told.
pub fn webhook(text: &str) -> Parsed<Uri> {
    let uri: Uri = text.parse().map_err(|_| "needs a URL")?;
    let spoken = matches!(uri.scheme_str(), Some("https" | "http"));
    if spoken && uri.host().is_some() { Ok(uri) } else { Err("needs an https:// URL".into()) }
}

/// How many parts of the pool.
pub fn parts(text: &str) -> Parsed<u8> {
    text.parse()
        .ok()
        .filter(|n| (1..=MOST_PARTS).contains(n))
        .ok_or_else(|| format!("needs a number from 1 to {MOST_PARTS}"))
}

/// How many of something.
pub fn count(text: &str) -> Parsed<usize> {
    text.replace('_', "")
        .parse()
        .ok()
        .filter(|n| *n > 0)
        .ok_or_else(|| "needs a whole number, at least 1".to_owned())
}

/// A time, nothing at all included.
pub fn time(text: &str) -> Parsed<Duration> {
    SignedDuration::from_str(text)
        .ok()
        .and_then(|time| Duration::try_from(time).ok())
        .filter(|time| *time <= LONGEST)
        .ok_or_else(|| "needs a time up to a day, such as 500ms, 30s or 5m".to_owned())
}

/// A time longer than nothing.
pub fn some_time(text: &str) -> Parsed<Duration> {
    match time(text)? {
        Duration::ZERO => Err("needs a time longer than nothing".to_owned()),
        time => Ok(time),
    }
}

/// A time, or `none` for no limit.
pub fn time_or_none(text: &str) -> Parsed<Option<Duration>> {
    if text == "none" {
        return Ok(None);
    }
    some_time(text).map(Some).map_err(|phrase| format!("{phrase}, or none"))
}

/// Bytes: a number, with or without a decimal or binary unit.
pub fn size(text: &str) -> Parsed<usize> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: Option<usize> = number.replace('_', "").parse().ok();
    unit_of_size(unit.trim())
        .and_then(|unit| number?.checked_mul(unit))
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "needs a size, such as 64KiB, 110MB or 1GiB".to_owned())
}

/// True or false.
pub fn switch(text: &str) -> Parsed<bool> {
    match text {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("needs true or false".to_owned()),
    }
}

/// A level, or a filter of targets and levels.
pub fn filter(text: &str) -> Parsed<Filter> {
    let judged = EnvFilter::builder().parse(text);
    // A single word that is no level is read as the name of a target by the parser, which then
    // logs nothing of what was meant.
    let word = text.chars().all(|c| c.is_ascii_alphanumeric());
    let level = text.parse::<tracing_subscriber::filter::LevelFilter>().is_ok();
    if judged.is_err() || (word && !level) {
        return Err("needs error, warn, info, debug, trace, off, or a filter such as \
                    potluck=debug,info"
            .to_owned());
    }
    Ok(Filter(text.to_owned()))
}

/// How to write logs.
pub fn log_format(text: &str) -> Parsed<LogFormat> {
    match text {
        "auto" => Ok(LogFormat::Auto),
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("needs text, json or auto".to_owned()),
    }
}

const ORIGIN: &str = "needs http:// or https:// and a host, such as https://example.org:8443, \
                      without user, path or query";

/// Scheme (true for https) and authority of a URL that has nothing else.
fn origin(text: &str) -> Parsed<(bool, Authority)> {
    let parts = text.parse::<Uri>().map_err(|_| ORIGIN)?.into_parts();
    let bare = parts.path_and_query.is_none_or(|path| path == "/");
    let https = match parts.scheme.as_ref().map(http::uri::Scheme::as_str) {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(ORIGIN.to_owned()),
    };
    match parts.authority {
        Some(authority) if bare && !authority.as_str().contains('@') => Ok((https, authority)),
        _ => Err(ORIGIN.to_owned()),
    }
}

fn unit_of_size(unit: &str) -> Option<usize> {
    let power = |base: usize, exponent| base.checked_pow(exponent);
    match unit.to_ascii_lowercase().as_str() {
        "" | "b" => Some(1),
        "k" | "kb" => power(1000, 1),
        "m" | "mb" => power(1000, 2),
        "g" | "gb" => power(1000, 3),
        "kib" => power(1024, 1),
        "mib" => power(1024, 2),
        "gib" => power(1024, 3),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn nothing_is_told_to_another_machine_in_the_clear() {
        for good in [
            "https://pool.example",
            "http://127.0.0.1:8080",
            "http://[::1]:9",
            "http://localhost:1/",
        ] {
            assert!(server(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("http://pool.example:8080", "in the clear"),
            ("http://127.0.0.1.example:1", "in the clear"),
            ("http://192.168.1.2:8080", "in the clear"),
            ("ftp://127.0.0.1", "https://HOST"),
            ("https://pool.example/path", "https://HOST"),
            ("pool.example", "https://HOST"),
        ] {
            assert!(server(bad).unwrap_err().to_string().contains(why), "{bad}");
        }
    }

    #[test]
    fn sizes_are_read_in_both_systems() {
        let table = [
            ("1", Some(1)),
            ("64KiB", Some(64 << 10)),
            ("110MB", Some(110_000_000)),
            ("256 MiB", Some(256 << 20)),
            ("1_000", Some(1000)),
            ("2g", Some(2_000_000_000)),
            ("0", None),
            ("", None),
            ("MB", None),
            ("1.5GB", None),
            ("-1", None),
            ("99999999999GiB", None),
            ("10 apples", None),
        ];
        for (text, bytes) in table {
            assert_eq!(size(text).ok(), bytes, "{text}");
        }
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        let table = [
            ("500ms", Some(500)),
            ("30s", Some(30_000)),
            ("5m", Some(300_000)),
            ("1m30s", Some(90_000)),
            ("0s", Some(0)),
            ("30", None),
            ("-5s", None),
            ("2 days", None),
            ("25h", None),
            ("", None),
        ];
        for (text, millis) in table {
            assert_eq!(time(text).ok(), millis.map(Duration::from_millis), "{text}");
        }
        assert!(some_time("0s").is_err());
        assert_eq!(time_or_none("none"), Ok(None));
        assert_eq!(time_or_none("1s"), Ok(Some(Duration::from_secs(1))));
    }

    #[test]
    fn an_upstream_is_scheme_and_host_alone() {
        assert_eq!(upstream("http://127.0.0.1:9000").unwrap().port_u16(), Some(9000));
        assert_eq!(upstream("https://a.example/").unwrap().host(), Some("a.example"));
        for bad in ["", "a.example", "ftp://a", "https://u:p@a", "https://a/v1", "https://a?k=1"] {
            assert!(upstream(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_network_is_cut_to_its_prefix_and_an_address_is_one() {
        assert_eq!(network("10.1.2.3/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(network("::1").unwrap().to_string(), "::1/128");
        assert!(network("10.0.0.0/33").is_err());
    }

    #[test]
    fn a_word_that_is_no_level_is_refused() {
        for good in ["info", "WARN", "off", "potluck=debug,info", "hyper::proto=trace"] {
            assert!(filter(good).is_ok(), "{good}");
        }
        for bad in ["verbose", "potluck=loud"] {
            assert!(filter(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_stands_before_an_at_sign_is_not_shown() {
        assert_eq!(shown("http://user:p@ss@proxy:3128"), "http://***@proxy:3128");
        assert_eq!(shown("user:pass@proxy"), "***@proxy");
        assert_eq!(shown("socks5://127.0.0.1:1080"), "socks5://127.0.0.1:1080");
        let url = ProxyUrl("http://user:pass@proxy".to_owned());
        assert!(!format!("{url:?}").contains("pass"));
    }
}
