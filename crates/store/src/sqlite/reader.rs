//! The thread that reads what may take long.
//!
//! Rule: no write waits for it. It sees what was committed before it was asked, on a connection of its
//! own, which is there for as long as one question is: so the folder is never kept from anybody.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use futures_channel::oneshot;
use rusqlite::{Connection, OpenFlags};

use super::open::{FILE, WAIT_FOR_OTHERS};
use crate::{Answer, StoreError};

/// Reads when it is asked.
pub(super) struct Reader {
    questions: Option<SyncSender<Question>>,
    thread: Option<JoinHandle<()>>,
}

type Question = Box<dyn FnOnce(&Path) + Send>;

impl Reader {
    /// Of the data in a folder.
    pub(super) fn of(folder: &Path) -> std::io::Result<Reader> {
        let (questions, asked) = sync_channel(QUEUE);
        let file = folder.join(FILE);
        let thread = std::thread::Builder::new().name("potluck-reader".to_owned());
        let thread = Some(thread.spawn(move || answer_all(file, asked))?);
        Ok(Reader { questions: Some(questions), thread })
    }

    /// Asks; or says at once that there is no room.
    pub(super) fn ask<T, F>(&self, read: F) -> Answer<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let question = move |file: &Path| {
            let told = open(file).and_then(|conn| read(&conn));
            let told = told.inspect_err(|error| tracing::warn!(%error, "nothing could be read"));
            // Whoever asked may have gone.
            let _ = reply.send(told.map_err(|_| StoreError::Unavailable));
        };
        let asked = self.questions.as_ref().map(|questions| questions.try_send(Box::new(question)));
        match asked {
            Some(Ok(())) => {
                Box::pin(async move { answer.await.unwrap_or(Err(StoreError::Unavailable)) })
            }
            _ => Box::pin(std::future::ready(Err(StoreError::Busy))),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.questions.take();
        if let Some(thread) = self.thread.take() {
            // One that panicked has answered nobody, who have been told so.
            let _ = thread.join();
        }
    }
}

fn answer_all(file: PathBuf, asked: Receiver<Question>) {
    while let Ok(question) = asked.recv() {
        question(&file);
    }
}

fn open(file: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    conn.busy_timeout(WAIT_FOR_OTHERS)?;
    Ok(conn)
}

/// Questions that wait: each takes about a millisecond, but for those about all keys.
const QUEUE: usize = 64;
