//! The one table of settings: each flag, its default and its words.
//!
//! Rule: a setting exists here and nowhere else. Its environment variable, its line in the settings
//! file, `--help`, `check-config` and `--print-defaults` are all read off this table, so that none
//! of them can lag behind.

pub mod admission;
pub mod import;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, Args, Command, CommandFactory, Parser, Subcommand};
use http::Uri;
use ipnet::IpNet;
use potluck_server::settings::{Admission, PublicUrl};

use crate::values::{self, Filter, LogFormat, ProxyUrl};

/// What comes before every environment variable of ours.
pub const ENV_PREFIX: &str = "POTLUCK_";

/// Columns of `--help`, at most: longer lines are hard to read.
const HELP_WIDTH: usize = 100;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "potluck",
    version,
    about = "Bring a key, share the table: one pool out of many people's Gemini API keys",
    after_help = ROOT_EXAMPLES,
    max_term_width = HELP_WIDTH,
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Verb,
}

/// What `potluck` can be asked to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run the proxy until SIGTERM or Ctrl-C
    #[command(after_help = SERVE_EXAMPLES)]
    Serve {
        /// Where the settings file is.
        #[command(flatten)]
        file: File,
        /// The settings.
        #[command(flatten)]
        flags: Box<Flags>,
    },
    /// Check the settings and print them, each with where it came from
    #[command(after_help = CHECK_EXAMPLES)]
    CheckConfig {
        /// Print a settings file that holds every default, and do nothing else
        #[arg(long)]
        print_defaults: bool,
        /// Where the settings file is.
        #[command(flatten)]
        file: File,
        /// The settings.
        #[command(flatten)]
        flags: Box<Flags>,
    },
    /// Look at what a server would use, and say what is wrong and what to do
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor {
        /// Print JSON, a line for each finding
        #[arg(long)]
        json: bool,
        /// Where the settings file is.
        #[command(flatten)]
        file: File,
        /// The settings.
        #[command(flatten)]
        flags: Box<Flags>,
    },
    /// Say how the pool of a running server is
    #[command(after_help = STATUS_EXAMPLES)]
    Status {
        /// Which server.
        #[command(flatten)]
        at: At,
    },
    /// Copy the database of a server, running or not, without the master key
    #[command(after_help = BACKUP_EXAMPLES)]
    Backup {
        /// Where to; not there yet
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The data folder [env: POTLUCK_DATA] [default: ./potluck-data]
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Put a copy of the database in its place, while no server runs
    #[command(after_help = RESTORE_EXAMPLES)]
    Restore {
        /// The copy
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The data folder [env: POTLUCK_DATA] [default: ./potluck-data]
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// Replace a database that is there
        #[arg(long)]
        force: bool,
    },
    /// Make a new master key, and seal everything anew under it
    #[command(after_help = REKEY_EXAMPLES)]
    Rekey(At),
    /// Print what lets a shell complete commands and flags
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// Which shell
        #[arg(value_name = "SHELL", value_parser = ["bash", "zsh", "fish"])]
        shell: String,
    },
    /// Print the manual page, or write those of all commands
    #[command(after_help = MAN_EXAMPLES)]
    Man {
        /// Folder to write one page for each command to
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Look at the keys of a running server, and decide on them
    #[command(after_help = KEYS_EXAMPLES, arg_required_else_help = true)]
    #[command(disable_help_subcommand = true)]
    Keys {
        /// What to do with them.
        #[command(subcommand)]
        command: Keys,
    },
    /// Hand out access tokens: calls without a key, within limits
    #[command(after_help = admission::TOKEN_EXAMPLES, arg_required_else_help = true)]
    #[command(disable_help_subcommand = true)]
    Token {
        /// What to do with them.
        #[command(subcommand)]
        command: admission::Token,
    },
    /// Invite keys to a server that is not open to everybody's
    #[command(after_help = admission::INVITE_EXAMPLES, arg_required_else_help = true)]
    #[command(disable_help_subcommand = true)]
    Invite {
        /// What to do with them.
        #[command(subcommand)]
        command: admission::Invite,
    },
}

/// What an operator can do with keys.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// List them: id, state, calls lent and borrowed, and why one is out
    List {
        /// Those in one state alone
        #[arg(long, value_name = "STATE")]
        #[arg(value_parser = ["active", "resting", "held", "paused", "disabled"])]
        state: Option<String>,
        /// Which server.
        #[command(flatten)]
        at: At,
    },
    /// Add keys, one a line; lines that begin with # are passed over
    Add {
        /// File of keys, or - for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Which server.
        #[command(flatten)]
        at: At,
    },
    /// Bring keys out of files of any form, checked, with a report by line
    #[command(after_help = import::IMPORT_EXAMPLES)]
    Import(import::Import),
    /// Write all keys to a file, sealed under a passphrase
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(Export),
    /// Ask Google about keys now
    #[command(after_help = import::CHECK_EXAMPLES)]
    Check(import::Check),
    /// Take keys out of service until they are enabled again
    Disable(Ids),
    /// Take keys back into service
    Enable(Ids),
    /// Erase keys; a bearer's next call may bring one back
    Remove(Ids),
}

