//! What the object knows once it has read D1: the pool, and whom it answers what.
//!
//! Rule: answers come out of the memory. D1 is written to after a change alone, and a contributor's
//! change is answered once it is there. What time brings (a key that wakes, counts to be stored, a
//! dead key to be erased) an alarm does, set for the moment that the pool names.
//!
//! What operators ask is in `operator`.

mod operator;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::Duration;

use futures_util::lock::Mutex;
use futures_util::stream::{self, StreamExt as _};
use potluck_core::{
    Changed, Config, Event, KeyId, LimitsPatch, Mono, Now, Pool, Slot, Tombstone, Wall, Withdrawal,
    next_midnight,
};
use potluck_edition::orders::Orders;
use potluck_edition::pages::Page;
use potluck_edition::{badge, me, numbers, rows, table};
use potluck_gemini::ApiKey;
use potluck_gemini::answer::{Problem, Reason};
use potluck_store::{Inserted, KeyRow, Snapshot, Store as _, StoreError, Sweep};
use potluck_vault::{Sealed, Vault};
use worker::durable::ScheduledTime;
use worker::{Date, Env, Method, Storage, console_error};

use crate::caller::Caller;
use crate::clock::Clock;
use crate::d1::D1Store;
use crate::exchanges::{Exchanges, LEASE};
use crate::hand::settings;
use crate::lent::Lent;
use crate::line::{Asked, Heard, Said, Token, Told};
use crate::pool::master_key;
use crate::probe;
use crate::reply::Reply;
use crate::scribe::Scribe;
use crate::unfit::{self, Unfit};
use crate::watch::Watch;

/// Keys that the pool holds: at some 300 bytes each a third of an isolate's 128 MB, as twice as
/// much again is needed while they are read.
const MAX_KEYS: u32 = 1 << 17;
/// When D1 is asked again that did not take a change.
const AGAIN: Duration = Duration::from_secs(5);
/// What calls leave to be written is written together, so long after the first.
const SOON: Duration = Duration::from_secs(1);
/// Probes under way at once: a pool of dead keys must not become a flood.
const PROBES: usize = 4;
/// Counts are written once no isolate has said anything for so long: the platform puts an object to
/// sleep that was idle for ten seconds, and its memory goes. By then it is known which leases were
/// used: those of the last answer ran out two seconds ago.
const QUIET: Duration = Duration::from_secs(7);
/// How often a withdrawal looks whether the last lease is over.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Counts are kept by day for so long.
const KEPT_FOR: Duration = Duration::from_secs(90 * 24 * 3600);
/// The pool erases a dead key after thirty days; what it missed, as it knows no such key, goes later.
const DEAD_FOR: Duration = Duration::from_secs(40 * 24 * 3600);
/// The farthest that an alarm is set ahead; what is to be done later is looked for again by then.
const FARTHEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// Why a key that lies in D1 is not in the pool.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LeftOut {
    /// There was no room for it: it is as its row says.
    NoRoom,
    /// Its row cannot be read, or is to be erased: it would be held for this key's own.
    Void,
}

/// The pool in memory, and D1 behind it.
pub struct Awake {
    pool: RefCell<Pool<Lent>>,
    clock: Clock,
    store: D1Store,
    /// Locked while something is written, so that one writes after the other.
    scribe: Mutex<Scribe>,
    watch: RefCell<Watch>,
    storage: Storage,
    env: Env,
    vault: Vault,
    google: String,
    exchanges: RefCell<Exchanges>,
    /// Until when leases may be about that the object before this one gave.
    inherited: Mono,
    /// When an isolate said something last.
    heard: Cell<Mono>,
    /// When the alarm will come, in milliseconds since 1970.
    alarm: Cell<Option<u64>>,
    /// Keys that lie in D1 and could not be taken into the pool; they can be withdrawn all the same.
    left_out: RefCell<HashMap<KeyId, LeftOut>>,
}

