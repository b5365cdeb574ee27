//! Copies of the data: made while it is in use, and put in its place.
//!
//! Rule: a copy is whole or is not there; and nothing replaces data that somebody has open.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use potluck_vault::{Recognised, Sealed, Vault};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _};

use super::open::{self, APPLICATION_ID, FILE, LOG, WAIT_FOR_OTHERS};
use super::{read, since};
use crate::OpenError;
use crate::rows::RowId;

/// Why data cannot be copied, or put back. Each is a sentence.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// No data there.
    #[error("There is no database in {}.", .0.display())]
    Nothing(PathBuf),
    /// Something is there already.
    #[error("{} is there already.", .0.display())]
    There(PathBuf),
    /// No database of ours, or a broken one.
    #[error("{} is not a whole potluck database.", .0.display())]
    NotOurs(PathBuf),
    /// Keys were withdrawn since, and there is no master key to tell which.
    #[error(
        "{0} keys were withdrawn from the data that is there, and only the master key tells which \
         of the copy's they are. Put it back, or set POTLUCK_MASTER_KEY_FILE."
    )]
    Withdrawn(usize),
    /// The folder.
    #[error(transparent)]
    Folder(#[from] OpenError),
    /// The system.
    #[error("{} cannot be written: {error}.", path.display())]
    System {
        /// What.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Anything else SQLite says.
    #[error("The database cannot be copied: {0}.")]
    Sqlite(#[from] rusqlite::Error),
}

/// Writes the data of a folder, which may be in use, to a file that is not there yet. Gives how many
/// keys are in it.
pub fn back_up(folder: &Path, to: &Path) -> Result<u64, CopyError> {
    let from = folder.join(FILE);
    if !from.is_file() {
        return Err(CopyError::Nothing(folder.to_owned()));
    }
    if to.exists() {
        return Err(CopyError::There(to.to_owned()));
    }
    let partial = partial(to);
    copy(&from, &partial, to)?;
    let keys = check(&partial).inspect_err(|_| drop(fs::remove_file(&partial)))?;
    put(&partial, to).map_err(|error| CopyError::System { path: to.to_owned(), error })?;
    Ok(keys)
}

/// Copies what a database holds at one moment, its log included, whoever has it open.
fn copy(from: &Path, partial: &Path, to: &Path) -> Result<(), CopyError> {
    let cannot = |error| CopyError::System { path: to.to_owned(), error };
    // What a copy that was cut short left behind would be in the way, or be taken for this one's log.
    for stale in ["", "-journal", "-wal", "-shm"] {
        let mut name = partial.as_os_str().to_owned();
        name.push(stale);
        let _ = fs::remove_file(name);
    }
    open::private_file(partial).map_err(cannot)?;
    let conn = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    conn.busy_timeout(WAIT_FOR_OTHERS)?;
    let copied = conn.execute("VACUUM INTO ?1", [partial.to_string_lossy()]).map(drop);
    Ok(copied.inspect_err(|_| drop(fs::remove_file(partial)))?)
}

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// So many keys,
    pub keys: u64,
    /// and so many of the copy did not, as they were withdrawn since.
    pub withdrawn: u64,
}

/// Puts a copy in the place of a folder's data, which must not be in use; `replace` says that what is
/// there may go. What was withdrawn by that stays so, and takes the `vault` to be told in the copy.
pub fn restore(
    from: &Path,
    folder: &Path,
    replace: bool,
    vault: Option<&Vault>,
) -> Result<Restored, CopyError> {
    check(from)?;
    open::make_folder(folder)?;
    let _lock = open::lock(folder)?;
    let to = folder.join(FILE);
    let filled = fs::metadata(&to).is_ok_and(|there| there.len() > 0);
    if filled && !replace {
        return Err(CopyError::There(to));
    }
    let stones = if filled { remembered(&to)? } else { HashMap::new() };
    let cannot = |error| CopyError::System { path: to.clone(), error };
    let partial = partial(&to);
    copy(from, &partial, &to)?;
    let buried = match vault {
        _ if stones.is_empty() => Ok(0),
        Some(vault) => since::bury(&partial, &stones, vault),
        None => Err(CopyError::Withdrawn(stones.len())),
    };
    let keys = buried.and_then(|withdrawn| Ok((check(&partial)?, withdrawn)));
    let (keys, withdrawn) = keys.inspect_err(|_| drop(fs::remove_file(&partial)))?;
    // The former log is of the former data.
    for stale in [LOG, SHARED] {
        match fs::remove_file(folder.join(stale)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(cannot(error)),
            _ => {}
        }
    }
    put(&partial, &to).map_err(cannot)?;
    Ok(Restored { keys, withdrawn })
}

/// Whether the data of a folder, which may be in use, opens with this vault, and how many keys are in it;
/// none where there is no data yet.
pub fn opens_with(folder: &Path, vault: &Vault) -> Result<Option<(u64, bool)>, CopyError> {
    let file = folder.join(FILE);
    if fs::metadata(&file).map_or(0, |file| file.len()) == 0 {
        return Ok(None);
    }
    let keys = check(&file)?;
    let conn = Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    conn.busy_timeout(WAIT_FOR_OTHERS)?;
    let written: Option<Vec<u8>> =
        conn.query_row(crate::sql::READ_CHECK, [], |row| row.get(0)).optional()?;
    let opens = written.is_none_or(|check| vault.recognises(&check) != Recognised::Foreign);
    Ok(Some((keys, opens)))
}

/// What was withdrawn from the data that is there. Data that is broken is what copies are for: it
/// remembers nothing. Whatever else keeps it from being read must not bring a withdrawn key back.
fn remembered(data: &Path) -> Result<since::Stones, CopyError> {
    match since::stones(data) {
        Ok(stones) => Ok(stones),
        Err(error) => match error.sqlite_error_code() {
            // Some other program's, without such a table.
            Some(ErrorCode::Unknown) => Ok(HashMap::new()),
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Ok(HashMap::new()),
            _ => Err(error.into()),
        },
    }
}

/// All keys of a folder, which may be in use, with their ids, as they are sealed.
pub fn sealed_keys(folder: &Path) -> Result<Vec<(RowId, Sealed)>, CopyError> {
    let file = folder.join(FILE);
    check(&file)?;
    let conn = Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    conn.busy_timeout(WAIT_FOR_OTHERS)?;
    Ok(read::seals(&conn)?)
}

/// Whether a file is a whole database of ours, and how many keys are in it.
fn check(file: &Path) -> Result<u64, CopyError> {
    let not_ours = || CopyError::NotOurs(file.to_owned());
    if !file.is_file() {
        return Err(CopyError::Nothing(file.to_owned()));
    }
    let conn = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let ask = |question: &str| conn.query_row(question, [], |row| row.get::<_, i64>(0));
    let mark = ask("PRAGMA application_id").map_err(|_| not_ours())?;
    let whole: String =
        conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(|_| not_ours())?;
    if mark != i64::from(APPLICATION_ID) || whole != "ok" {
        return Err(not_ours());
    }
    let keys = ask("SELECT count(*) FROM keys").map_err(|_| not_ours())?;
    Ok(u64::try_from(keys).unwrap_or(0))
}

fn put(partial: &Path, to: &Path) -> io::Result<()> {
    fs::File::open(partial)?.sync_all()?;
    fs::rename(partial, to)?;
    open::sync_folder(to.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

fn partial(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

/// What SQLite's processes share beside the log.
const SHARED: &str = "potluck.db-shm";
