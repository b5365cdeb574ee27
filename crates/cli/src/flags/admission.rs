//! The verbs about who may come: access tokens and invites.

use clap::{Args, Subcommand};

use super::At;
use crate::values::{self, Expiry};

/// What an operator can do with access tokens.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make one, and show it: it is shown once
    Make {
        /// What people call it: one line of at most 100 characters
        #[arg(value_name = "NAME")]
        name: String,
        /// What it may.
        #[command(flatten)]
        may: May,
        /// Which server.
        #[command(flatten)]
        at: At,
    },
    /// List them: id, state, what each used and may, name
    List {
        /// Which server.
        #[command(flatten)]
        at: At,
    },
    /// Change what one may; what is not named stays
    Change {
        /// Its id, as `potluck token list` shows it
        #[arg(value_name = "ID")]
        id: String,
        /// What people call it
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// What it may.
        #[command(flatten)]
        may: May,
        /// Which server.
        #[command(flatten)]
        at: At,
    },
    /// Revoke tokens: they serve no further call
    Revoke(Named),
}

/// What an operator can do with invites.
#[derive(Debug, Subcommand)]
pub enum Invite {
    /// Make one, and show its code: it is shown once
    Make {
        /// What people call it: one line of at most 100 characters
        #[arg(value_name = "NAME")]
        name: String,
        /// How many keys may join with it
        #[arg(long, value_name = "N", default_value = "1", value_parser = values::some_number)]
        uses: u32,
        /// When it expires: in 12h or 30d, or at a moment such as 2027-01-31T12:00:00Z
        #[arg(long, value_name = "WHEN", value_parser = values::expiry)]
        expires: Option<Expiry>,
        /// Which server.
        #[command(flatten)]
        at: At,
    },
    /// List them: id, state, keys that came and may come, name
    List {
        /// Which server.
        #[command(flatten)]
        at: At,
    },
    /// Take invites back; the keys that came with them stay
    Revoke(Named),
}

/// Some tokens or invites of a server.
#[derive(Debug, Args)]
pub struct Named {
    /// Their ids, as `list` shows them
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<String>,
    /// Which server.
    #[command(flatten)]
    pub at: At,
}

/// What a token may. `none` lifts a limit.
#[derive(Debug, Args)]
pub struct May {
    /// Requests in any sixty seconds, or none for no limit
    #[arg(long, value_name = "N", value_parser = values::number_or_none)]
    pub requests_per_minute: Option<NumberOrNone>,
    /// Requests a day, Google's day
    #[arg(long, value_name = "N", value_parser = values::number_or_none)]
    pub requests_per_day: Option<NumberOrNone>,
    /// Tokens of text in any sixty seconds
    #[arg(long, value_name = "N", value_parser = values::number_or_none)]
    pub tokens_per_minute: Option<NumberOrNone>,
    /// Tokens of text a day, Google's day
    #[arg(long, value_name = "N", value_parser = values::number_or_none)]
    pub tokens_per_day: Option<NumberOrNone>,
    /// The only models it is for, with commas between; or all
    #[arg(long, value_name = "MODELS")]
    pub models: Option<String>,
    /// When it expires: in 12h or 30d, at a moment such as 2027-01-31T12:00:00Z, or none
    #[arg(long, value_name = "WHEN", value_parser = values::expiry)]
    pub expires: Option<Expiry>,
}

/// A limit that may be absent. An alias, so that clap does not take it for an optional flag.
pub type NumberOrNone = Option<u32>;

/// What stands below the help of `potluck token`.
pub const TOKEN_EXAMPLES: &str = "\
Examples:
  potluck token make 'class 7b' --requests-per-minute 10 --tokens-per-day 200000 --expires 30d
  potluck token change t_0123456789abcdef0123456789abcdef --requests-per-minute none
  potluck token revoke t_0123456789abcdef0123456789abcdef

A token is sent where a Gemini API key would be. It brings no key: what contributors leave over
serves it, and nothing that belongs to one project is in its reach.

The admin token is read from POTLUCK_ADMIN_TOKEN, POTLUCK_ADMIN_TOKEN_FILE, or the data folder.";

/// What stands below the help of `potluck invite`.
pub const INVITE_EXAMPLES: &str = "\
Examples:
  potluck serve --admission invite
  potluck invite make 'the lab' --uses 12 --expires 14d
  potluck invite list

Whoever is invited sends the code once, beside the own key, in the header x-potluck-invite.

The admin token is read from POTLUCK_ADMIN_TOKEN, POTLUCK_ADMIN_TOKEN_FILE, or the data folder.";
