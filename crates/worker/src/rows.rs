//! What D1 answers, as the store's rows.
//!
//! Rule: a row that does not read as its table says means that somebody else wrote it; then nothing
//! is taken from it and whoever asked is told, as with any other fault of the data.
//!
//! D1 hands a row over as an object by column names, a blob as a list of numbers.

use std::collections::HashSet;

use potluck_store::migrations::Applied;
use potluck_store::rows::{
    Cooldown, KeyRow, KeyState, Learned, Limits, Quota, RowId, Snapshot, Tombstone, Usage,
    UsageTotal,
};
use potluck_store::{Inserted, sql};
use potluck_vault::Sealed;
use serde::Deserialize;

/// A row that is not what its table says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a row is not in the form of its table")]
pub struct Malformed;

/// Reads the rows of one answer, whatever their type is.
pub trait Answers {
    /// All rows of the answer to the statement at that place.
    fn rows<T: for<'r> Deserialize<'r>>(&self, place: usize) -> Result<Vec<T>, Malformed>;
    /// How many rows that statement changed.
    fn changes(&self, place: usize) -> Result<usize, Malformed>;
}

/// Reads the answers to [`crate::statements::load`].
pub fn snapshot(answers: &impl Answers) -> Result<Snapshot, Malformed> {
    Ok(Snapshot {
        keys: all(answers, 0, Key::row)?,
        cooldowns: all(answers, 1, Rest::row)?,
        usage: all(answers, 2, Used::row)?,
        totals: all(answers, 3, Total::row)?,
        tombstones: all(answers, 4, Stone::row)?,
        learned: all(answers, 5, Facts::row)?,
        quotas: all(answers, 6, FactsOfAll::row)?,
        barred: all(answers, 7, |Id { id }: Id| row_id(id))?,
    })
}

/// Reads the answers to [`crate::statements::insert`].
pub fn inserted(answers: &impl Answers) -> Result<Inserted, Malformed> {
    if answers.changes(0)? > 0 {
        return Ok(Inserted::Stored);
    }
    let withdrawn = any(answers, 1)?;
    Ok(if withdrawn { Inserted::Withdrawn } else { Inserted::Already })
}

/// Reads the answers to [`crate::statements::insert_all`].
pub fn added(answers: &impl Answers) -> Result<Added, Malformed> {
    let ids = |place| {
        let ids = all(answers, place, |Id { id }: Id| row_id(id))?;
        Ok::<HashSet<RowId>, Malformed>(ids.into_iter().collect())
    };
    Ok(Added { stored: ids(0)?, withdrawn: ids(1)? })
}

/// What became of keys that were added together.
#[derive(Debug, Default)]
pub struct Added {
    stored: HashSet<RowId>,
    withdrawn: HashSet<RowId>,
}

impl Added {
    /// What became of one, by its id and its tombstone.
    pub fn of(&self, id: &RowId, tombstone: &RowId) -> Inserted {
        match (self.stored.contains(id), self.withdrawn.contains(tombstone)) {
            (true, _) => Inserted::Stored,
            (false, true) => Inserted::Withdrawn,
            (false, false) => Inserted::Already,
        }
    }
}

/// Reads the answer to [`crate::statements::usage`].
pub fn usage(answers: &impl Answers) -> Result<Vec<Usage>, Malformed> {
    all(answers, 0, Used::row)
}

/// Reads the ids that [`crate::statements::sweep`] erased.
pub fn erased(answers: &impl Answers) -> Result<Vec<RowId>, Malformed> {
    all(answers, 4, |Id { id }: Id| row_id(id))
}

/// Reads the answer to [`crate::statements::read_record`].
pub fn record(answers: &impl Answers) -> Result<Vec<Applied>, Malformed> {
    all(answers, 0, |Recorded { name, checksum }: Recorded| Ok(Applied { name, checksum }))
}

/// Reads the answer to [`crate::statements::read_check`].
pub fn check(answers: &impl Answers) -> Result<Option<Vec<u8>>, Malformed> {
    Ok(all(answers, 0, |Check { value }: Check| Ok(value))?.pop())
}

/// Whether that statement found a row.
pub fn any(answers: &impl Answers, place: usize) -> Result<bool, Malformed> {
    Ok(!answers.rows::<serde::de::IgnoredAny>(place)?.is_empty())
}

