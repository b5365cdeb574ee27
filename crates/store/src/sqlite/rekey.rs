//! Seals everything anew under another master key.
//!
//! Ids are keyed hashes, so they change along with the seals, and what refers to them follows by
//! the schema's cascade. Tombstones cannot follow, nor can access tokens and invites: what they were
//! made from was erased, or never kept. They stay and are found as long as the vault knows the older
//! master key.

use potluck_vault::Vault;
use rusqlite::{Connection, TransactionBehavior, params};

use super::open::OpenError;
use super::read;
use crate::sql;

/// In one transaction: a crash leaves all rows under the former master key, or all under this one.
pub(super) fn rekey(conn: &mut Connection, vault: &Vault) -> Result<(), OpenError> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (former, sealed) in read::seals(&transaction)? {
        let key = vault.open(&former, &sealed).map_err(OpenError::Sealed)?;
        let id = vault.key_id(&key);
        let sealed = vault.seal(&id, &key)?;
        let mut reseal = transaction.prepare_cached(sql::RESEAL)?;
        reseal.execute(params![former, id, sealed.as_bytes()])?;
    }
    transaction.execute(sql::WRITE_CHECK, [vault.check()])?;
    Ok(transaction.commit()?)
}
