//! What the pool wants done, carried out: written to D1, or told to the operator.
//!
//! Rule: events go to D1 in the order in which the pool gave them, one batch after the other, and
//! no new ones are taken while one waits; so nothing is undone by a change that comes late, and no
//! count is added twice. A batch that D1 does not take just now waits for the next turn.
//!
//! Probes wait here for whoever asks Google. The pool takes a probe that nobody answers for
//! undecided.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};

use potluck_core::{Event, KeyId, Now, Pool, Slot};
use potluck_edition::alarm;
use potluck_edition::orders::Orders;
use potluck_store::StoreError;
use worker::{console_error, console_warn};

use crate::d1::D1Store;
use crate::lent::Lent;
use crate::watch::Watch;

/// Events in one batch: few enough for D1's bounds on a transaction; counts and what was learned,
/// which are most of them, are one statement a kind together.
const BATCH: usize = 200;

/// Writes the pool's changes down.
pub struct Scribe {
    orders: Orders,
    /// Taken from the pool, and not yet on the disk.
    waiting: VecDeque<Event<Lent>>,
    /// The latest probe that the pool wants of each key.
    probes: HashMap<Slot, (KeyId, Lent)>,
}

impl Scribe {
    /// A scribe of what events order.
    pub fn new(orders: Orders) -> Scribe {
        Scribe { orders, waiting: VecDeque::new(), probes: HashMap::new() }
    }

    /// Whether the key's erasure was promised and is not on the disk yet.
    pub fn owes_erasure(&self, key: KeyId) -> bool {
        let erasure =
            |event: &Event<Lent>| matches!(event, Event::Withdrawn { id, .. } if *id == key);
        self.waiting.iter().any(erasure)
    }

    /// The keys that Google is to be asked about.
    pub fn take_probes(&mut self) -> Vec<(Slot, KeyId, Lent)> {
        self.probes.drain().map(|(slot, (id, key))| (slot, id, key)).collect()
    }

    /// Puts down what the pool does not know of, ahead of what it wants.
    pub fn add(&mut self, event: Event<Lent>) {
        self.waiting.push_back(event);
    }

    /// Writes all that the pool wants. Without anything to write, D1 is not asked.
    pub async fn write(
        &mut self,
        pool: &RefCell<Pool<Lent>>,
        store: &D1Store,
        watch: &RefCell<Watch>,
        now: Now,
    ) -> Result<(), StoreError> {
        loop {
            if self.waiting.is_empty() {
                self.take(&mut pool.borrow_mut(), &mut watch.borrow_mut(), now);
            }
            if self.waiting.is_empty() {
                return Ok(());
            }
            self.carry_out(store, now).await?;
        }
    }

    fn take(&mut self, pool: &mut Pool<Lent>, watch: &mut Watch, now: Now) {
        while self.waiting.len() < BATCH {
            let Some(event) = pool.poll_event(now) else { return };
            watch.hear(&event, now);
            match event {
                Event::Alarm(alarm) => console_error!("{}", alarm::sentence(alarm)),
                Event::Probe { slot, id, secret } => {
                    self.probes.insert(slot, (id, secret));
                }
                event => self.waiting.push_back(event),
            }
        }
    }

    async fn carry_out(&mut self, store: &D1Store, now: Now) -> Result<(), StoreError> {
        let ordered = self.waiting.iter().filter_map(|event| self.orders.order(event, now.wall));
        let orders: Vec<_> = ordered.collect();
        if !orders.is_empty() {
            match store.carry_out(&orders).await {
                // One row that breaks the schema must not keep the others from the disk.
                Err(StoreError::Rejected) => return self.one_by_one(store, now).await,
                other => other?,
            }
        }
        self.waiting.clear();
        Ok(())
    }

    async fn one_by_one(&mut self, store: &D1Store, now: Now) -> Result<(), StoreError> {
        while let Some(event) = self.waiting.front() {
            if let Some(order) = self.orders.order(event, now.wall) {
                match store.carry_out(&[order]).await {
                    Err(error @ StoreError::Rejected) => {
                        console_warn!("a change could not be stored and is left out: {error}");
                    }
                    other => other?,
                }
            }
            self.waiting.pop_front();
        }
        Ok(())
    }
}