impl Awake {
    /// Reads D1.
    pub async fn from(env: &Env, shard: u8, storage: Storage) -> Result<Awake, Unfit> {
        let database = env.d1(unfit::DATABASE).map_err(|_| Unfit::NoDatabase)?;
        let (vault, settings) = (Vault::new(&master_key(env)?), settings(env)?);
        let store = D1Store::open(database, &vault).await?;
        let clock = Clock::default();
        let now = clock.at(Date::now().as_millis());
        let unreadable = |error: StoreError| Unfit::Unreadable(error.to_string());
        let since = rows::day_ending(next_midnight(now.wall));
        let snapshot = store.load(since).await.map_err(unreadable)?;
        let parts = settings.shards;
        let config = Config { max_keys: MAX_KEYS, parts, ..Config::default() };
        let mut pool = Pool::new(config, seed()?);
        let held = |id: &[u8; 16]| settings.shard(id) == shard;
        let left_out = hydrate(&mut pool, &snapshot, shard, held, now);
        let exchanges = RefCell::new(Exchanges::new(epoch()?));
        let awake = Awake {
            pool: RefCell::new(pool),
            clock,
            store,
            scribe: Mutex::new(Scribe::new(Orders::of_part(shard))),
            watch: RefCell::default(),
            env: env.clone(),
            vault,
            google: settings.google,
            exchanges,
            inherited: now.mono + LEASE,
            heard: Cell::new(now.mono),
            alarm: Cell::new(planned(&storage).await),
            storage,
            left_out: RefCell::new(left_out),
        };
        awake.set_alarm(None).await;
        Ok(awake)
    }

    /// False once D1 is not what it was when it was read.
    pub fn is_fit(&self) -> bool {
        self.store.healthy()
    }

    /// Hears what an isolate tells, and answers what it asks.
    pub async fn hear(&self, said: Said) -> Heard {
        self.heard.set(self.now().mono);
        let Said { told, asked } = said;
        let (asked, admission) = match asked {
            Some(Asked::Admit { exchange, sealed }) => (None, Some((exchange, sealed))),
            asked => (asked, None),
        };
        let unreadable = told.iter().filter_map(|told| match told {
            Told::Unreadable(id) => Some(KeyId(*id)),
            _ => None,
        });
        unreadable.for_each(|id| self.leave_out(id));
        let said = Said { told, asked };
        let heard = {
            let mut pool = self.pool.borrow_mut();
            self.exchanges.borrow_mut().hear(&mut pool, said, self.now())
        };
        let heard = match admission {
            Some((exchange, sealed)) => self.admit(exchange, Sealed::from_bytes(sealed)).await,
            None => heard,
        };
        let soon = self.pool.borrow().has_events().then(|| (self.now().mono + SOON).0);
        self.set_alarm(soon).await;
        heard
    }

    /// Stores a key that has proved good, and takes it into the pool.
    async fn admit(&self, exchange: Token, sealed: Sealed) -> Heard {
        let Some((id, tombstone)) = self.exchanges.borrow().bearer(exchange) else {
            return Heard::default();
        };
        let at = self.now().wall.0;
        let row = KeyRow::new(id.0, sealed.clone(), at);
        // What is still to be written of this key is about a former life of it.
        let mut scribe = self.scribe.lock().await;
        if self.pool.borrow().has_events() {
            drop(self.write(&mut scribe).await);
        }
        let left_out = self.left_out.borrow().get(&id).copied();
        match left_out {
            // It is as its row says, and serves once there is room.
            Some(LeftOut::NoRoom) => return Heard { exchange: Some(exchange), ..Heard::default() },
            Some(LeftOut::Void) => self.erase_void(id).await,
            None => {}
        }
        match self.store.insert(row, tombstone.0).await {
            Ok(Inserted::Stored | Inserted::Already) => {
                let mut pool = self.pool.borrow_mut();
                let mut exchanges = self.exchanges.borrow_mut();
                exchanges.admitted(&mut pool, exchange, Lent::of(sealed), self.now())
            }
            Ok(_) => Heard { exchange: Some(exchange), ..Heard::default() },
            Err(error) => {
                console_error!("a contributed key could not be stored: {error}");
                Heard { exchange: Some(exchange), ..Heard::default() }
            }
        }
    }

    /// Erases a row that says nothing any more; where that fails it is tried again another time.
    async fn erase_void(&self, id: KeyId) {
        if self.store.erase(id.0).await.is_ok() {
            self.left_out.borrow_mut().remove(&id);
        }
    }

    fn leave_out(&self, id: KeyId) {
        if self.pool.borrow().knows(id) {
            console_error!("the stored key {id} cannot be opened, and is left out of the pool");
            self.left_out.borrow_mut().insert(id, LeftOut::Void);
        }
    }

    /// Answers one of our pages that is not about a contributor.
    pub fn answer(&self, page: Page) -> Result<Reply, Problem> {
        let pool = self.pool.borrow();
        Ok(match page {
            Page::KeyCount => Reply::json(&table::key_count(pool.key_count())),
            Page::Badge => Reply::svg(badge::svg(pool.key_count())),
            Page::Pool => Reply::json(&table::summary(&pool.summary(self.now()))),
            Page::Ready => Reply::text("ready"),
            Page::Metrics => Reply::json(&numbers::told(&pool.metrics())),
            Page::Table
            | Page::Still(_)
            | Page::Asset(_)
            | Page::Me
            | Page::MyUsage
            | Page::Alive
            | Page::Admin => {
                return Err(Problem::new(Reason::NoRoute));
            }
        })
    }

