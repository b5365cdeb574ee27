//! What an operator can decide, as types that cannot hold nonsense.
//!
//! Rule: names, defaults and documentation of a setting have one home, the flags of the `potluck`
//! command; this module only says what the server needs to know once they are parsed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::Uri;
use http::uri::Authority;
use ipnet::IpNet;
pub use potluck_edition::admin::settings::Setting;
use potluck_vault::MasterKey;

use crate::transport::Egress;

/// Everything `serve` can be told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where callers connect.
    pub listen: SocketAddr,
    /// Our own certificate and its key; without them callers connect in plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Google's API, or a stand-in for it: scheme and authority count, nothing else.
    pub upstream: Uri,
    /// A further certificate authority (PEM) that may vouch for the upstream.
    pub upstream_ca: Option<PathBuf>,
    /// The one way out: direct, or through a proxy.
    pub egress: Egress,
    /// The folder that holds the database and, where they were made here, the secrets.
    pub data: PathBuf,
    /// The address callers know us by, for the URLs we hand out. Absent: the Host they asked.
    pub public_url: Option<PublicUrl>,
    /// Peers whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Worker threads, at least one.
    pub threads: usize,
    /// Parts that the pool is split into, each with a lock of its own; at least one.
    pub parts: u8,
    /// Whose unknown keys are taken.
    pub admission: Admission,
    /// Time limits.
    pub limits: Limits,
    /// Adds `"store": false` to pooled bodies that do not say. Off: not every version knows it.
    pub store_false: bool,
    /// The collector that traces go to.
    pub otlp: Option<Uri>,
    /// Where alarms are told besides the log.
    pub webhook: Option<Uri>,
    /// All of these as they are told to operators, and who decided each.
    pub in_force: Vec<Setting>,
}

/// Whose unknown keys are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Admission {
    /// Everybody's: a key that works joins.
    #[default]
    Open,
    /// Those that come with an invite.
    Invite,
    /// Nobody's but what operators add.
    Closed,
}

impl Admission {
    /// What people and programs call it.
    pub fn name(self) -> &'static str {
        match self {
            Admission::Open => "open",
            Admission::Invite => "invite",
            Admission::Closed => "closed",
        }
    }
}

/// A certificate and its key, PEM files.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate chain, leaf first.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Scheme and authority under which callers reach us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    /// True for `https`.
    pub https: bool,
    /// Host, and port where it is not the scheme's own.
    pub authority: Authority,
}

/// Times and sizes an operator may set.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Reaching the upstream, TLS included.
    pub connect: Duration,
    /// Waiting for an answer's head. `None`: as long as it takes, since Google's slow calls take
    /// minutes and slowness is no reason to change keys.
    pub head: Option<Duration>,
    /// Silence within a stream before it counts as broken.
    pub idle_stream: Duration,
    /// How long running answers may finish after SIGTERM.
    pub drain: Duration,
    /// How long a call waits for a key that is about to wake.
    pub wait: Duration,
    /// The largest body that is read whole, in bytes.
    pub body: usize,
    /// All bodies kept for a next attempt, together, in bytes.
    pub kept_bodies: usize,
    /// Open connections, together.
    pub connections: usize,
    /// Open connections from one address (trusted proxies excepted).
    pub connections_per_address: usize,
}

/// What must never be printed: read from environment or file, never from a flag.
pub struct Secrets {
    /// Opens the sealed keys.
    pub master_key: MasterKey,
    /// Master keys that were before it: they still open what they sealed, which is sealed anew at the
    /// start, and find what was withdrawn under them.
    pub older_keys: Vec<MasterKey>,
    /// Lets an operator in.
    pub admin_token: String,
    /// Signs what a webhook is told.
    pub webhook: Option<WebhookSecret>,
    /// Makes a new master key while the server runs.
    pub renewal: Renewal,
}

/// Puts a new master key on the disk, the former one beside it, and hands it out; or says in a sentence
/// why it cannot.
pub type Renewal = Arc<dyn Fn() -> Result<MasterKey, String> + Send + Sync>;

/// Where alarms are told, and what signs them.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Where.
    pub url: Uri,
    /// Signs them.
    pub secret: WebhookSecret,
}

/// Signs what a webhook is told. Never printed.
#[derive(Clone)]
pub struct WebhookSecret(zeroize::Zeroizing<Vec<u8>>);

impl WebhookSecret {
    /// The bytes behind `whsec_` in base64, as Standard Webhooks has it, or else the text's.
    pub fn parse(text: &str) -> Option<WebhookSecret> {
        let read = match text.strip_prefix("whsec_") {
            Some(coded) => BASE64.decode(coded).ok()?,
            None => text.as_bytes().to_vec(),
        };
        (read.len() >= SHORTEST_SECRET).then(|| WebhookSecret(read.into()))
    }

    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

/// Fewer bytes can be guessed.
const SHORTEST_SECRET: usize = 16;
