//! `gemini-sim`: a stand-in for Google's Gemini API on a port of your own.

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::Parser;
use gemini_sim::{Config, Key, KeyState, Model, Sim, Tier, Window, fast};
use serde::Deserialize;

const EXAMPLES: &str = "\
Examples:
  gemini-sim
      A few keys, printed to be copied; plain HTTP on 127.0.0.1:9900.
  gemini-sim --tls-listen 127.0.0.1:9943 --ca-out ca.pem
      TLS too; clients trust it with SSL_CERT_FILE=ca.pem.
  gemini-sim --keys 100 --tier unmetered --keys-per-project 2
      A hundred keys of fifty projects, without limits.
  gemini-sim --fast --threads 1 --listen 127.0.0.1:9901
      For benches: fixed answers, nothing counted.

  curl 127.0.0.1:9900/v1beta/models/gemini-2.5-flash:generateContent \\
       -H 'x-goog-api-key: KEY' -d '{\"contents\":[{\"parts\":[{\"text\":\"12 + 30?\"}]}]}'
  curl 127.0.0.1:9900/sim/                      how to steer it: keys, faults, log
  curl 127.0.0.1:9900/sim/rules -d '{\"times\":3,\"do\":{\"sample\":\"high_demand\"}}'

A file for --config:
  [[keys]]
  key = \"AIzaSyExampleExampleExampleExampleExampl\"
  project = 1001
  tier = \"free\"            # free, paid, unmetered
  state = \"good\"           # good, invalid, expired, suspended, leaked, blocked:METHOD, sample:NAME …
  [[models]]
  name = \"gemini-9-flash\"
  free = { rpm = 5, tpm = 250000, rpd = 20 }";

/// A stand-in for Google's Gemini API.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Options {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:9900")]
    listen: SocketAddr,
    /// Where to listen for TLS.
    #[arg(long)]
    tls_listen: Option<SocketAddr>,
    /// Where to write the certificate of the authority made for TLS.
    #[arg(long)]
    ca_out: Option<PathBuf>,
    /// Further names in the certificate.
    #[arg(long = "tls-name")]
    tls_names: Vec<String>,
    /// How many good keys to make.
    #[arg(long)]
    keys: Option<u64>,
    /// How many of them share a project.
    #[arg(long, default_value_t = 1)]
    keys_per_project: u64,
    /// What their projects pay: free, paid or unmetered.
    #[arg(long, default_value = "free", value_parser = tier)]
    tier: Tier,
    /// Keys and models from a TOML file.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Base of upload and video URLs, instead of the host as the caller names it.
    #[arg(long)]
    public_url: Option<String>,
    /// Answer in gzip who accepts it.
    #[arg(long)]
    gzip: bool,
    /// Accept thought signatures of other projects.
    #[arg(long)]
    loose_signatures: bool,
    /// Count minutes by the wall clock instead of sliding ones.
    #[arg(long)]
    fixed_minutes: bool,
    /// The pause between events of a stream, in milliseconds.
    #[arg(long, default_value_t = 0)]
    event_gap: u64,
    /// How long each answer takes, in milliseconds.
    #[arg(long, default_value_t = 0)]
    latency: u64,
    /// How long an uploaded file is PROCESSING, in milliseconds.
    #[arg(long, default_value_t = 0)]
    processing: u64,
    /// Fixed answers, as fast as can be, and nothing else.
    #[arg(long)]
    fast: bool,
    /// Threads of --fast.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Print nothing.
    #[arg(long)]
    quiet: bool,
}

/// What a file may say.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    keys: Vec<Key>,
    models: Vec<Model>,
}

