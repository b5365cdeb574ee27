//! What was withdrawn since a copy was made: it stays out when the copy comes back.
//!
//! Rule: a tombstone is of a key that nobody has any more, so it is matched by making that of each
//! key in the copy, which takes the master key.

use std::collections::HashMap;
use std::path::Path;

use potluck_vault::Vault;
use rusqlite::{Connection, OpenFlags, params};

use super::copy::CopyError;
use super::migrate::{Unfit, migrate};
use super::open::WAIT_FOR_OTHERS;
use super::{open, read, write};
use crate::migrations::MIGRATIONS;
use crate::rows::RowId;
use crate::{OpenError, sql};

/// A tombstone: since when it stands, and whether its key is barred.
pub(super) type Stones = HashMap<RowId, (i64, bool)>;

/// The tombstones of the data that is there.
pub(super) fn stones(present: &Path) -> rusqlite::Result<Stones> {
    let conn = Connection::open_with_flags(present, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    conn.busy_timeout(WAIT_FOR_OTHERS)?;
    let barred: Vec<RowId> = match conn.column_exists(None, "tombstones", "barred")? {
        true => read::all(&conn, sql::ALL_BARRED, [], |row| row.get(0))?,
        false => Vec::new(),
    };
    let stone = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let all: Vec<(RowId, i64)> = read::all(&conn, sql::ALL_TOMBSTONES, [], stone)?;
    Ok(all.into_iter().map(|(id, at)| (id, (at, barred.contains(&id)))).collect())
}

/// Takes them over into a copy, and erases their keys there. Gives how many.
pub(super) fn bury(copy: &Path, stones: &Stones, vault: &Vault) -> Result<u64, CopyError> {
    let mut conn = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    conn.execute_batch("PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON;")?;
    open::check_master_key(&mut conn, copy, vault)?;
    migrate(&mut conn, MIGRATIONS).map_err(|unfit| match unfit {
        Unfit::Differs(_) => CopyError::NotOurs(copy.to_owned()),
        Unfit::Sqlite(error) => error.into(),
    })?;
    let (transaction, mut out) = (conn.transaction()?, 0);
    for (id, sealed) in read::seals(&transaction)? {
        let key = vault.open(&id, &sealed).map_err(OpenError::Sealed)?;
        if vault.tombstones(&key).any(|stone| stones.contains_key(&stone)) {
            out += u64::from(write::erase(&transaction, &id)?);
        }
    }
    for (id, (at, barred)) in stones {
        transaction.execute(sql::REMEMBER, params![id, at, barred])?;
    }
    transaction.commit()?;
    // Closed, it has no log beside it that would have to go along.
    conn.close().map_err(|(_, error)| error)?;
    Ok(out)
}
