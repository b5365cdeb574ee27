//! The thread that writes, and the queue before it.
//!
//! Rules:
//!
//! - a group is what has queued up, at most [`GROUP`]; it is one transaction; everybody in it is
//!   answered after the commit, with the same error if the commit fails;
//! - one malformed row fails alone, the rest of its group is written;
//! - a full disk or a lock held by another program passes, so writing is tried again with the next
//!   group; after any other error nothing on disk is certain (an fsync that failed once may
//!   succeed the next time without having written), so the store stops writing for good;
//! - after erasing, the log is cut before the answer.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use futures_channel::oneshot;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::open::{Opened, WAIT_FOR_OTHERS};
use crate::StoreError;

/// What waits to be written; bounded.
pub(super) struct Queue {
    /// None once the store is closing.
    messages: Mutex<Option<Sender<Message>>>,
    waiting: AtomicUsize,
    failed: AtomicBool,
}

impl Queue {
    pub(super) fn new() -> (Queue, Receiver<Message>) {
        let (sender, receiver) = mpsc::channel();
        let queue = Queue {
            messages: Mutex::new(Some(sender)),
            waiting: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
        };
        (queue, receiver)
    }

    /// Queues a job, or says at once why not.
    pub(super) fn push(&self, job: Box<dyn Job>) -> Result<(), StoreError> {
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = messages.as_ref().ok_or(StoreError::Closed)?;
        if self.failed() {
            return Err(StoreError::Failed);
        }
        if self.waiting.load(Ordering::Relaxed) >= QUEUE {
            return Err(StoreError::Busy);
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        sender.send(Message::Job(job)).map_err(|_| StoreError::Failed)
    }

    /// Queues the end, behind all jobs; there is room for it always.
    pub(super) fn close(&self, reply: Reply) -> Result<(), StoreError> {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = messages.take().ok_or(StoreError::Closed)?;
        sender.send(Message::Close(reply)).map_err(|_| StoreError::Failed)
    }

    /// Lets the thread end after what is queued.
    pub(super) fn hang_up(&self) {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    fn fail(&self) {
        self.failed.store(true, Ordering::Release);
    }

    fn took(&self, jobs: usize) {
        self.waiting.fetch_sub(jobs, Ordering::Relaxed);
    }
}

type Reply = oneshot::Sender<Result<(), StoreError>>;

pub(super) enum Message {
    Close(Reply),
    Job(Box<dyn Job>),
}

/// One request: done inside a transaction, answered after it.
pub(super) trait Job: Send {
    fn apply(&mut self, conn: &Connection) -> rusqlite::Result<()>;
    fn refuse(&mut self, error: StoreError);
    fn answer(self: Box<Self>, group: Result<(), StoreError>);
    fn erases(&self) -> bool;
}

/// The one kind of [`Job`]: work, its outcome, and who waits for it.
pub(super) struct Write<T, F> {
    erases: bool,
    work: Option<F>,
    outcome: Result<T, StoreError>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Write<T, F> {
    pub(super) fn new(
        erases: bool,
        work: F,
        reply: oneshot::Sender<Result<T, StoreError>>,
    ) -> Write<T, F> {
        Write { erases, work: Some(work), outcome: Err(StoreError::Failed), reply }
    }
}

impl<T, F> Job for Write<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> rusqlite::Result<T> + Send,
{
    fn apply(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        if let Some(work) = self.work.take() {
            self.outcome = Ok(work(conn)?);
        }
        Ok(())
    }

    fn refuse(&mut self, error: StoreError) {
        self.outcome = Err(error);
    }

    fn answer(self: Box<Self>, group: Result<(), StoreError>) {
        // Whoever asked may have gone; what was written stays written.
        let _ = self.reply.send(group.and(self.outcome));
    }

    fn erases(&self) -> bool {
        self.erases
    }
}

/// What the thread owns.
pub(super) struct Writer {
    conn: Connection,
    log: PathBuf,
    /// Held until the end: the folder is ours.
    _lock: std::fs::File,
    messages: Receiver<Message>,
    queue: Arc<Queue>,
    /// Erased rows may still be in the log.
    owes_cut: bool,
    /// The disk was full at the last try; told once, not for every group.
    full: bool,
}

impl Writer {
    pub(super) fn new(opened: Opened, messages: Receiver<Message>, queue: Arc<Queue>) -> Writer {
        let Opened { conn, log, lock } = opened;
        Writer { conn, log, _lock: lock, messages, queue, owes_cut: false, full: false }
    }

    pub(super) fn run(mut self) {
        let _sentinel = Sentinel(Arc::clone(&self.queue));
        loop {
            let first = match self.wait() {
                Ok(Message::Job(job)) => job,
                Ok(Message::Close(reply)) => return self.finish(Some(reply)),
                Err(RecvTimeoutError::Disconnected) => return self.finish(None),
                Err(RecvTimeoutError::Timeout) => {
                    self.cut_log();
                    continue;
                }
            };
            let (group, close) = self.gather(first);
            self.turn(group);
            if close.is_some() {
                return self.finish(close);
            }
        }
    }

    fn wait(&self) -> Result<Message, RecvTimeoutError> {
        if self.owes_cut && !self.queue.failed() {
            self.messages.recv_timeout(RETRY_CUT)
        } else {
            self.messages.recv().map_err(|_| RecvTimeoutError::Disconnected)
        }
    }

    /// What has queued up behind `first`, and the end if that came.
    fn gather(&self, first: Box<dyn Job>) -> (Vec<Box<dyn Job>>, Option<Reply>) {
        let mut group = vec![first];
        let mut close = None;
        while group.len() < GROUP && close.is_none() {
            match self.messages.try_recv() {
                Ok(Message::Job(job)) => group.push(job),
                Ok(Message::Close(reply)) => close = Some(reply),
                Err(_) => break,
            }
        }
        self.queue.took(group.len());
        (group, close)
    }

    /// Writes one group and answers it.
    pub(super) fn turn(&mut self, mut group: Vec<Box<dyn Job>>) {
        let outcome = self.write(&mut group);
        let erases = outcome.is_ok() && group.iter().any(|job| job.erases());
        if erases {
            self.owes_cut = true;
            self.cut_log();
        }
        for job in group {
            job.answer(outcome);
        }
        if outcome.is_ok() && self.log_is_long() {
            self.cut_log();
        }
    }

    fn write(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
        if self.queue.failed() {
            return Err(StoreError::Failed);
        }
        let outcome = commit(&mut self.conn, group);
        outcome.map_err(|error| self.judge(&error)).inspect(|()| self.full = false)
    }

    /// Empties the log into the file and cuts it. Another program that is reading can be in the
    /// way; then it is tried again later, and nobody waits for it.
    fn cut_log(&mut self) {
        if self.queue.failed() {
            return;
        }
        match cut(&self.conn) {
            Ok(true) => self.owes_cut = false,
            Ok(false) => {}
            Err(error) => {
                self.judge(&error);
            }
        }
    }

    fn log_is_long(&self) -> bool {
        std::fs::metadata(&self.log).is_ok_and(|log| log.len() > LONG_LOG)
    }

    /// What an error means for those who wait, and for the store.
    fn judge(&mut self, error: &rusqlite::Error) -> StoreError {
        let fault = fault(error);
        match fault {
            StoreError::Full if self.full => {}
            StoreError::Full => {
                self.full = true;
                tracing::error!("the data folder's disk is full: new keys are not stored");
            }
            StoreError::Failed => {
                self.queue.fail();
                tracing::error!(%error, "the store has failed and needs a restart");
            }
            _ => tracing::warn!(%error, "a group was not written"),
        }
        fault
    }

    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        &self.conn
    }

    fn finish(mut self, reply: Option<Reply>) {
        self.cut_log();
        let outcome = if self.queue.failed() { self.abandon() } else { Ok(()) };
        // The connection and the lock go before the answer: the folder can be opened again then.
        drop(self);
        if let Some(reply) = reply {
            let _ = reply.send(outcome);
        }
    }

    /// Keeps SQLite from a last checkpoint, which would sync again what failed to.
    fn abandon(&self) -> Result<(), StoreError> {
        let _ = self.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        Err(StoreError::Failed)
    }
}

/// A writer that panics leaves a store that says so.
struct Sentinel(Arc<Queue>);

impl Drop for Sentinel {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail();
        }
    }
}

