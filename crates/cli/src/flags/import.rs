//! What `potluck keys import` and `check` can be told.

use std::path::PathBuf;

use clap::Args;

use super::At;

/// Which keys to bring.
#[derive(Debug, Args)]
pub struct Import {
    /// Files that keys are in, whatever their form; - for standard input
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Add them without asking Google about each first; quick
    #[arg(long)]
    pub no_check: bool,
    /// Keep in this file how far it has come, and go on from there after a stop
    #[arg(long, value_name = "STATE")]
    pub resume: Option<PathBuf>,
    /// Which server.
    #[command(flatten)]
    pub at: At,
}

/// Which keys to check.
#[derive(Debug, Args)]
pub struct Check {
    /// Their ids, as `potluck keys list` shows them; without any, all keys
    #[arg(value_name = "ID")]
    pub ids: Vec<String>,
    /// Which server.
    #[command(flatten)]
    pub at: At,
}

pub(super) const IMPORT_EXAMPLES: &str = "\
Keys of both kinds (AIza..., AQ....) are found in lines, JSON, .env files, CSV, exports of other
pools and dumps of databases. Doubles are dropped. Google is asked about each key before it is
added; one that it refuses is told, by file and line, and so is what looks like a key and is none.

Examples:
  potluck keys import keys.txt
  potluck keys import --resume import.state old-pool.json dump.sql
  grep -v revoked keys.csv | potluck keys import --no-check -

--resume's file holds counts and the files' names, no key, and is removed at the end.

Exit codes: 0 all were taken, 1 not all of them, 2 wrong flags.";

pub(super) const CHECK_EXAMPLES: &str = "\
Asks Google about keys now, with a call that costs no quota, by the server's own way out. What Google
says of a key counts as if the server had asked by itself; a key that an operator took out of service
stays out.

Examples:
  potluck keys check k_0123456789abcdef0123456789abcdef
  potluck keys check
  potluck keys check --json | jq -r 'select(.became == \"refused\").id'

Exit codes: 0 all of them work, 1 not all do, or that is not known, 2 wrong flags.";
