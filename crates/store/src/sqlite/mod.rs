//! The store of the native edition: one SQLite file and one thread that writes it.
//!
//! Why one thread with group commit: a commit that is on disk costs one fsync, half a millisecond
//! or more, and an fsync carries 256 contributions as well as one. So whatever has queued up while
//! the last commit was under way goes into the next one, and everybody is answered after it. A
//! lone contribution never waits for company.
//!
//! The file is in WAL mode with `synchronous=FULL`: a commit that was answered survives a power
//! cut. `secure_delete` overwrites what is deleted; after a withdrawal the log is also emptied into
//! the file and cut to nothing, since older copies of a page would stay in it.
//!
//! - [`open`](SqliteStore::open): folder, lock, checks, schema; every way to fail has a sentence;
//! - `writer`: the thread, its groups and its judgement of errors; `reader`: the one that reads what takes
//!   long;
//! - [`copy`](mod@copy): backups; `since`: what stays out of one that comes back;
//! - `write`, `read`: the statements; `admission`: those about tokens and invites.

mod admission;
pub mod copy;
mod migrate;
mod open;
mod read;
mod reader;
mod rekey;
mod since;
#[cfg(test)]
mod tests;
mod write;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use futures_channel::oneshot;
use potluck_vault::Vault;
use rusqlite::Connection;

use crate::rows::{
    Cooldown, KeyRow, KeyState, Learned, Limits, Quota, RowId, Snapshot, Sweep, Swept, Tombstone,
    Usage, UseOf,
};
use crate::{Answer, Inserted, Store, StoreError};
pub use open::OpenError;
use reader::Reader;
use writer::{Queue, Write, Writer};

/// A [`Store`] in one folder of this machine.
///
/// Requests are queued when a method is called, not when its answer is polled; use by days is read beside
/// them, as it was when they were last committed. Dropping the store
/// waits until what is queued is written.
pub struct SqliteStore {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
    reader: Reader,
}

impl SqliteStore {
    /// Opens the data in `folder`, which is made if it is missing, and brings its schema up to
    /// date. The folder belongs to one process at a time.
    pub fn open(folder: &Path, vault: &Vault) -> Result<SqliteStore, OpenError> {
        let opened = open::open(folder, vault)?;
        let (queue, jobs) = Queue::new();
        let queue = Arc::new(queue);
        let writer = Writer::new(opened, jobs, Arc::clone(&queue));
        let thread = std::thread::Builder::new()
            .name("potluck-store".to_owned())
            .spawn(move || writer.run())
            .map_err(OpenError::Thread)?;
        let reader = Reader::of(folder).map_err(OpenError::Thread)?;
        Ok(SqliteStore { queue, thread: Some(thread), reader })
    }

    /// Whether there is data in `folder` that no process has in hand.
    pub fn lies_idle(folder: &Path) -> bool {
        open::lies_idle(folder)
    }

    /// Says, for others on this machine, where the process that has the data in `folder` in hand can be
    /// reached. That process alone may say so.
    pub fn announce(folder: &Path, address: &str) -> std::io::Result<()> {
        open::announce(folder, address)
    }

    /// Where that process can be reached, if it has said so.
    pub fn announced(folder: &Path) -> Option<String> {
        open::announced(folder)
    }

    fn write<T, F>(&self, erases: bool, work: F) -> Answer<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        match self.queue.push(Box::new(Write::new(erases, work, reply))) {
            Ok(()) => awaited(answer),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}

/// The writer answers everything it took; silence means that it is no more.
fn awaited<T: Send + 'static>(answer: oneshot::Receiver<Result<T, StoreError>>) -> Answer<T> {
    Box::pin(async move { answer.await.unwrap_or(Err(StoreError::Failed)) })
}

impl Store for SqliteStore {
    fn load(&self, since_day: u32) -> Answer<Snapshot> {
        self.write(false, move |conn| read::snapshot(conn, since_day))
    }

    fn insert(&self, row: KeyRow, tombstone: RowId) -> Answer<Inserted> {
        self.write(false, move |conn| write::insert(conn, &row, &tombstone))
    }

    fn set_state(&self, id: RowId, state: KeyState, at: i64) -> Answer<bool> {
        self.write(false, move |conn| write::set_state(conn, &id, &state, at))
    }

    fn set_limits(&self, id: RowId, limits: Limits) -> Answer<bool> {
        self.write(false, move |conn| write::set_limits(conn, &id, &limits))
    }

    fn set_cooldowns(&self, id: RowId, cooldowns: Vec<Cooldown>) -> Answer<()> {
        self.write(false, move |conn| write::set_cooldowns(conn, &id, &cooldowns))
    }

    fn add_usage(&self, usage: Vec<Usage>) -> Answer<()> {
        self.write(false, move |conn| write::add_usage(conn, &usage))
    }

    fn usage(&self, since_day: u32, of: UseOf) -> Answer<Vec<Usage>> {
        if self.queue.is_closed() {
            return Box::pin(std::future::ready(Err(StoreError::Closed)));
        }
        self.reader.ask(move |conn| read::usage_since(conn, since_day, of))
    }

    fn set_learned(&self, learned: Vec<Learned>) -> Answer<()> {
        self.write(false, move |conn| write::set_learned(conn, &learned))
    }

    fn set_quotas(&self, quotas: Vec<Quota>) -> Answer<()> {
        self.write(false, move |conn| write::set_quotas(conn, &quotas))
    }

    fn withdraw(&self, id: RowId, tombstone: Tombstone) -> Answer<bool> {
        self.write(true, move |conn| write::withdraw(conn, &id, &tombstone))
    }

    fn erase(&self, id: RowId) -> Answer<bool> {
        self.write(true, move |conn| write::erase(conn, &id))
    }

    fn lift(&self, tombstone: RowId) -> Answer<bool> {
        self.write(false, move |conn| write::lift(conn, &tombstone))
    }

    fn sweep(&self, sweep: Sweep) -> Answer<Swept> {
        self.write(true, move |conn| write::sweep(conn, sweep))
    }

    fn queued(&self) -> usize {
        self.queue.waiting()
    }

    fn healthy(&self) -> bool {
        !self.queue.failed()
    }

    fn close(&self) -> Answer<()> {
        let (reply, answer) = oneshot::channel();
        match self.queue.close(reply) {
            Ok(()) => awaited(answer),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.queue.hang_up();
        if let Some(thread) = self.thread.take() {
            // A writer that panicked has already been told of: it counts as failed.
            let _ = thread.join();
        }
    }
}