/// One transaction for the whole group; a savepoint each, so that a malformed row fails alone.
fn commit(conn: &mut Connection, group: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    let mut transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for job in group {
        let savepoint = transaction.savepoint()?;
        match job.apply(&savepoint) {
            Ok(()) => savepoint.commit()?,
            Err(error) if fault(&error) == StoreError::Rejected => {
                tracing::error!(%error, "a malformed row was refused");
                savepoint.finish()?;
                job.refuse(StoreError::Rejected);
            }
            Err(error) => return Err(error),
        }
    }
    transaction.commit()
}

/// Whether the log could be cut.
fn cut(conn: &Connection) -> rusqlite::Result<bool> {
    conn.busy_timeout(Duration::ZERO)?;
    let busy = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    conn.busy_timeout(WAIT_FOR_OTHERS)?;
    match busy {
        Ok(busy) => Ok(busy == 0),
        Err(error) if fault(&error) == StoreError::Unavailable => Ok(false),
        Err(error) => Err(error),
    }
}

fn fault(error: &rusqlite::Error) -> StoreError {
    // What is not SQLite's own error is a value that does not fit its column.
    let Some(code) = error.sqlite_error_code() else { return StoreError::Rejected };
    match code {
        ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch => {
            StoreError::Rejected
        }
        ErrorCode::DiskFull => StoreError::Full,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::OutOfMemory => {
            StoreError::Unavailable
        }
        _ => StoreError::Failed,
    }
}

/// At most so many requests in one transaction: measured, an fsync a group of 128 already gives 50
/// times the rows of an fsync each, and a group of this size still takes only milliseconds.
const GROUP: usize = 256;
/// At most so many requests wait: seconds of work for a slow disk, some megabytes of memory.
pub(super) const QUEUE: usize = 16_384;
/// A log above this is emptied into the file: SQLite's own measure (1000 pages of 4 KiB).
const LONG_LOG: u64 = 4 << 20;
/// How soon a log is tried again that another program's reading kept from being cut.
const RETRY_CUT: Duration = Duration::from_secs(1);
