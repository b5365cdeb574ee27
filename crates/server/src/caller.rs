//! Who asks, and how they reach us.
//!
//! Rule: forwarding headers are believed from configured peers alone; from anybody else they are
//! just text.

use std::net::IpAddr;

use http::header::HOST;
use http::{HeaderMap, HeaderValue, Request};
use potluck_core::SourceBlock;

use crate::settings::{PublicUrl, Settings};
use crate::transport::Peer;

/// The caller of one request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Where they are, as far as that can be believed.
    pub address: IpAddr,
    /// The Host they asked, and whether over TLS: what they know us by, unless it is configured.
    host: Option<HeaderValue>,
    https: bool,
}

impl Caller {
    /// Reads connection and headers.
    pub fn of<B>(settings: &Settings, request: &Request<B>, peer: Peer) -> Caller {
        let direct = peer.address.ip().to_canonical();
        let trusted = is_trusted(settings, direct);
        let headers = request.headers();
        let address = if trusted { forwarded_for(settings, headers) } else { None };
        let proto = if trusted { text(headers, "x-forwarded-proto") } else { None };
        let https = match proto {
            Some(proto) => proto.eq_ignore_ascii_case("https"),
            None => peer.tls,
        };
        Caller { address: address.unwrap_or(direct), host: headers.get(HOST).cloned(), https }
    }

    /// The address they know us by; none if they named no usable one.
    pub fn base(&self, settings: &Settings) -> Option<PublicUrl> {
        let seen = || {
            let authority = self.host.as_ref()?.to_str().ok()?.parse().ok()?;
            Some(PublicUrl { https: self.https, authority })
        };
        settings.public_url.clone().or_else(seen)
    }

    /// Whether they sit on this machine.
    pub fn is_local(&self) -> bool {
        self.address.is_loopback()
    }

    /// The block by which refused keys are limited.
    pub fn block(&self) -> SourceBlock {
        SourceBlock(match self.address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
            IpAddr::V6(v6) => v6.to_bits() >> 64 << 64,
        })
    }
}

/// The last address in the list that none of our own proxies wrote for itself.
fn forwarded_for(settings: &Settings, headers: &HeaderMap) -> Option<IpAddr> {
    let values = headers.get_all("x-forwarded-for").iter();
    let list: Vec<&str> =
        values.filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')).collect();
    for entry in list.iter().rev() {
        let address: IpAddr = entry.trim().parse().ok()?;
        if !is_trusted(settings, address.to_canonical()) {
            return Some(address.to_canonical());
        }
    }
    None
}

fn is_trusted(settings: &Settings, address: IpAddr) -> bool {
    settings.trusted_proxies.iter().any(|net| net.contains(&address))
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}
