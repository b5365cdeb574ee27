//! Connections that wait for their next request.
//!
//! Rule: the last one used is the first one taken, so that a quiet time leaves few open; and none
//! waits longer than the upstream is sure to keep it open.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::link::{Link, Outgoing};

/// Waiting connections at most, for each worker. Above the number of calls that a worker has in
/// flight at once on a busy day, and at about 10 KiB each a bounded cost.
const MAX_WAITING: usize = 1024;

/// A connection and the moment from which it waits.
type Since<L> = (Instant, Box<L>);

/// The waiting connections of one worker.
pub(super) struct Waiting<B: Outgoing> {
    limit: Duration,
    links: Mutex<VecDeque<Since<Link<B>>>>,
}

impl<B: Outgoing> Waiting<B> {
    pub(super) fn new(limit: Duration) -> Waiting<B> {
        Waiting { limit, links: Mutex::new(VecDeque::new()) }
    }

    /// The freshest connection. It may have been closed meanwhile; the next request will tell.
    pub(super) fn take(&self) -> Option<Box<Link<B>>> {
        loop {
            let (since, link) = self.links.lock().pop_back()?;
            if since.elapsed() < self.limit {
                return Some(link);
            }
        }
    }

    /// Keeps a connection for the next request, and lets go of those that waited too long.
    pub(super) fn put(&self, link: Box<Link<B>>) {
        let now = Instant::now();
        let mut links = self.links.lock();
        links.push_back((now, link));
        let surplus = links.len() > MAX_WAITING;
        let stale = links.front().is_some_and(|(since, _)| now - *since >= self.limit);
        let oldest = if surplus || stale { links.pop_front() } else { None };
        drop(links);
        drop(oldest);
    }

    /// Closes what has waited too long or was closed by the upstream meanwhile.
    pub(super) fn sweep(&self) {
        let links = std::mem::take(&mut *self.links.lock());
        let mut good: VecDeque<_> = links
            .into_iter()
            .filter_map(|(since, mut link)| {
                (since.elapsed() < self.limit && link.is_quiet()).then_some((since, link))
            })
            .collect();
        let mut links = self.links.lock();
        good.append(&mut links);
        *links = good;
    }

    pub(super) fn len(&self) -> usize {
        self.links.lock().len()
    }
}
