//! Whether anything is wrong with a part of the pool, as its object sees it.
//!
//! Rule: who asks is answered at once, whatever D1 is doing: just then it is asked.

use potluck_core::{Census, Event, Now};
use potluck_edition::alarms::{Alarms, Notice, Told};
use potluck_edition::watchman::Watchman;
use worker::console_warn;

use crate::lent::Lent;

/// What was seen, and the alarms that came of it.
#[derive(Default)]
pub struct Watch {
    watchman: Watchman,
    alarms: Alarms,
}

impl Watch {
    /// Hears what the pool wants told or stored.
    pub fn hear(&mut self, event: &Event<Lent>, now: Now) {
        self.watchman.hear(&mut self.alarms, event, now).iter().for_each(tell);
    }

    /// D1 did not take something.
    pub fn store_failed(&mut self, now: Now) {
        self.watchman.store_failed(now.mono);
    }

    /// Looks around.
    pub fn look(&mut self, keys: Census, store_works: bool, now: Now) {
        self.watchman.look(&mut self.alarms, keys, store_works, now).iter().for_each(tell);
    }

    /// What is wrong, as operators read it.
    pub fn told(&self) -> Told {
        self.alarms.told()
    }
}

fn tell(notice: &Notice) {
    console_warn!("an alarm changed: {}", serde_json::json!(notice.told()));
}
