//! Seals everything anew under another master key.
//!
//! Ids are keyed hashes, so they change along with the seals, and what refers to them follows by
//! the schema's cascade. Tombstones cannot follow, nor can access tokens and invites: what they were
//! made from was erased, or never kept. They stay and are found as long as the vault knows the older
//! master key.
//!
//! While a server runs, ids are held in many hands: [`SealStore`] changes the seals alone, and the next
//! opening, which finds the former check value, changes the ids.

use potluck_vault::{Sealed, Vault};
use rusqlite::{Connection, TransactionBehavior, params};

use super::open::OpenError;
use super::{SqliteStore, read};
use crate::rows::RowId;
use crate::seals::SEALS_AT_ONCE;
use crate::{Answer, SealStore, sql};

/// In one transaction: a crash leaves all rows under the former master key, or all under this one.
pub(super) fn rekey(conn: &mut Connection, vault: &Vault) -> Result<(), OpenError> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (former, sealed) in read::seals(&transaction)? {
        // One that nobody can open serves nobody: it must not keep the others from being served.
        let Ok(key) = vault.open(&former, &sealed) else {
            tracing::error!("a stored key cannot be opened, and stays as it is");
            continue;
        };
        let id = vault.key_id(&key);
        let sealed = vault.seal(&id, &key)?;
        let mut reseal = transaction.prepare_cached(sql::RESEAL)?;
        reseal.execute(params![former, id, sealed.as_bytes()])?;
    }
    transaction.execute(sql::WRITE_CHECK, [vault.check()])?;
    Ok(transaction.commit()?)
}

impl SealStore for SqliteStore {
    fn seals(&self, after: Option<RowId>) -> Answer<Vec<(RowId, Sealed)>> {
        // Nothing sorts before what has no bytes.
        let after = after.map_or_else(Vec::new, Vec::from);
        self.write(false, move |conn| {
            read::all(conn, sql::SEALS_AFTER, params![after, SEALS_AT_ONCE], |row| {
                Ok((row.get(0)?, read::sealed(row, 1)?))
            })
        })
    }

    fn reseal(&self, seals: Vec<(RowId, Sealed)>) -> Answer<()> {
        self.write(true, move |conn| {
            let mut reseal = conn.prepare_cached(sql::RESEAL)?;
            for (id, sealed) in &seals {
                reseal.execute(params![id, id, sealed.as_bytes()])?;
            }
            Ok(())
        })
    }
}
