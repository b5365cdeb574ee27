//! The threads that serve.
//!
//! Why: a proxied call needs no second thread, and a connection that stays on one core costs no
//! lock and no wake-up across cores. Rule: each worker is a thread with a runtime of its own; a
//! connection is given to the worker that has the fewest and stays there. One accepting task deals
//! them out, so that the load is even (which `SO_REUSEPORT` does not promise, and it loses queued
//! connections when a listener closes).

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Threads waiting for connections. They stop when this is dropped, cutting what still runs.
pub struct Workers {
    workers: Vec<Worker>,
}

struct Worker {
    runtime: Handle,
    load: Arc<AtomicUsize>,
    thread: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Workers {
    /// Starts `count` threads, at least one.
    pub fn start(count: usize) -> io::Result<Workers> {
        let workers = (0..count.max(1)).map(Worker::start).collect::<io::Result<_>>()?;
        Ok(Workers { workers })
    }

    /// No thread of its own: everything runs on the runtime that calls this.
    pub fn here() -> Workers {
        let worker = Worker { runtime: Handle::current(), load: Arc::default(), thread: None };
        Workers { workers: vec![worker] }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.workers.len()
    }

    /// The worker's runtime, for tasks of its own such as sweeping.
    pub fn runtime(&self, worker: usize) -> Option<&Handle> {
        self.workers.get(worker).map(|worker| &worker.runtime)
    }

    /// The least loaded worker and a token that loads it until dropped.
    pub(super) fn pick(&self) -> (usize, &Handle, Load) {
        let loads = self.workers.iter().enumerate().map(|(n, worker)| (worker.load(), n));
        let (_, n) = loads.min().unwrap_or_default();
        let worker = &self.workers[n];
        worker.load.fetch_add(1, Relaxed);
        (n, &worker.runtime, Load(worker.load.clone()))
    }
}

impl Worker {
    fn start(number: usize) -> io::Result<Worker> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread =
            std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
                // An error means that the other half is gone, which is the signal as well.
                let _ = runtime.block_on(stopped);
                // A name that is still being looked up must not hold up the end.
                runtime.shutdown_background();
            })?;
        Ok(Worker { runtime: handle, load: Arc::default(), thread: Some((stop, thread)) })
    }

    fn load(&self) -> usize {
        self.load.load(Relaxed)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for (stop, thread) in self.workers.iter_mut().filter_map(|worker| worker.thread.take()) {
            drop(stop);
            // A worker's panic was reported when it happened.
            let _ = thread.join();
        }
    }
}

/// One connection's weight on its worker.
pub(super) struct Load(Arc<AtomicUsize>);

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