/// Where keys are to be written.
#[derive(Debug, Args)]
pub struct Export {
    /// The file; not there yet
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The data folder, of a server that runs or not [env: POTLUCK_DATA] [default: ./potluck-data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// Some keys of a server.
#[derive(Debug, Args)]
pub struct Ids {
    /// The keys' ids, as `potluck keys list` shows them
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<String>,
    /// Which server.
    #[command(flatten)]
    pub at: At,
}

/// A running server, and how its answers are to be told.
#[derive(Debug, Args)]
pub struct At {
    /// Where it listens; https, but for this machine
    /// [default: the one that has the data; where none has, the command works on the data itself]
    #[arg(long, value_name = "URL", value_parser = values::server)]
    pub server: Option<Uri>,
    /// Its data folder, where its admin token is [env: POTLUCK_DATA]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}

/// Which settings file to read. Apart from [`Flags`], since a file cannot name itself.
#[derive(Debug, Args)]
pub struct File {
    /// Settings file (TOML); without this, potluck.toml here, if there is one
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Every setting, parsed.
#[derive(Debug, Args)]
pub struct Flags {
    /// Where callers connect
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    #[arg(value_parser = values::listen)]
    pub listen: SocketAddr,
    /// Google's API, or a stand-in for it
    #[arg(long, value_name = "URL", default_value = "https://generativelanguage.googleapis.com")]
    #[arg(value_parser = values::upstream)]
    pub upstream: Uri,
    /// Folder of the database and of the secrets made here
    #[arg(long, value_name = "DIR", default_value = "./potluck-data", value_parser = values::path)]
    pub data: PathBuf,
    /// Worker threads [default: one per processor]
    #[arg(long, value_name = "N", value_parser = values::threads)]
    pub threads: Option<usize>,
    /// Parts that the pool is split into, for machines with many processors; one is fairest
    #[arg(long, value_name = "N", default_value = "1", value_parser = values::parts)]
    pub parts: u8,

    /// Certificate chain (PEM, leaf first): callers then connect by https and wss
    #[arg(long, value_name = "FILE", help_heading = "Network", value_parser = values::path)]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", help_heading = "Network", value_parser = values::path)]
    pub tls_key: Option<PathBuf>,
    /// Address callers know this server by [default: the Host they asked]
    #[arg(long, value_name = "URL", help_heading = "Network", value_parser = values::public_url)]
    pub public_url: Option<PublicUrl>,
    /// Proxy in front of this server whose X-Forwarded-For is believed; repeat for more
    #[arg(long, value_name = "CIDR", help_heading = "Network", value_delimiter = ',')]
    #[arg(value_parser = values::network)]
    pub trusted_proxy: Vec<IpNet>,
    /// Way out to Google: http:// or socks5:// proxy, or direct
    /// [default: HTTPS_PROXY, ALL_PROXY, NO_PROXY]
    #[arg(long, value_name = "URL", help_heading = "Network", value_parser = values::proxy)]
    pub egress: Option<ProxyUrl>,
    /// Further certificate authority (PEM) that may vouch for the upstream
    #[arg(long, value_name = "FILE", help_heading = "Network", value_parser = values::path)]
    pub upstream_ca: Option<PathBuf>,

    /// Reaching the upstream, TLS included
    #[arg(long, value_name = "TIME", help_heading = "Time limits", default_value = "5s")]
    #[arg(value_parser = values::some_time)]
    pub connect_timeout: Duration,
    /// Waiting for an answer's head; none, since Google's slow calls take minutes
    #[arg(long, value_name = "TIME", help_heading = "Time limits", default_value = "none")]
    #[arg(value_parser = values::time_or_none)]
    pub head_timeout: TimeOrNone,
    /// Silence within a stream before it counts as broken
    #[arg(long, value_name = "TIME", help_heading = "Time limits", default_value = "5m")]
    #[arg(value_parser = values::some_time)]
    pub idle_timeout: Duration,
    /// How long running answers may finish after SIGTERM
    #[arg(long, value_name = "TIME", help_heading = "Time limits", default_value = "30s")]
    #[arg(value_parser = values::time)]
    pub drain_timeout: Duration,
    /// How long a call waits for a key that is about to wake
    #[arg(long, value_name = "TIME", help_heading = "Time limits", default_value = "2s")]
    #[arg(value_parser = values::time)]
    pub wait_timeout: Duration,

    /// Largest body that is read whole (uploads stream and are not meant)
    #[arg(long, value_name = "SIZE", help_heading = "Size limits", default_value = "110MB")]
    #[arg(value_parser = values::size)]
    pub max_body: usize,
    /// All bodies kept for a next attempt, together; one address holds half at most
    #[arg(long, value_name = "SIZE", help_heading = "Size limits", default_value = "256MiB")]
    #[arg(value_parser = values::size)]
    pub max_kept_bodies: usize,
    /// Open connections, together
    #[arg(long, value_name = "N", help_heading = "Size limits", default_value = "10000")]
    #[arg(value_parser = values::count)]
    pub max_connections: usize,
    /// Open connections from one address, trusted proxies excepted
    #[arg(long, value_name = "N", help_heading = "Size limits", default_value = "1000")]
    #[arg(value_parser = values::count)]
    pub max_connections_per_address: usize,

    /// Whose unknown keys are taken: open (any that works joins), invite, or closed
    #[arg(long, value_name = "MODE", default_value = "open", value_parser = values::admission)]
    pub admission: Admission,
    /// Add "store": false to pooled bodies that do not say (not every API version knows it)
    #[arg(long, value_name = "true|false", default_value = "false", action = ArgAction::Set)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(value_parser = values::switch)]
    pub store_false: bool,

    /// Send traces to the OTLP collector at this URL, such as http://127.0.0.1:4318/v1/traces
    #[arg(long, value_name = "URL", help_heading = "Logs", value_parser = values::webhook)]
    pub otlp: Option<Uri>,
    /// Tell alarms to this URL as well, signed with POTLUCK_WEBHOOK_SECRET or ..._FILE
    #[arg(long, value_name = "URL", help_heading = "Logs", value_parser = values::webhook)]
    pub webhook: Option<Uri>,
    /// How much to log: error, warn, info, debug, trace, or a filter such as potluck=debug,info
    #[arg(long, value_name = "FILTER", help_heading = "Logs", default_value = "info")]
    #[arg(value_parser = values::filter)]
    pub log: Filter,
    /// How to write logs: text, json, or auto (text on a terminal, JSON otherwise)
    #[arg(long, value_name = "FORMAT", help_heading = "Logs", default_value = "auto")]
    #[arg(value_parser = values::log_format)]
    pub log_format: LogFormat,
}

/// A time limit that may be absent. An alias, so that clap does not take it for an optional flag.
pub type TimeOrNone = Option<Duration>;

/// The command with everything its help shows.
pub fn command() -> Command {
    Cli::command().mut_subcommands(|verb| match takes_settings(&verb) {
        true => verb.mut_args(naming_its_variable),
        false => verb,
    })
}

/// Whether a verb's flags are the settings: those that speak to a server have flags of their own.
pub fn takes_settings(verb: &Command) -> bool {
    verb.get_arguments().any(|arg| arg.get_id() == "listen")
}

/// The rows of the table, in order.
pub fn settings() -> Vec<Arg> {
    Flags::augment_args(Command::new("potluck")).get_arguments().cloned().collect()
}

/// A setting's name: its long flag without dashes, its key in the file.
pub fn name(arg: &Arg) -> &str {
    arg.get_long().unwrap_or_else(|| arg.get_id().as_str())
}

/// True for a setting that may be given more than once.
pub fn repeats(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

/// The environment variable of a setting.
pub fn variable(name: &str) -> String {
    format!("{ENV_PREFIX}{}", name.to_ascii_uppercase().replace('-', "_"))
}

/// Ours, rather than clap's `env`: that one prints values, and its errors do not name the variable.
fn naming_its_variable(arg: Arg) -> Arg {
    if arg.get_id() == "print_defaults" || arg.get_long().is_none() {
        return arg;
    }
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let variable = variable(name(&arg));
    arg.help(format!("{help} [env: {variable}]"))
}

const ROOT_EXAMPLES: &str = "\
Examples:
  potluck serve                                  on 127.0.0.1:8080, data in ./potluck-data
  potluck serve --listen 0.0.0.0:8080            for other machines as well
  potluck check-config                           which settings are in force, and why
  potluck check-config --print-defaults > potluck.toml
  potluck status                                 how the pool of the server here is
  potluck keys list --state disabled             which keys are out, and why

Exit codes: 0 done, 1 cannot run or stopped by a failure, 2 wrong flags or settings.";

const SERVE_EXAMPLES: &str = "\
Flags win over environment, environment over the settings file. The file has one line per flag:
  listen = \"0.0.0.0:8080\"
  trusted-proxy = [\"10.0.0.0/8\", \"fd00::/8\"]

Times are written 500ms, 30s, 5m; sizes 64KiB, 110MB, 1GiB.

Secrets never come by flag or by the settings file:
  POTLUCK_ADMIN_TOKEN or POTLUCK_ADMIN_TOKEN_FILE   lets an operator in
  POTLUCK_MASTER_KEY or POTLUCK_MASTER_KEY_FILE     opens the sealed keys
Without them both are made at the first start, in the data folder. Keep a copy of the master key:
nothing else opens the keys at rest.

Examples:
  potluck serve
  potluck serve --listen 0.0.0.0:443 --tls-cert chain.pem --tls-key key.pem
  potluck serve --public-url https://pool.example.org --trusted-proxy 10.0.0.0/8
  potluck serve --egress socks5://127.0.0.1:1080
  POTLUCK_LISTEN=[::]:8080 potluck serve --log debug

One SIGTERM or Ctrl-C lets running answers finish (--drain-timeout), a second one cuts them.";

const CHECK_EXAMPLES: &str = "\
Examples:
  potluck check-config
  potluck check-config --config /etc/potluck/potluck.toml
  potluck check-config --print-defaults > potluck.toml

Exit codes: 0 the settings are good, 2 they are not (each fault on a line of its own).";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  potluck completions bash > ~/.local/share/bash-completion/completions/potluck
  potluck completions zsh > ~/.zfunc/_potluck
  potluck completions fish > ~/.config/fish/completions/potluck.fish";

const MAN_EXAMPLES: &str = "\
Examples:
  potluck man | man -l -
  potluck man --out ~/.local/share/man/man1";

const DOCTOR_EXAMPLES: &str = "\
Examples:
  potluck doctor
  potluck doctor --data /var/lib/potluck --egress socks5://127.0.0.1:1080
  potluck doctor --json | jq 'select(.is != \"ok\")'

It takes the settings of serve, asks Google without any key, and changes nothing.";

const EXPORT_EXAMPLES: &str = "\
Examples:
  POTLUCK_PASSPHRASE_FILE=passphrase potluck keys export --out keys.sealed
  POTLUCK_PASSPHRASE_FILE=passphrase potluck keys import keys.sealed --data /var/lib/other

The passphrase has 12 characters or more. Keys that are paused or out of service are in it, too.";

const REKEY_EXAMPLES: &str = "\
Examples:
  potluck rekey
  potluck rekey --data /var/lib/potluck
  potluck rekey --server https://pool.example

A server that runs goes on serving. A stop at any moment loses nothing: the next start goes on. Ids of
keys change, with the next start of a server that runs. The former master key stays beside the new one,
as withdrawn keys and access tokens are known by it.";

const BACKUP_EXAMPLES: &str = "\
Examples:
  potluck backup /backups/potluck-$(date +%F).db
  potluck backup copy.db --data /var/lib/potluck

The copy is made of one moment, and a server that runs goes on. Keep the master key apart from it.";

const RESTORE_EXAMPLES: &str = "\
Examples:
  potluck restore /backups/potluck-2026-11-26.db
  potluck restore copy.db --data /var/lib/potluck --force

Keys that were withdrawn after the copy was made stay out where it takes the place of data that knows
of it; into an empty folder they come back. Tokens and invites revoked since come back either way.";

const STATUS_EXAMPLES: &str = "\
Examples:
  potluck status
  potluck status --server http://127.0.0.1:9000 --data /var/lib/potluck
  potluck status --json

The admin token is read from POTLUCK_ADMIN_TOKEN, POTLUCK_ADMIN_TOKEN_FILE, or the data folder.";

const KEYS_EXAMPLES: &str = "\
Examples:
  potluck keys list --state disabled
  potluck keys add keys.txt
  potluck keys import keys.txt old-pool.json
  potluck keys disable k_0123456789abcdef0123456789abcdef
  potluck keys list --json | jq -r '.[].id'

The admin token is read from POTLUCK_ADMIN_TOKEN, POTLUCK_ADMIN_TOKEN_FILE, or the data folder.

Exit codes: 0 done, 1 not all of it could be done, 2 wrong flags.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_setting_has_words_and_a_variable() {
        for arg in settings() {
            assert!(arg.get_help().is_some(), "{} has no help", name(&arg));
            assert!(arg.get_value_names().is_some(), "{} has no value name", name(&arg));
        }
        assert_eq!(variable("tls-cert"), "POTLUCK_TLS_CERT");
    }

    #[test]
    fn no_secret_is_a_setting() {
        for arg in settings() {
            assert!(!name(&arg).contains("token") && !name(&arg).contains("master"));
        }
    }
}