fn all<R, T>(
    answers: &impl Answers,
    place: usize,
    read: impl Fn(R) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed>
where
    R: for<'r> Deserialize<'r>,
{
    answers.rows(place)?.into_iter().map(read).collect()
}

#[derive(Deserialize)]
struct Id {
    id: Vec<u8>,
}

#[derive(Deserialize)]
struct Check {
    value: Vec<u8>,
}

#[derive(Deserialize)]
struct Recorded {
    name: String,
    // Wrangler's table has no such column.
    #[serde(default)]
    checksum: Option<String>,
}

#[derive(Deserialize)]
struct Key {
    id: Vec<u8>,
    sealed: Vec<u8>,
    joined_at: i64,
    state: String,
    reason: Option<String>,
    changed_at: i64,
    paused: u8,
    borrow: u8,
    lend_per_day: Option<u32>,
    lend_models: Option<String>,
}

impl Key {
    fn row(self) -> Result<KeyRow, Malformed> {
        Ok(KeyRow {
            id: row_id(self.id)?,
            sealed: Sealed::from_bytes(self.sealed),
            joined_at: self.joined_at,
            state: state(&self.state, self.reason)?,
            changed_at: self.changed_at,
            limits: Limits {
                paused: self.paused != 0,
                borrow: self.borrow != 0,
                lend_per_day: self.lend_per_day,
                lend_models: self.lend_models.as_deref().map(Limits::split_models),
            },
        })
    }
}

#[derive(Deserialize)]
struct Rest {
    key_id: Vec<u8>,
    scope: String,
    until: i64,
    why: String,
}

impl Rest {
    fn row(self) -> Result<Cooldown, Malformed> {
        let Rest { key_id, scope, until, why } = self;
        Ok(Cooldown { key: row_id(key_id)?, scope, until, why })
    }
}

#[derive(Deserialize)]
struct Used {
    day: u32,
    model: String,
    #[serde(flatten)]
    total: Total,
}

impl Used {
    fn row(self) -> Result<Usage, Malformed> {
        let Used { day, model, total } = self;
        let (key, amount) = total.row()?;
        Ok(Usage { key, day, model, amount })
    }
}

#[derive(Deserialize)]
struct Total {
    key_id: Vec<u8>,
    lent_calls: i64,
    lent_tokens: i64,
    borrowed_calls: i64,
    borrowed_tokens: i64,
    own_calls: i64,
    own_tokens: i64,
    failed_calls: i64,
}

impl Total {
    fn row(self) -> Result<(RowId, UsageTotal), Malformed> {
        let count = |stored: i64| stored.max(0) as u64;
        let amount = UsageTotal {
            lent_calls: count(self.lent_calls),
            lent_tokens: count(self.lent_tokens),
            borrowed_calls: count(self.borrowed_calls),
            borrowed_tokens: count(self.borrowed_tokens),
            own_calls: count(self.own_calls),
            own_tokens: count(self.own_tokens),
            failed_calls: count(self.failed_calls),
        };
        Ok((row_id(self.key_id)?, amount))
    }
}

#[derive(Deserialize)]
struct Facts {
    key_id: Vec<u8>,
    day: u32,
    facts: String,
}

impl Facts {
    fn row(self) -> Result<Learned, Malformed> {
        let Facts { key_id, day, facts } = self;
        Ok(Learned { key: row_id(key_id)?, day, facts })
    }
}

#[derive(Deserialize)]
struct FactsOfAll {
    part: u8,
    scope: String,
    day: u32,
    facts: String,
}

impl FactsOfAll {
    fn row(self) -> Result<Quota, Malformed> {
        let FactsOfAll { part, scope, day, facts } = self;
        Ok(Quota { part, scope, day, facts })
    }
}

#[derive(Deserialize)]
struct Stone {
    id: Vec<u8>,
    at: i64,
}

impl Stone {
    fn row(self) -> Result<Tombstone, Malformed> {
        Ok(Tombstone { id: row_id(self.id)?, at: self.at })
    }
}

fn row_id(bytes: Vec<u8>) -> Result<RowId, Malformed> {
    bytes.try_into().map_err(|_| Malformed)
}

fn state(spelled: &str, reason: Option<String>) -> Result<KeyState, Malformed> {
    match (spelled, reason) {
        (sql::ACTIVE, _) => Ok(KeyState::Active),
        (sql::DISABLED, Some(reason)) => Ok(KeyState::Disabled { reason }),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests;
