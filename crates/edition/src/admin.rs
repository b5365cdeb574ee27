//! `/pool/admin/v1`: what operators ask and decide, as JSON.
//!
//! Rule: pure. What a request means, and what is answered, is said here; an edition checks who
//! asks, and does it.
//!
//! - [`operations`]: the one table of what can be asked; [`openapi`]: the same for programs;
//! - [`status`], [`listing`], [`change`], [`adding`], [`checking`], [`sights`], [`settings`]: what goes in and comes
//!   out;
//! - [`tokens`], [`invites`]: who may come without a key, and with one that nobody knows;
//! - [`sessions`]: who signed in with a browser;
//! - [`rekeying`]: how far a new master key has come;
//! - [`site`]: which requests a page of another site has sent.

pub mod adding;
pub mod change;
pub mod checking;
pub mod invites;
pub mod listing;
pub mod openapi;
pub mod operations;
pub mod rekeying;
pub mod sessions;
pub mod settings;
pub mod sights;
pub mod site;
pub mod status;
pub mod tokens;

use potluck_core::{InviteId, KeyId, TokenId};
use potluck_gemini::answer::Problem;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{problem, usage};
use listing::Wanted;
use sights::Place;

/// Where the first version lies.
pub const ROOT: &str = "/pool/admin/v1";

/// What an operator wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// To sign in with a browser.
    SignIn,
    /// The session that asks.
    Session,
    /// To sign out.
    SignOut,
    /// How the pool is.
    Status,
    /// Some of the keys.
    List(Wanted),
    /// To add the keys that the body names.
    Add {
        /// Those alone that Google takes.
        check: bool,
    },
    /// To ask Google about a key now.
    Check(KeyId),
    /// One key.
    Look(KeyId),
    /// To take a key out of service, or back.
    Change(KeyId),
    /// To change many keys at once.
    ChangeMany,
    /// To look on.
    Watch(Place),
    /// What was used, day by day.
    Usage(usage::Wanted),
    /// The same of each key, as a table.
    UsageTable(usage::Wanted),
    /// What is wrong, and was of late.
    Alarms,
    /// The settings in force.
    Settings,
    /// To erase a key.
    Erase(KeyId),
    /// All access tokens.
    Tokens,
    /// To make a token.
    MakeToken,
    /// To change what a token may.
    ChangeToken(TokenId),
    /// To revoke a token.
    RevokeToken(TokenId),
    /// All invites.
    Invites,
    /// To make an invite.
    MakeInvite,
    /// To take an invite back.
    RevokeInvite(InviteId),
    /// To have a new master key.
    Rekey,
    /// How far a new master key has come.
    Rekeying,
    /// What can be asked, as OpenAPI has it.
    Describe,
}

/// Reads an object: by itself serde takes a list of the fields' values for one as well.
pub(crate) fn object<T: DeserializeOwned>(text: &[u8]) -> serde_json::Result<T> {
    let fields: Map<String, Value> = serde_json::from_slice(text)?;
    serde_json::from_value(Value::Object(fields))
}

/// What is wrong with a request, in a sentence.
pub fn bad(why: &str) -> Problem {
    problem::refused(&problem::sentence(why))
}