    /// Answers a contributor; `patch` is the body.
    pub async fn contributor(
        &self,
        method: &Method,
        caller: Caller,
        patch: &[u8],
    ) -> Result<Reply, Problem> {
        match method {
            Method::Patch => self.change(caller, &me::passed_on(patch)?).await,
            Method::Delete => self.withdraw(caller).await,
            _ => self.look(caller),
        }
    }

    fn look(&self, caller: Caller) -> Result<Reply, Problem> {
        let pool = self.pool.borrow();
        match pool.me(caller.id, self.now()) {
            Some(seen) => Ok(Reply::json(&me::view(&seen))),
            None if pool.is_withdrawn(caller.tombstone) => Ok(Reply::json(&me::withdrawn())),
            None => Err(Problem::new(Reason::UnknownKey)),
        }
    }

    async fn change(&self, caller: Caller, patch: &LimitsPatch) -> Result<Reply, Problem> {
        let Caller { id, tombstone } = caller;
        let changed = self.pool.borrow_mut().change(id, Some(tombstone), patch, self.now());
        match changed {
            Changed::Limits(_) => {
                self.write(&mut *self.scribe.lock().await).await?;
                self.look(caller)
            }
            Changed::MayRejoin => {
                self.write(&mut *self.scribe.lock().await).await?;
                Ok(Reply::json(&me::may_rejoin()))
            }
            Changed::StaysWithdrawn => Ok(Reply::json(&me::withdrawn())),
            Changed::Unknown => Err(Problem::new(Reason::UnknownKey)),
            Changed::Refused(why) => Err(me::bad(&why.to_string())),
        }
    }

    /// Takes the key out at once; answers when D1 has forgotten it, and no call uses it any more:
    /// within [`LEASE`], but for streams, which may run on.
    async fn withdraw(&self, Caller { id, tombstone }: Caller) -> Result<Reply, Problem> {
        let mut withdrawal = self.pool.borrow_mut().withdraw(id, tombstone, self.now());
        let mut scribe = self.scribe.lock().await;
        if withdrawal.is_none() {
            // It may have been on its way to D1 until now.
            withdrawal = self.pool.borrow_mut().withdraw(id, tombstone, self.now());
        }
        let left_out = withdrawal.is_none() && self.left_out.borrow_mut().remove(&id).is_some();
        if left_out {
            self.pool.borrow_mut().restore_tombstone(tombstone);
            scribe.add(Event::Withdrawn { id, tombstone });
        }
        // D1 may not have taken it when it was asked first.
        let owed = scribe.owes_erasure(id) || self.pool.borrow().is_leaving(id);
        if withdrawal.is_none() && !owed {
            return Err(Problem::new(Reason::UnknownKey));
        }
        let deadline = self.now().mono + LEASE;
        self.write(&mut scribe).await?;
        drop(scribe);
        if let Some(Withdrawal { slot, .. }) = withdrawal {
            self.last_lease(slot, deadline).await;
        }
        Ok(Reply::empty())
    }

    /// Does what time has brought.
    pub async fn wake(&self) -> Result<(), Problem> {
        self.alarm.set(None);
        {
            let mut pool = self.pool.borrow_mut();
            pool.handle_timeout(self.now());
            self.exchanges.borrow_mut().sweep(&mut pool, self.now());
            if self.now().mono >= self.heard.get() + QUIET {
                self.exchanges.borrow_mut().give_back_unused(&mut pool, self.now());
                pool.flush();
            }
        }
        self.write(&mut *self.scribe.lock().await).await
    }

    /// Sums up old counts, and erases what should have been erased long ago. D1 is one for all parts
    /// of a pool, so one of them does it.
    pub async fn sweep(&self) -> Result<(), Problem> {
        let now = self.now().wall;
        let since = Wall(now.0.saturating_sub(KEPT_FOR.as_millis() as i64));
        let sweep = Sweep {
            disabled_before: now.0.saturating_sub(DEAD_FOR.as_millis() as i64),
            days_before: rows::day_ending(since),
        };
        match self.store.sweep(sweep).await {
            Ok(swept) => {
                let mut pool = self.pool.borrow_mut();
                for id in swept.erased {
                    pool.leave_out(KeyId(id));
                }
                Ok(())
            }
            Err(error) => {
                console_error!("old counts could not be summed up: {error}");
                Err(Problem::new(Reason::Store))
            }
        }
    }

