//! From flags that are good one by one to settings that make sense together.

use std::net::{IpAddr, SocketAddr};
use std::thread;

use potluck_server::settings::{Limits, Settings, TlsFiles};
use potluck_server::transport::Egress;

use crate::flags::{self, Flags};
use crate::in_force;
use crate::layers::{Env, Layered};
use crate::secrets;
use crate::suggest;

/// Turns flags into what the server takes, or tells which of them contradict each other.
pub fn settle(layered: &Layered, env: &Env) -> Result<Settings, Vec<String>> {
    let flags = &layered.flags;
    let mut faults = Vec::new();
    let tls = tls(layered).unwrap_or_else(|fault| {
        faults.push(fault);
        None
    });
    let egress = way_out(flags, env).unwrap_or_else(|fault| {
        faults.push(fault);
        Egress::direct()
    });
    faults.extend(kept_too_small(layered));
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(Settings {
        listen: flags.listen,
        tls,
        upstream: flags.upstream.clone(),
        upstream_ca: flags.upstream_ca.clone(),
        in_force: in_force::all(layered, &format!("{egress:?}")),
        egress,
        data: flags.data.clone(),
        public_url: flags.public_url.clone(),
        trusted_proxies: flags.trusted_proxy.clone(),
        threads: flags.threads.unwrap_or_else(processors),
        parts: flags.parts,
        admission: flags.admission,
        limits: limits(flags),
        store_false: flags.store_false,
        otlp: flags.otlp.clone(),
        webhook: flags.webhook.clone(),
    })
}

/// What is allowed and yet probably not meant.
pub fn doubts(settings: &Settings, env: &Env) -> Vec<String> {
    let mut doubts: Vec<String> = env.ours().filter_map(strange_variable).collect();
    if settings.tls.is_none() && !settings.listen.ip().is_loopback() {
        doubts.push(format!(
            "{} is open to other machines without TLS: keys cross the network in the clear, \
             unless a proxy in front ends TLS on this machine or a private network",
            settings.listen
        ));
    }
    if settings.upstream.scheme_str() == Some("http") && !is_local(settings.upstream.host()) {
        doubts.push(format!(
            "{} is asked without TLS: keys go there in the clear",
            settings.upstream
        ));
    }
    doubts
}

/// One worker thread per processor this process may use.
pub fn processors() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The way out that a text names.
pub fn egress(text: &str) -> Result<Egress, String> {
    Egress::parse(text).map_err(|error| error.to_string())
}

/// The way out: the setting, or what the usual variables say.
fn way_out(flags: &Flags, env: &Env) -> Result<Egress, String> {
    let way = match &flags.egress {
        Some(url) => Egress::parse(url.expose()),
        None => Egress::from_env(|name| env.text(name), &flags.upstream),
    };
    way.map_err(|error| format!("{error} (HTTPS_PROXY, ALL_PROXY or egress)"))
}

fn tls(layered: &Layered) -> Result<Option<TlsFiles>, String> {
    let half = |there: &str, missing: &str| {
        let origin = layered.origin(there);
        Err(format!("{there} ({origin}) needs {missing} as well: neither serves without the other"))
    };
    match (&layered.flags.tls_cert, &layered.flags.tls_key) {
        (None, None) => Ok(None),
        (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert: cert.clone(), key: key.clone() })),
        (Some(_), None) => half("tls-cert", "tls-key"),
        (None, Some(_)) => half("tls-key", "tls-cert"),
    }
}

/// One address holds half of the kept bodies at most, so a larger body could never be taken.
fn kept_too_small(layered: &Layered) -> Option<String> {
    let Flags { max_body, max_kept_bodies, .. } = layered.flags;
    (max_body > max_kept_bodies / 2).then(|| {
        format!(
            "max-body ({}) is more than half of max-kept-bodies ({}), which is the most that one \
             caller may hold; lower the first or raise the second",
            layered.origin("max-body"),
            layered.origin("max-kept-bodies"),
        )
    })
}

fn limits(flags: &Flags) -> Limits {
    Limits {
        connect: flags.connect_timeout,
        head: flags.head_timeout,
        idle_stream: flags.idle_timeout,
        drain: flags.drain_timeout,
        wait: flags.wait_timeout,
        body: flags.max_body,
        kept_bodies: flags.max_kept_bodies,
        connections: flags.max_connections,
        connections_per_address: flags.max_connections_per_address,
    }
}

/// A variable that begins like ours, is none, and looks much like one. Others are let be: an
/// orchestrator sets POTLUCK_SERVICE_HOST and the like on its own.
fn strange_variable(variable: &str) -> Option<String> {
    let mut known: Vec<String> =
        flags::settings().iter().map(|arg| flags::variable(flags::name(arg))).collect();
    known.push(flags::variable("config"));
    known.extend(secrets::variables());
    if known.iter().any(|known| known == variable) {
        return None;
    }
    let stem = variable.strip_prefix(flags::ENV_PREFIX)?;
    let stems = known.iter().filter_map(|known| known.strip_prefix(flags::ENV_PREFIX));
    let meant = suggest::nearest(stem, stems)?;
    let prefix = flags::ENV_PREFIX;
    Some(format!("{variable} is no setting and is ignored; did you mean {prefix}{meant}?"))
}

fn is_local(host: Option<&str>) -> bool {
    let host = host.unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The address to tell people: an unspecified one is nowhere to connect to.
pub fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(ip) if ip.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}
