//! The reading statements: everything, once, at start.

use potluck_vault::Sealed;
use rusqlite::types::Type;
use rusqlite::{Connection, Params, Row, params};

use crate::rows::{
    Cooldown, KeyRow, KeyState, Learned, Limits, Quota, RowId, Snapshot, Tombstone, Usage,
    UsageTotal, UseOf,
};
use crate::sql;

pub(super) fn snapshot(conn: &Connection, since_day: u32) -> rusqlite::Result<Snapshot> {
    Ok(Snapshot {
        keys: all(conn, sql::ALL_KEYS, [], key)?,
        cooldowns: all(conn, sql::ALL_COOLDOWNS, [], cooldown)?,
        usage: all(conn, sql::USAGE_SINCE, [since_day.max(1)], usage)?,
        totals: all(conn, sql::USAGE_TOTALS, [sql::LARGEST as i64], |row| {
            Ok((row.get(0)?, amount(row, 1)?))
        })?,
        learned: all(conn, sql::ALL_LEARNED, [], |row| {
            Ok(Learned { key: row.get(0)?, day: row.get(1)?, facts: row.get(2)? })
        })?,
        quotas: all(conn, sql::ALL_QUOTAS, [], quota)?,
        tombstones: all(conn, sql::ALL_TOMBSTONES, [], |row| {
            Ok(Tombstone { id: row.get(0)?, at: row.get(1)? })
        })?,
        barred: all(conn, sql::ALL_BARRED, [], |row| row.get(0))?,
    })
}

/// Use by days.
pub(super) fn usage_since(
    conn: &Connection,
    since_day: u32,
    of: UseOf,
) -> rusqlite::Result<Vec<Usage>> {
    let since_day = since_day.max(1);
    match of {
        UseOf::Key(id) => all(conn, sql::USAGE_OF, params![since_day, id], usage),
        UseOf::Each { most } => all(conn, sql::USAGE_OF_EACH, [since_day, most], usage),
        UseOf::All => all(conn, sql::USAGE_OF_ALL, params![since_day, sql::LARGEST as i64], usage),
    }
}

/// Ids and seals of all keys.
pub(super) fn seals(conn: &Connection) -> rusqlite::Result<Vec<(RowId, Sealed)>> {
    all(conn, sql::ALL_KEYS, [], |row| Ok((row.get(0)?, sealed(row, 1)?)))
}

pub(super) fn all<T>(
    conn: &Connection,
    statement: &str,
    values: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    conn.prepare(statement)?.query_map(values, read)?.collect()
}

fn key(row: &Row<'_>) -> rusqlite::Result<KeyRow> {
    Ok(KeyRow {
        id: row.get(0)?,
        sealed: sealed(row, 1)?,
        joined_at: row.get(2)?,
        state: state(row)?,
        changed_at: row.get(5)?,
        limits: Limits {
            paused: row.get(6)?,
            borrow: row.get(7)?,
            lend_per_day: row.get(8)?,
            lend_models: row.get::<_, Option<String>>(9)?.as_deref().map(Limits::split_models),
        },
    })
}

pub(super) fn sealed(row: &Row<'_>, column: usize) -> rusqlite::Result<Sealed> {
    Ok(Sealed::from_bytes(row.get::<_, Vec<u8>>(column)?))
}

fn state(row: &Row<'_>) -> rusqlite::Result<KeyState> {
    match row.get_ref(3)?.as_str()? {
        sql::ACTIVE => Ok(KeyState::Active),
        sql::DISABLED => Ok(KeyState::Disabled { reason: row.get(4)? }),
        _ => Err(rusqlite::Error::InvalidColumnType(3, "state".to_owned(), Type::Text)),
    }
}

fn cooldown(row: &Row<'_>) -> rusqlite::Result<Cooldown> {
    Ok(Cooldown { key: row.get(0)?, scope: row.get(1)?, until: row.get(2)?, why: row.get(3)? })
}

fn quota(row: &Row<'_>) -> rusqlite::Result<Quota> {
    Ok(Quota { part: row.get(0)?, scope: row.get(1)?, day: row.get(2)?, facts: row.get(3)? })
}

fn usage(row: &Row<'_>) -> rusqlite::Result<Usage> {
    Ok(Usage { key: row.get(0)?, day: row.get(1)?, model: row.get(2)?, amount: amount(row, 3)? })
}

fn amount(row: &Row<'_>, first: usize) -> rusqlite::Result<UsageTotal> {
    let count = |at: usize| Ok::<_, rusqlite::Error>(row.get::<_, i64>(first + at)?.max(0) as u64);
    Ok(UsageTotal {
        lent_calls: count(0)?,
        lent_tokens: count(1)?,
        borrowed_calls: count(2)?,
        borrowed_tokens: count(3)?,
        own_calls: count(4)?,
        own_tokens: count(5)?,
        failed_calls: count(6)?,
    })
}
