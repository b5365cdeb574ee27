//! What happens beside the calls: the pool's wishes are carried out.
//!
//! Rule: the hot path only marks; once in a while this task takes the marks and stores, probes or
//! tells the operator. A store that is busy or full is asked again; nothing here holds a call up.

use std::sync::Arc;
use std::time::Duration;

use potluck_core::{Alarm, Event, KeyId, Pool, Slot, Tombstone, Wall};
use potluck_edition::orders::{Order, Orders, stored_state};
use potluck_edition::{admission, alarm, rows};
use potluck_store::{Answer, StoreError, Sweep};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{MissedTickBehavior, interval};

use crate::app::{App, Hand};
use crate::lent::Lent;
use crate::pools::PartNumber;
use crate::watchman::Watchman;
use crate::{clock, probe};

/// How often marks are taken: a cooldown of a minute is on the disk long before it ends, and the
/// task costs nothing when there is nothing to do.
const TICK: Duration = Duration::from_millis(250);
/// What tokens used is written every so many ticks: every five seconds, for a restart may forget as
/// much.
const TOKENS_EVERY: u64 = 20;
/// Tokens whose use is written together: some milliseconds of the store's.
const TOKENS_AT_ONCE: usize = 512;
/// How often it is looked whether something is wrong, in ticks: every second.
const LOOK_EVERY: u64 = 4;
/// Old counts are summed up every so many ticks: at the start, and about every hour.
const SWEEP_EVERY: u64 = 4 * 3600;
/// Counts are kept by day for so long, and what was learned of quotas.
const KEPT_FOR: Duration = Duration::from_secs(90 * 24 * 3600);
/// Events taken in one turn, so that the lock is let go between: what was learned of a key is a text
/// that takes some microseconds to be written.
const TURN: usize = 64;
/// Probes under way at once: a pool of dead keys must not become a flood.
const PROBES: usize = 8;

/// Carries out what the pool wants until it is told to stop, and then writes the rest down.
pub async fn run(hand: Hand, mut stop: oneshot::Receiver<()>) {
    let mut scribe = Scribe::default();
    let probes = Arc::new(Semaphore::new(PROBES));
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ticks = 0_u64;
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            _ = &mut stop => break,
        }
        hand.app.clock.set_right();
        hand.app.pools.all().for_each(|mut pool| pool.handle_timeout(hand.app.clock.now()));
        hand.upstream.sweep();
        scribe.turn(&hand, Some(&probes)).await;
        if ticks.is_multiple_of(LOOK_EVERY) {
            scribe.watchman.look(&hand.app);
        }
        hand.app.turns.send_modify(|turns| *turns += 1);
        if ticks.is_multiple_of(SWEEP_EVERY) {
            sweep(&hand.app).await;
        }
        ticks += 1;
        if ticks.is_multiple_of(TOKENS_EVERY) {
            write_tokens(&hand.app).await;
        }
    }
    hand.app.pools.all().for_each(|mut pool| pool.flush());
    scribe.turn(&hand, None).await;
    write_tokens(&hand.app).await;
}

/// Sums up what was used long ago, and forgets what was learned and not used since.
async fn sweep(app: &App) {
    let kept = Wall(clock::wall().0 - KEPT_FOR.as_millis() as i64);
    // Keys that were out for long are erased by the pool.
    let sweep = Sweep { disabled_before: i64::MIN, days_before: rows::day_ending(kept) };
    if let Err(error) = app.store.sweep(sweep).await {
        tracing::warn!(%error, "old counts are yet to be summed up");
    }
}

/// Writes down what access tokens used.
async fn write_tokens(app: &App) {
    let all = app.tokens.lock().take_unwritten();
    for some in all.chunks(TOKENS_AT_ONCE) {
        let rows = some.iter().map(|(id, used)| (id.0, admission::rows::used(used))).collect();
        if let Err(error) = app.store.set_tokens_used(rows).await {
            tracing::warn!(%error, "what access tokens used is yet to be stored");
            some.iter().for_each(|(id, _)| app.tokens.lock().untold(*id));
        }
    }
}

