//! Brings a file's schema up to date.
//!
//! Rule: the file is never between two schemas. Each migration and its record are one transaction,
//! so a crash leaves the one before or the one after; and a file that a newer program wrote is not
//! touched at all, since nobody here knows what its tables mean.

use rusqlite::{Connection, TransactionBehavior};

use crate::migrations::{self, Applied, CREATE_RECORD, Differs, Migration};

/// Why the schema cannot be used.
#[derive(Debug)]
pub(super) enum Unfit {
    Differs(Differs),
    Sqlite(rusqlite::Error),
}

impl From<Differs> for Unfit {
    fn from(differs: Differs) -> Unfit {
        Unfit::Differs(differs)
    }
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
    migrations::compare(&applied, known)?;
    transaction.execute_batch(CREATE_RECORD)?;
    transaction.commit()?;
    known.iter().skip(applied.len()).try_for_each(|migration| Ok(apply(conn, migration)?))
}

fn has_record(conn: &Connection) -> rusqlite::Result<bool> {
    conn.table_exists(None, "schema_migrations")
}

fn applied(conn: &Connection) -> rusqlite::Result<Vec<Applied>> {
    // A record made by another tool has no column for checksums.
    let checksum = match conn.column_exists(None, "schema_migrations", "checksum")? {
        true => "checksum",
        false => "NULL",
    };
    conn.prepare(&format!("SELECT name, {checksum} FROM schema_migrations ORDER BY name"))?
        .query_map([], |row| Ok(Applied { name: row.get(0)?, checksum: row.get(1)? }))?
        .collect()
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