fn tier(text: &str) -> Result<Tier, String> {
    match text {
        "free" => Ok(Tier::Free),
        "paid" => Ok(Tier::Paid),
        "unmetered" => Ok(Tier::Unmetered),
        _ => Err("free, paid or unmetered".to_owned()),
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(io::stderr)
        .init();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            let _ = writeln!(io::stderr(), "gemini-sim: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let at = options.listen;
    let gap = Duration::from_millis(options.event_gap);
    if options.fast {
        say(options, &format!("gemini-sim --fast on http://{at}, {} thread(s)", options.threads));
        return fast::serve(at, options.threads, gap).map_err(|why| format!("{at}: {why}"));
    }
    let config = config(options)?;
    let keys = config.keys.clone();
    let sim = Sim::start(config).map_err(|why| format!("cannot start on {at}: {why}"))?;
    say(options, &welcome(&sim, &keys));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| why.to_string())?;
    runtime.block_on(stopped()).map_err(|why| why.to_string())
}

async fn stopped() -> io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        stopped = tokio::signal::ctrl_c() => stopped,
        _ = terminate.recv() => Ok(()),
    }
}

fn config(options: &Options) -> Result<Config, String> {
    let mut config = Config {
        listen: options.listen,
        tls_listen: options.tls_listen,
        ca_out: options.ca_out.clone(),
        tls_names: options.tls_names.clone(),
        window: if options.fixed_minutes { Window::Fixed } else { Window::Sliding },
        public_url: options.public_url.clone(),
        gzip: options.gzip,
        bound_signatures: !options.loose_signatures,
        event_gap: Duration::from_millis(options.event_gap),
        latency: Duration::from_millis(options.latency),
        processing: Duration::from_millis(options.processing),
        ..Config::default()
    };
    let mut file = File::default();
    if let Some(path) = &options.config {
        let text =
            std::fs::read_to_string(path).map_err(|why| format!("{}: {why}", path.display()));
        file = toml::from_str(&text?).map_err(|why| format!("{}: {why}", path.display()))?;
    }
    for model in file.models {
        config.models.retain(|known| known.name != model.name);
        config.models.push(model);
    }
    config.keys = match (options.keys, file.keys) {
        (Some(count), keys) => made(count, options).into_iter().chain(keys).collect(),
        (None, keys) if !keys.is_empty() => keys,
        (None, _) => for_newcomers(options),
    };
    Ok(config)
}

/// A key that looks like Google's: `AIza` and 35 characters, the same at every start.
fn key_text(number: u64) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut seed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5eed;
    let mut text = String::from("AIzaSySim");
    while text.len() < 39 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push(char::from(LETTERS[(seed >> 40) as usize % LETTERS.len()]));
    }
    text
}

fn made(count: u64, options: &Options) -> Vec<Key> {
    let project = |number: u64| 100_000_000_000 + (number - 1) / options.keys_per_project.max(1);
    let make = |number| Key::new(key_text(number), project(number)).tier(options.tier);
    (1..=count).map(make).collect()
}

fn for_newcomers(options: &Options) -> Vec<Key> {
    let mut keys = made(3, options);
    keys.push(Key::new(key_text(4), 100_000_000_004).tier(Tier::Paid));
    let leaked = Key::new(key_text(5), 100_000_000_005).tier(Tier::Free);
    keys.push(leaked.state(KeyState::Leaked));
    keys
}

fn welcome(sim: &Sim, keys: &[Key]) -> String {
    let mut text = format!("gemini-sim listens on {}\n", sim.url());
    if let Some(addr) = sim.tls_addr() {
        text += &format!("                  and https://localhost:{}\n", addr.port());
    }
    text += "\nkeys:\n";
    for key in keys.iter().take(10) {
        let tier = format!("{:?}", key.tier).to_lowercase();
        text += &format!("  {}  project {}  {tier}  {}\n", key.key, key.project, key.state);
    }
    if keys.len() > 10 {
        text += &format!("  … and {} more: curl {}/sim/keys\n", keys.len() - 10, sim.url());
    }
    let key = keys.first().map_or("KEY", |key| key.key.as_str());
    text += &format!(
        "\ntry:\n  curl {url}/v1beta/models/gemini-2.5-flash:generateContent \\\n       \
         -H 'x-goog-api-key: {key}' -d '{{\"contents\":[{{\"parts\":[{{\"text\":\"12 + 30?\"}}]}}]}}'\n  \
         curl {url}/sim/        steering: keys, quotas, faults, log\n",
        url = sim.url(),
    );
    text
}

fn say(options: &Options, text: &str) {
    if !options.quiet {
        let _ = writeln!(io::stdout(), "{text}");
        let _ = io::stdout().flush();
    }
}
