//! Brings a file's schema up to date.
//!
//! Rule: the file is never between two schemas. Each migration and its record are one transaction,
//! so a crash leaves the one before or the one after; and a file that a newer program wrote is not
//! touched at all, since nobody here knows what its tables mean.

use rusqlite::{Connection, TransactionBehavior};

use crate::migrations::{self, CREATE_RECORD, Migration};

/// Why the schema cannot be used.
#[derive(Debug)]
pub(super) enum Unfit {
    Changed { name: String },
    Newer { found: u32 },
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Unfit {
    fn from(error: rusqlite::Error) -> Unfit {
        Unfit::Sqlite(error)
    }
}

/// Applies what is missing of `known`.
pub(super) fn migrate(conn: &mut Connection, known: &[Migration]) -> Result<(), Unfit> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let applied = if has_record(&transaction)? { applied(&transaction)? } else { Vec::new() };
    check(&applied, known)?;
    transaction.execute_batch(CREATE_RECORD)?;
    transaction.commit()?;
    known.iter().skip(applied.len()).try_for_each(|migration| Ok(apply(conn, migration)?))
}

fn has_record(conn: &Connection) -> rusqlite::Result<bool> {
    conn.table_exists(None, "schema_migrations")
}

/// Names and checksums, in order.
fn applied(conn: &Connection) -> rusqlite::Result<Vec<(String, Option<String>)>> {
    // A record made by another tool has no column for checksums.
    let checksum = match conn.column_exists(None, "schema_migrations", "checksum")? {
        true => "checksum",
        false => "NULL",
    };
    conn.prepare(&format!("SELECT name, {checksum} FROM schema_migrations ORDER BY name"))?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

fn check(applied: &[(String, Option<String>)], known: &[Migration]) -> Result<(), Unfit> {
    let newest = applied.iter().filter_map(|(name, _)| migrations::number(name)).max();
    if let Some(found) = newest.filter(|&found| found as usize > known.len()) {
        return Err(Unfit::Newer { found });
    }
    for (place, (name, checksum)) in applied.iter().enumerate() {
        let same = known.get(place).is_some_and(|migration| {
            migration.name == name
                && checksum.as_ref().is_none_or(|checksum| *checksum == migration.checksum())
        });
        if !same {
            return Err(Unfit::Changed { name: name.clone() });
        }
    }
    Ok(())
}

fn apply(conn: &mut Connection, migration: &Migration) -> rusqlite::Result<()> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(migration.sql)?;
    match transaction.column_exists(None, "schema_migrations", "checksum")? {
        true => transaction.execute(
            "INSERT INTO schema_migrations (name, checksum) VALUES (?1, ?2)",
            [migration.name, &migration.checksum()],
        )?,
        false => transaction
            .execute("INSERT INTO schema_migrations (name) VALUES (?1)", [migration.name])?,
    };
    transaction.commit()
}