/// What a part of the pool wants.
type Told = (PartNumber, Event<Lent>);

/// Writes the pool's changes down.
#[derive(Default)]
struct Scribe {
    /// Hears of what is wrong.
    watchman: Watchman,
    /// The store had no room just now: the rest waits in the pool.
    out_of_room: bool,
}

impl Scribe {
    async fn turn(&mut self, hand: &Hand, probes: Option<&Arc<Semaphore>>) {
        self.out_of_room = false;
        while !self.out_of_room {
            let mut events = take(&hand.app);
            events.iter().for_each(|(_, event)| self.watchman.hear(&hand.app, event));
            if events.is_empty() {
                return;
            }
            let learned = events.extract_if(.., |(_, event)| is_learned(event)).collect();
            let used =
                events.extract_if(.., |(_, event)| matches!(event, Event::Usage(_))).collect();
            for told in events.drain(..) {
                self.carry_out(hand, told, probes).await;
            }
            self.write_used(&hand.app, used).await;
            self.write_learned(&hand.app, learned).await;
        }
    }

    async fn carry_out(
        &mut self,
        hand: &Hand,
        (part, event): Told,
        probes: Option<&Arc<Semaphore>>,
    ) {
        match event {
            Event::Probe { slot, .. } => {
                if let Some(probes) = probes {
                    ask(hand, (part, slot), probes.clone());
                }
            }
            Event::Alarm(alarm) => tell(alarm),
            event => {
                if let Err(error) = self.write(&hand.app, part, &event).await {
                    self.failed(&hand.app, error, [(part, event)]);
                }
            }
        }
    }

    /// What was used is written together: it is told of every key and model in use at once. It adds
    /// to what is there, so that what is written must not be written again.
    async fn write_used(&mut self, app: &App, events: Vec<Told>) {
        let rows: Vec<_> = events
            .iter()
            .filter_map(|(part, event)| match Orders::of_part(*part).order(event, clock::wall()) {
                Some(Order::Usage(row)) => Some(row),
                _ => None,
            })
            .collect();
        if rows.is_empty() {
            return;
        }
        if let Err(error) = app.store.add_usage(rows).await {
            self.failed(app, error, events);
        }
    }

    /// Some of these are told every half-minute, a key and a quota each: they are written together,
    /// and behind all else, as an erased key has nothing to be learned of.
    async fn write_learned(&mut self, app: &App, events: Vec<Told>) {
        let (mut keys, mut quotas) = (Vec::new(), Vec::new());
        for (part, event) in &events {
            match Orders::of_part(*part).order(event, clock::wall()) {
                Some(Order::Learned(learned)) => keys.push(learned),
                Some(Order::Quota(quota)) => quotas.push(quota),
                _ => {}
            }
        }
        let mut written = Ok(());
        if !keys.is_empty() {
            written = app.store.set_learned(keys).await;
        }
        if written.is_ok() && !quotas.is_empty() {
            written = app.store.set_quotas(quotas).await;
        }
        if let Err(error) = written {
            self.failed(app, error, events);
        }
    }

    fn failed(&mut self, app: &App, error: StoreError, events: impl IntoIterator<Item = Told>) {
        if error != StoreError::Busy {
            app.metrics.store_failed();
        }
        if !matches!(error, StoreError::Busy | StoreError::Full | StoreError::Unavailable) {
            tracing::error!(%error, "a change could not be stored");
            return;
        }
        self.out_of_room = true;
        let now = app.clock.now();
        for (part, event) in events {
            self.watchman.untold(&event);
            app.pools.at(part).untold(&event, now);
        }
    }

    async fn write(
        &mut self,
        app: &App,
        part: PartNumber,
        event: &Event<Lent>,
    ) -> Result<(), StoreError> {
        match Orders::of_part(part).order(event, clock::wall()) {
            Some(order) => give(app, part, order).await,
            None => Ok(()),
        }
    }
}

fn is_learned(event: &Event<Lent>) -> bool {
    matches!(event, Event::Learned { .. } | Event::Quota { .. })
}