    /// Asks Google about the keys that the pool has its doubts about, a few at a time.
    pub async fn probe(&self) {
        let probes = self.scribe.lock().await.take_probes();
        let probes = probes.into_iter().map(|(slot, id, lent)| self.probe_one(slot, id, lent));
        stream::iter(probes).for_each_concurrent(PROBES, |probe| probe).await;
        let soon = self.pool.borrow().has_events().then(|| (self.now().mono + SOON).0);
        self.set_alarm(soon).await;
    }

    /// A key, unsealed; one that cannot be is left out of the pool from now on.
    fn open(&self, id: KeyId, lent: &Lent) -> Option<ApiKey> {
        let opened = self.vault.open(&id.0, lent.sealed()).ok();
        if opened.is_none() {
            self.leave_out(id);
            self.pool.borrow_mut().leave_out(id);
        }
        opened
    }

    async fn probe_one(&self, slot: Slot, id: KeyId, lent: Lent) {
        let Some(key) = self.open(id, &lent) else { return };
        let outcome = probe::ask(&self.env, &self.google, &key).await;
        self.pool.borrow_mut().probed(slot, outcome.outcome(), self.now());
    }

    async fn write(&self, scribe: &mut Scribe) -> Result<(), Problem> {
        let written = scribe.write(&self.pool, &self.store, &self.watch, self.now()).await;
        if written.is_err() {
            self.watch.borrow_mut().store_failed(self.now());
        }
        self.look_around();
        let again = written.is_err().then(|| self.now().mono + AGAIN);
        self.set_alarm(again.map(|at| at.0)).await;
        written.map_err(|error| {
            console_error!("the store failed: {error}");
            Problem::new(Reason::Store)
        })
    }

    fn look_around(&self) {
        let (keys, works) = (self.pool.borrow().census(), self.store.healthy());
        self.watch.borrow_mut().look(keys, works, self.now());
    }

    /// Sets the alarm for what the pool waits for, for `again`, and for when it may be quiet; not if
    /// one comes before.
    async fn set_alarm(&self, again: Option<u64>) {
        let timeout = self.pool.borrow().poll_timeout().map(|(at, _)| at.0);
        let counts = self.pool.borrow().has_counts() || self.exchanges.borrow().has_leases();
        let quiet = counts.then(|| (self.heard.get() + QUIET).0);
        let Some(at) = timeout.into_iter().chain(again).chain(quiet).min() else { return };
        let at = at.min((self.now().mono + FARTHEST).0);
        if self.alarm.get().is_some_and(|before| before <= at) {
            return;
        }
        self.alarm.set(Some(at));
        let date = js_sys::Date::new(&(at as f64).into());
        if let Err(error) = self.storage.set_alarm(ScheduledTime::new(date)).await {
            self.alarm.set(None);
            console_error!("the alarm cannot be set, the next change sets it: {error}");
        }
    }

    fn now(&self) -> Now {
        self.clock.at(Date::now().as_millis())
    }
}

/// Fills the pool as it was, with the keys that are held here; gives those that
/// were left out.
fn hydrate(
    pool: &mut Pool<Lent>,
    snapshot: &Snapshot,
    shard: u8,
    held: impl Fn(&[u8; 16]) -> bool,
    now: Now,
) -> HashMap<KeyId, LeftOut> {
    let mut left_out = HashMap::new();
    for stone in &snapshot.tombstones {
        pool.restore_tombstone(Tombstone(stone.id));
    }
    snapshot.barred.iter().for_each(|id| pool.restore_barred(Tombstone(*id)));
    rows::restore_quotas(pool, snapshot, shard, now);
    let found = rows::Found::of(snapshot);
    let day_end = next_midnight(now.wall);
    for row in snapshot.keys.iter().filter(|row| held(&row.id)) {
        let record = found.record(row, day_end);
        if !pool.restore(record, Lent::of(row.sealed.clone()), now) {
            left_out.insert(KeyId(row.id), LeftOut::NoRoom);
        }
    }
    if !left_out.is_empty() {
        console_error!("{} of the stored keys are left out of the pool", left_out.len());
    }
    left_out
}

/// The alarm that was set before this object slept.
async fn planned(storage: &Storage) -> Option<u64> {
    let at = storage.get_alarm().await.ok().flatten()?;
    u64::try_from(at).ok()
}

fn seed() -> Result<u64, Unfit> {
    getrandom::u64().map_err(|error| Unfit::Unreadable(error.to_string()))
}

/// Tells the tokens of this object from those of the one before it.
fn epoch() -> Result<u32, Unfit> {
    getrandom::u32().map_err(|error| Unfit::Unreadable(error.to_string()))
}
