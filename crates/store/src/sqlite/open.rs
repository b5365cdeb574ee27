//! Opening the data: everything that can be wrong with a folder, told in one sentence each.
//!
//! Order: the folder and its lock, then the file, then whether it is ours, then its schema, and last
//! whether the master key fits. Nothing is written before all that can be checked has been.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use potluck_vault::{NoRandomness, Recognised, Vault};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _};

use super::migrate::{self, Unfit};
use super::rekey::rekey;
use crate::migrations::{Differs, MIGRATIONS};
use crate::sql;

/// Why the data cannot be opened. Each is a sentence for whoever starts the program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A migration that had been applied reads differently now.
    #[error(
        "The schema of {} was made by another build: its migration {name} is not the one in this \
         binary. Start the binary that made it or restore a backup.",
        path.display()
    )]
    ChangedMigration {
        /// The database file.
        path: PathBuf,
        /// Which one.
        name: String,
    },
    /// Not a database at all, or a broken one.
    #[error("The file {} is damaged. Restore a backup.", path.display())]
    Damaged {
        /// The database file.
        path: PathBuf,
    },
    /// The folder is missing and cannot be made, or is no folder.
    #[error("The data folder {} cannot be made: {error}.", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Another process has it.
    #[error("The data folder {} is in use by another potluck. Stop that one first.", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A newer program wrote it.
    #[error(
        "This data was written by a newer potluck (schema {found}; this binary knows {known}). \
         Start the newer binary or restore a backup."
    )]
    Newer {
        /// The number of its newest migration.
        found: u32,
        /// The number of the newest one here.
        known: u32,
    },
    /// No randomness to seal anew with.
    #[error("The data cannot be sealed anew: {0}.")]
    NoRandomness(#[from] NoRandomness),
    /// Some other program's database.
    #[error("The file {} is not a potluck database.", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// No right to write there, or no room.
    #[error("The data folder {} cannot be written: {error}.", path.display())]
    NotWritable {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A row does not open while it is sealed anew.
    #[error("A stored key cannot be sealed anew: {0}.")]
    Sealed(potluck_vault::OpenError),
    /// Anything else SQLite says.
    #[error("The database cannot be opened: {0}.")]
    Sqlite(#[from] rusqlite::Error),
    /// The system gave no thread.
    #[error("The store cannot start its thread: {0}.")]
    Thread(io::Error),
    /// Sealed under another master key.
    #[error(
        "The keys in {} are sealed with another master key. Give the one they were sealed with, \
         or restore it from a backup.",
        path.display()
    )]
    WrongMasterKey {
        /// The database file.
        path: PathBuf,
    },
}

/// An opened and checked file.
pub(super) struct Opened {
    pub(super) conn: Connection,
    /// The write-ahead log beside it.
    pub(super) log: PathBuf,
    /// Holds the folder for this process.
    pub(super) lock: File,
}

pub(super) fn open(folder: &Path, vault: &Vault) -> Result<Opened, OpenError> {
    make_folder(folder)?;
    let lock = lock(folder)?;
    let path = folder.join(FILE);
    make_file(folder, &path)?;
    let conn = connect(folder, &path, vault).map_err(|error| named(error, folder, &path))?;
    Ok(Opened { conn, log: folder.join(LOG), lock })
}

fn connect(folder: &Path, path: &Path, vault: &Vault) -> Result<Connection, OpenError> {
    let mut conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    conn.busy_timeout(WAIT_FOR_OTHERS)?;
    check_owner(&conn, path)?;
    configure(&conn, folder)?;
    migrate::migrate(&mut conn, MIGRATIONS).map_err(|unfit| match unfit {
        Unfit::Differs(Differs::Changed { name }) => {
            OpenError::ChangedMigration { path: path.to_owned(), name }
        }
        Unfit::Differs(Differs::Newer { found, known }) => OpenError::Newer { found, known },
        Unfit::Sqlite(error) => OpenError::Sqlite(error),
    })?;
    check_master_key(&mut conn, path, vault)?;
    Ok(conn)
}

/// A file of zero bytes is ours to fill; one with tables must bear our mark.
fn check_owner(conn: &Connection, path: &Path) -> Result<(), OpenError> {
    let mark: i32 = conn.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let objects: i64 =
        conn.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    if mark == APPLICATION_ID || (mark == 0 && objects == 0) {
        Ok(())
    } else {
        Err(OpenError::NotOurs { path: path.to_owned() })
    }
}