/// Gives the store an order of one part's.
async fn give(app: &App, part: PartNumber, order: Order) -> Result<(), StoreError> {
    let store = &app.store;
    match order {
        // As it is now: it may have changed since, and have been written by whoever changed it.
        Order::State(id, ..) => {
            present(app, part, |pool| {
                let (state, at) = stored_state(pool.state(KeyId(id))?, clock::wall());
                Some(store.set_state(id, state, at))
            })
            .await
        }
        Order::Cooldowns(id, cooldowns) => store.set_cooldowns(id, cooldowns).await,
        Order::Limits(id, _) => {
            present(app, part, |pool| {
                Some(store.set_limits(id, rows::limits(pool.limits(KeyId(id))?)))
            })
            .await
        }
        Order::Usage(usage) => store.add_usage(vec![usage]).await,
        Order::Learned(learned) => store.set_learned(vec![learned]).await,
        Order::Quota(quota) => store.set_quotas(vec![quota]).await,
        Order::Withdraw(id, row) => {
            let withdrawn = |pool: &Pool<Lent>| pool.is_withdrawn(Tombstone(row.id));
            still(app, part, withdrawn, || store.withdraw(id, row)).await
        }
        Order::Lift(tombstone) => {
            let lifted = |pool: &Pool<Lent>| !pool.is_withdrawn(Tombstone(tombstone));
            still(app, part, lifted, || store.lift(tombstone)).await
        }
        Order::Erase(id) => {
            still(app, part, |pool| !pool.knows(KeyId(id)), || store.erase(id)).await
        }
    }
}

/// Orders a write of what is so now, under the lock, as [`still`] does; nothing of a key that is gone.
async fn present(
    app: &App,
    part: PartNumber,
    order: impl FnOnce(&Pool<Lent>) -> Option<Answer<bool>>,
) -> Result<(), StoreError> {
    let ordered = order(&app.pools.at(part));
    match ordered {
        Some(written) => written.await.map(drop),
        None => Ok(()),
    }
}

/// Orders a write only if what it says still holds. The store takes orders when it is called, so
/// under the lock nothing that happens later can be undone by a change that comes late.
async fn still(
    app: &App,
    part: PartNumber,
    holds: impl FnOnce(&Pool<Lent>) -> bool,
    order: impl FnOnce() -> Answer<bool>,
) -> Result<(), StoreError> {
    let ordered = {
        let pool = app.pools.at(part);
        holds(&pool).then(order)
    };
    match ordered {
        Some(written) => written.await.map(drop),
        None => Ok(()),
    }
}

/// Takes as much of each part, so that none waits for another.
fn take(app: &App) -> Vec<Told> {
    let (now, mut events) = (app.clock.now(), Vec::new());
    let share = (TURN / usize::from(app.pools.count()).max(1)).max(1);
    for part in 0..app.pools.count() {
        let mut pool = app.pools.at(part);
        let some = std::iter::from_fn(|| pool.poll_event(now)).take(share);
        events.extend(some.map(|event| (part, event)));
    }
    events
}

/// Asks Google about a key that the pool wants to know about.
fn ask(hand: &Hand, (part, slot): (PartNumber, Slot), probes: Arc<Semaphore>) {
    let hand = hand.clone();
    tokio::spawn(async move {
        // Closed never; an error would only mean that nobody probes any more.
        let _turn = probes.acquire_owned().await;
        // Its contributor or an operator may have taken the key away meanwhile.
        let secret = hand.app.pools.at(part).still_asked(slot);
        let Some(secret) = secret else { return };
        let answer = probe::ask(&hand, &secret).await;
        hand.app.metrics.probed(answer.is_some());
        let outcome = probe::outcome(&answer);
        hand.app.pools.at(part).probed(slot, outcome, hand.app.clock.now());
    });
}

fn tell(alarm: Alarm) {
    let said = alarm::sentence(alarm);
    match alarm {
        Alarm::EveryoneDead => tracing::warn!("{said}"),
        Alarm::OurPlace | Alarm::Everyone | Alarm::EveryoneConfirmed => tracing::error!("{said}"),
    }
}
