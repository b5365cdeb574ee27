//! Connections that wait for their next request.
//!
//! Rule: the last one used is the first one taken, so that a quiet time leaves few open; and none
//! waits longer than the upstream is sure to keep it open. Time is what the last sweep saw: a call
//! need not look at the clock for a limit of a minute.

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

/// The waiting connections of one worker. Wants to be swept many times within its limit.
pub(super) struct Waiting<B: Outgoing> {
    limit: Duration,
    kept: Mutex<Kept<B>>,
}

struct Kept<B: Outgoing> {
    swept: Instant,
    links: VecDeque<Since<Link<B>>>,
}

impl<B: Outgoing> Waiting<B> {
    pub(super) fn new(limit: Duration) -> Waiting<B> {
        Waiting { limit, kept: Mutex::new(Kept { swept: Instant::now(), links: VecDeque::new() }) }
    }

    /// The freshest connection. It may have been closed meanwhile; the next request will tell.
    pub(super) fn take(&self) -> Option<Box<Link<B>>> {
        self.kept.lock().links.pop_back().map(|(_, link)| link)
    }

    /// Keeps a connection for the next request, in the oldest one's place where there are too many.
    pub(super) fn put(&self, link: Box<Link<B>>) {
        let mut kept = self.kept.lock();
        let since = kept.swept;
        kept.links.push_back((since, link));
        let surplus = kept.links.len() > MAX_WAITING;
        let oldest = if surplus { kept.links.pop_front() } else { None };
        drop(kept);
        drop(oldest);
    }

    /// Closes what has waited too long or was closed by the upstream meanwhile.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        let links = {
            let mut kept = self.kept.lock();
            kept.swept = now;
            std::mem::take(&mut kept.links)
        };
        let mut good: VecDeque<_> = links
            .into_iter()
            .filter_map(|(since, mut link)| {
                (now - since < self.limit && link.is_quiet()).then_some((since, link))
            })
            .collect();
        let mut kept = self.kept.lock();
        good.append(&mut kept.links);
        kept.links = good;
    }

    pub(super) fn len(&self) -> usize {
        self.kept.lock().links.len()
    }
}