fn configure(conn: &Connection, folder: &Path) -> Result<(), OpenError> {
    let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        let error = io::Error::other("its file system cannot hold a write-ahead log");
        return Err(OpenError::NotWritable { path: folder.to_owned(), error });
    }
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(conn.execute_batch(&format!(
        "PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA secure_delete = ON;
         PRAGMA foreign_keys = ON;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -{CACHE_KIB};
         PRAGMA application_id = {APPLICATION_ID};"
    ))?)
}

pub(super) fn check_master_key(
    conn: &mut Connection,
    path: &Path,
    vault: &Vault,
) -> Result<(), OpenError> {
    let stored: Option<Vec<u8>> =
        conn.query_row(sql::READ_CHECK, [], |row| row.get(0)).optional()?;
    let Some(stored) = stored else {
        conn.execute(sql::WRITE_CHECK, [vault.check()])?;
        return Ok(());
    };
    match vault.recognises(&stored) {
        Recognised::Current => Ok(()),
        Recognised::Older => rekey(conn, vault),
        Recognised::Foreign => Err(OpenError::WrongMasterKey { path: path.to_owned() }),
    }
}

/// Turns the commonest of SQLite's errors into sentences.
fn named(error: OpenError, folder: &Path, path: &Path) -> OpenError {
    let OpenError::Sqlite(inner) = &error else { return error };
    let not_writable = |kind: io::ErrorKind| OpenError::NotWritable {
        path: folder.to_owned(),
        error: kind.into(),
    };
    match inner.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            OpenError::Damaged { path: path.to_owned() }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            OpenError::InUse { path: folder.to_owned() }
        }
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            not_writable(io::ErrorKind::PermissionDenied)
        }
        Some(ErrorCode::DiskFull) => not_writable(io::ErrorKind::StorageFull),
        _ => error,
    }
}

pub(super) fn make_folder(folder: &Path) -> Result<(), OpenError> {
    if folder.is_dir() {
        return Ok(());
    }
    let failed = |error| OpenError::Folder { path: folder.to_owned(), error };
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(failed)?;
    match folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => sync_folder(parent).map_err(failed),
        None => Ok(()),
    }
}

/// The system gives the lock back when the process ends, however it ends.
pub(super) fn lock(folder: &Path) -> Result<File, OpenError> {
    let file = private_file(&folder.join(LOCK))
        .map_err(|error| OpenError::NotWritable { path: folder.to_owned(), error })?;
    let not_writable = |error| OpenError::NotWritable { path: folder.to_owned(), error };
    match file.try_lock() {
        // Whoever had it before may have left an address, which is somebody else's by now.
        Ok(()) => file.set_len(0).map(|()| file).map_err(not_writable),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: folder.to_owned() }),
        Err(TryLockError::Error(error)) => {
            Err(OpenError::NotWritable { path: folder.to_owned(), error })
        }
    }
}

/// The lock's own file holds it: it is emptied by whoever gets the lock.
pub(super) fn announce(folder: &Path, address: &str) -> io::Result<()> {
    fs::write(folder.join(LOCK), address)
}

pub(super) fn announced(folder: &Path) -> Option<String> {
    let said = fs::read_to_string(folder.join(LOCK)).ok()?;
    (!said.is_empty()).then_some(said)
}

/// Looks without making anything; what cannot be looked at is somebody else's.
pub(super) fn lies_idle(folder: &Path) -> bool {
    let filled = fs::metadata(folder.join(FILE)).is_ok_and(|file| file.len() > 0);
    let lock = || OpenOptions::new().read(true).write(true).open(folder.join(LOCK));
    filled && lock().is_ok_and(|lock| lock.try_lock().is_ok())
}

/// Made here and not by SQLite, so that nobody else can read it from its first moment; the log
/// takes over its mode.
fn make_file(folder: &Path, path: &Path) -> Result<(), OpenError> {
    private_file(path)
        .and_then(|_| sync_folder(folder))
        .map_err(|error| OpenError::NotWritable { path: folder.to_owned(), error })
}

pub(super) fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(file)
}

/// A new name is only certain once its folder is on disk.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

pub(super) const FILE: &str = "potluck.db";
pub(super) const LOG: &str = "potluck.db-wal";
const LOCK: &str = "potluck.lock";
/// "PotL" in ASCII: tells `file` and us whose database this is.
pub(super) const APPLICATION_ID: i32 = 0x506f_744c;
/// How long a write waits for another program that looks into the file (a backup, a shell).
pub(super) const WAIT_FOR_OTHERS: Duration = Duration::from_secs(2);
/// Room for the pages of some hundred thousand keys.
const CACHE_KIB: u32 = 16 * 1024;
/// Every statement there is, and the transaction's own.
const STATEMENTS: usize = 32;
