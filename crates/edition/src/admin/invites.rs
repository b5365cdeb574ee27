//! Invites, as operators make and see them.
//!
//! Rule: the code itself is told once, by the answer that makes it.

use potluck_core::invites::InviteRecord;
use potluck_core::{InviteId, Wall};
use potluck_gemini::answer::{Problem, Reason};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tokens::{ONE_LINE, moment, unreadable, without_secrets};
use super::{bad, object};
use crate::me::time;

/// A name, a number and a moment.
pub const MAX: usize = 4 << 10;

/// What a new invite is to be.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewInvite")]
pub struct Make {
    /// What people call it: one line of at most 100 characters, in any script.
    #[schemars(length(max = 100), regex(pattern = ONE_LINE))]
    name: String,
    /// How many keys may join with it; one unless said.
    #[schemars(range(min = 1, max = u32::MAX))]
    uses: Option<u32>,
    /// When it expires, as RFC 3339 has it.
    #[schemars(extend("format" = "date-time"))]
    expires: Option<String>,
}

impl Make {
    /// Reads it; `id` is the new code's.
    pub fn read(text: &[u8], id: InviteId, now: Wall) -> Result<InviteRecord, Problem> {
        let make: Make = object(text).map_err(|error| unreadable(&error))?;
        without_secrets(&make.name)?;
        let expires = make.expires.as_deref().map(moment).transpose()?;
        let record = InviteRecord::new(id, &make.name, make.uses.unwrap_or(1), expires, now);
        record.map_err(|why| bad(&why.to_string()))
    }
}

/// All invites.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(rename = "Invites")]
pub struct All {
    /// In the order in which they were made.
    invites: Vec<View>,
}

impl All {
    /// These, as they are now.
    pub fn of(invites: &[&InviteRecord], now: Wall) -> All {
        All { invites: invites.iter().map(|record| View::of(record, now)).collect() }
    }
}

/// An invite that was just made.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(rename = "MadeInvite")]
pub struct Made {
    /// The code itself: it is told here and never again.
    code: String,
    /// What it is.
    about: View,
}

impl Made {
    /// That one.
    pub fn of(code: &str, record: &InviteRecord, now: Wall) -> Made {
        Made { code: code.to_owned(), about: View::of(record, now) }
    }
}

/// An invite as operators see it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(rename = "Invite")]
pub struct View {
    id: String,
    name: String,
    /// `good`, `used` (up) or `expired`.
    state: &'static str,
    made: String,
    expires: Option<String>,
    uses: u32,
    used: u32,
}

impl View {
    fn of(record: &InviteRecord, now: Wall) -> View {
        let over = record.expires.is_some_and(|expires| expires <= now);
        View {
            id: record.id.to_string(),
            name: record.name.to_string(),
            state: match (record.used >= record.uses, over) {
                (true, _) => "used",
                (false, true) => "expired",
                (false, false) => "good",
            },
            made: time(record.made),
            expires: record.expires.map(time),
            uses: record.uses,
            used: record.used,
        }
    }
}

/// Reads the id of an invite.
pub(super) fn id(text: &str) -> Result<InviteId, Problem> {
    InviteId::parse(text).ok_or_else(|| Problem::new(Reason::UnknownId))
}
