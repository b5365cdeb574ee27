//! Looks whether anything is wrong, and tells the operator: in the log, to whoever asks for alarms, and
//! to a webhook if there is one.
//!
//! Rule: no call waits for this, and nothing is told twice; what is wrong says `potluck_edition`.

use potluck_core::Event;
use potluck_edition::alarms::Notice;
use potluck_edition::watchman;

use crate::app::App;
use crate::lent::Lent;
use crate::webhook;

/// What is remembered between two looks.
#[derive(Debug, Default)]
pub struct Watchman {
    heard: watchman::Watchman,
    failures: u64,
}

impl Watchman {
    /// Hears what the pool wants told or stored.
    pub fn hear(&mut self, app: &App, event: &Event<Lent>) {
        let died = self.heard.hear(&mut app.alarms.lock(), event, app.clock.now());
        died.into_iter().for_each(|notice| webhook::tell(app, notice));
    }

    /// What an event says was not stored.
    pub fn untold(&mut self, event: &Event<Lent>) {
        self.heard.untold(event);
    }

    /// Looks around.
    pub fn look(&mut self, app: &App) {
        let now = app.clock.now();
        let failures = app.metrics.store_failures();
        if failures > std::mem::replace(&mut self.failures, failures) {
            self.heard.store_failed(now.mono);
        }
        let (keys, works) = (app.pools.census(), app.store.healthy());
        let changed = self.heard.look(&mut app.alarms.lock(), keys, works, now);
        changed.into_iter().for_each(|notice| tell(app, notice));
    }
}

fn tell(app: &App, notice: Notice) {
    let told = notice.told();
    tracing::warn!(alarm = %serde_json::json!(told), "an alarm changed");
    webhook::tell(app, notice);
}
