//! Looks whether anything is wrong, and tells the operator: in the log, to whoever asks for alarms, and
//! to a webhook if there is one.
//!
//! Rule: no call waits for this, and nothing is told twice.

use std::collections::HashSet;

use potluck_core::{Alarm, Event, KeyId, Mono, Reason, State};
use potluck_edition::alarms::{Kind, Notice};

use crate::app::App;
use crate::lent::Lent;
use crate::webhook;

/// What is remembered between two looks.
#[derive(Debug, Default)]
pub struct Watchman {
    place_refused: Option<Mono>,
    /// Keys whose state was heard and could not be stored: the pool tells it again.
    unstored: HashSet<KeyId>,
    failures: u64,
    store_failed: Option<Mono>,
}

impl Watchman {
    /// Hears what the pool wants told or stored.
    pub fn hear(&mut self, app: &App, event: &Event<Lent>) {
        if self.was_heard(event) {
            return;
        }
        let now = app.clock.now();
        match event {
            Event::Alarm(Alarm::OurPlace) => self.place_refused = Some(now.mono),
            Event::State { id, state: State::Disabled { reason, .. } }
                if *reason != Reason::Operator =>
            {
                let notice = app.alarms.lock().key_died(*id, reason.words(), now.wall);
                webhook::tell(app, notice);
            }
            _ => {}
        }
    }

    /// What an event says was not stored.
    pub fn untold(&mut self, event: &Event<Lent>) {
        if let Event::State { id, .. } = event {
            self.unstored.insert(*id);
        }
    }

    /// Whether an event only tells again what was heard and not stored.
    fn was_heard(&mut self, event: &Event<Lent>) -> bool {
        matches!(event, Event::State { id, .. } if self.unstored.remove(id))
    }

    /// Looks around.
    pub fn look(&mut self, app: &App) {
        let now = app.clock.now();
        let failures = app.metrics.store_failures();
        if failures > std::mem::replace(&mut self.failures, failures) {
            self.store_failed = Some(now.mono);
        }
        let lately = |at: Option<Mono>| at.is_some_and(|at| now.mono.since(at) < STANDS);
        let found = [
            (Kind::PoolLow, is_low(app)),
            (Kind::OurPlace, lately(self.place_refused)),
            (Kind::Everyone, app.pools.census().held > 0),
            (Kind::Store, !app.store.healthy() || lately(self.store_failed)),
        ];
        let mut alarms = app.alarms.lock();
        let changed = found.map(|(kind, stands)| alarms.set(kind, stands, now.wall));
        drop(alarms);
        changed.into_iter().flatten().for_each(|notice| tell(app, notice));
    }
}

/// Whether fewer than a quarter of the keys serve. Paused ones are out because somebody wants it so.
fn is_low(app: &App) -> bool {
    let keys = app.pools.census();
    let wanted = keys.serving + keys.resting + keys.held + keys.disabled;
    wanted > 0 && keys.serving * LOW < wanted
}

fn tell(app: &App, notice: Notice) {
    let told = notice.told();
    tracing::warn!(alarm = %serde_json::json!(told), "an alarm changed");
    webhook::tell(app, notice);
}

/// A pool of which not even this part serves is low.
const LOW: u32 = 4;
/// What is not seen any more for so long is over.
const STANDS: std::time::Duration = std::time::Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_again_for_want_of_room_is_heard_once() {
        let mut watchman = Watchman::default();
        let died = |n: u8| Event::State { id: KeyId([n; 16]), state: State::Active };
        assert!(!watchman.was_heard(&died(1)), "news");

        watchman.untold(&died(1));

        assert!(watchman.was_heard(&died(1)) && !watchman.was_heard(&died(2)));
        assert!(!watchman.was_heard(&died(1)), "it was stored then, and this is news");
    }
}
