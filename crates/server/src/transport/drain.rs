//! Stopping without cutting anybody short.
//!
//! Rule: the phases only go forward. A connection looks at the phase with one atomic load when it
//! is polled anyway; it is woken for a change of phase through a list, not by a channel of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::Waker;

use parking_lot::Mutex;
use tokio::sync::watch;

/// How far a shutdown has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// All is well.
    Running,
    /// New connections are still welcome, answers say `Connection: close`, `/readyz` says no.
    Draining,
    /// No new connections; idle ones are closed, running answers finish.
    Closing,
    /// Whatever is left is cut.
    Cut,
}

/// The handle to a shutdown, for everyone who starts one or must heed one.
#[derive(Clone, Debug)]
pub struct Shutdown {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    phase: AtomicU8,
    told: watch::Sender<Phase>,
    next: AtomicU64,
    /// Everything open, each with the waker of its task where it wants to be woken.
    open: Mutex<HashMap<u64, Option<Waker>>>,
    count: watch::Sender<usize>,
}

impl Default for Shutdown {
    fn default() -> Self {
        Shutdown::new()
    }
}

impl Shutdown {
    /// Nothing is shutting down.
    pub fn new() -> Shutdown {
        let shared = Shared {
            phase: AtomicU8::new(Phase::Running as u8),
            told: watch::Sender::new(Phase::Running),
            next: AtomicU64::new(0),
            open: Mutex::new(HashMap::new()),
            count: watch::Sender::new(0),
        };
        Shutdown { shared: Arc::new(shared) }
    }

    /// Begins to drain: the first signal.
    pub fn begin(&self) {
        self.advance(Phase::Draining);
    }

    /// Cuts what is left: the second signal, or the deadline.
    pub fn cut(&self) {
        self.advance(Phase::Cut);
    }

    /// How far it has come.
    pub fn phase(&self) -> Phase {
        match self.shared.phase.load(Ordering::Relaxed) {
            0 => Phase::Running,
            1 => Phase::Draining,
            2 => Phase::Closing,
            _ => Phase::Cut,
        }
    }

    /// Resolves once it has come at least as far as `phase`.
    pub async fn reached(&self, phase: Phase) {
        let mut told = self.shared.told.subscribe();
        // Fails only if the sender is gone, and we hold it.
        let _ = told.wait_for(|now| *now >= phase).await;
    }

    /// Something that the shutdown waits for, such as a socket that left HTTP behind. It must heed
    /// [`Self::reached`] by itself.
    pub fn hold(&self) -> Hold {
        self.enter(None)
    }

    /// Connections and holds that are open now.
    pub fn open(&self) -> usize {
        *self.shared.count.borrow()
    }

    pub(super) fn advance(&self, phase: Phase) {
        let before = self.shared.phase.fetch_max(phase as u8, Ordering::SeqCst);
        if before >= phase as u8 {
            return;
        }
        self.shared.told.send_replace(phase);
        let wakers: Vec<Waker> = self.shared.open.lock().values().flatten().cloned().collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// As [`Self::hold`], for a task that looks at the phase when it is woken.
    pub(super) fn enter(&self, waker: Option<Waker>) -> Hold {
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let mut open = self.shared.open.lock();
        open.insert(id, waker);
        self.shared.count.send_replace(open.len());
        Hold { shared: self.shared.clone(), id }
    }

    pub(super) async fn emptied(&self) {
        let mut count = self.shared.count.subscribe();
        let _ = count.wait_for(|open| *open == 0).await;
    }
}

/// Keeps a shutdown waiting until it is dropped.
#[derive(Debug)]
pub struct Hold {
    shared: Arc<Shared>,
    id: u64,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut open = self.shared.open.lock();
        open.remove(&self.id);
        self.shared.count.send_replace(open.len());
    }
}
