//! A watch over silence that costs nothing while bytes flow.
//!
//! Why: a timer armed and cancelled for each chunk would cost more than the chunk. Rule: the timer
//! exists only once a read had to wait, and when it fires early it is set anew for what is left.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Tells when nothing has happened for a while.
pub struct Idle {
    limit: Duration,
    running: Option<Running>,
}

struct Running {
    last: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Idle {
    /// Silence is allowed for `limit`, from the first wait on.
    pub fn new(limit: Duration) -> Idle {
        Idle { limit, running: None }
    }

    /// Something happened. A look at the clock is needed only where a timer runs.
    pub fn touch(&mut self) {
        if let Some(running) = &mut self.running {
            running.last = Instant::now();
        }
    }

    /// Ready once the silence has lasted too long; call it whenever there is nothing to read.
    pub fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let running = self.running.get_or_insert_with(|| Running::new(self.limit));
        loop {
            std::task::ready!(running.timer.as_mut().poll(cx));
            let deadline = running.last + self.limit;
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            running.timer.as_mut().reset(deadline);
        }
    }
}

impl Running {
    fn new(limit: Duration) -> Running {
        let last = Instant::now();
        Running { last, timer: Box::pin(tokio::time::sleep_until(last + limit)) }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Waker;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn silence_expires_after_the_limit() {
        let start = Instant::now();
        let mut idle = Idle::new(LIMIT);

        poll_fn(|cx| idle.poll_expired(cx)).await;

        assert_eq!(start.elapsed().as_secs(), LIMIT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_push_the_end_away() {
        let start = Instant::now();
        let mut idle = Idle::new(LIMIT);
        assert!(idle.poll_expired(&mut Context::from_waker(Waker::noop())).is_pending());

        tokio::time::advance(LIMIT / 2).await;
        idle.touch();
        poll_fn(|cx| idle.poll_expired(cx)).await;

        assert_eq!(start.elapsed().as_secs(), (LIMIT + LIMIT / 2).as_secs());
    }
}
