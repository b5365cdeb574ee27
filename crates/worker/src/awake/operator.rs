//! What operators ask of the part of the pool that an object holds.
//!
//! Rule: who asks was checked in the isolate, and nobody else reaches an object. As for contributors,
//! an answer to a change means that D1 has it.

use potluck_core::{KeyId, Mono, Slot, Tombstone, Withdrawal};
use potluck_edition::admin::change::{self, Act, Changed};
use potluck_edition::admin::checking::{Checked, Said};
use potluck_edition::admin::listing::{Page, Wanted};
use potluck_edition::admin::sights::{Place, Sights};
use potluck_edition::admin::{Task, status};
use potluck_edition::usage::{self, Days, Told};
use potluck_edition::{me, rows};
use potluck_gemini::answer::{Problem, Reason};
use potluck_store::{Inserted, Store as _, StoreError, Usage, UseOf};
use potluck_vault::Sealed;
use serde_json::json;
use worker::{Delay, console_error};

use super::{Awake, LOOK_AGAIN};
use crate::caller::Caller;
use crate::exchanges::LEASE;
use crate::lent::Lent;
use crate::line::{AddedSaid, BecameSaid};
use crate::probe;
use crate::reply::Reply;

impl Awake {
    /// Does what an operator wants of this part of the pool; `text` is the request's body.
    pub async fn operate(&self, task: Task, text: &[u8]) -> Result<Reply, Problem> {
        match task {
            Task::Status => Ok(Reply::json(&json!(self.status()))),
            Task::List(wanted) => Ok(self.list(&wanted)),
            Task::Add { .. } => self.add(text).await,
            Task::Check(id) => self.check(id).await,
            Task::Look(id) => self.look_at(id),
            Task::Change(id) => {
                self.set(id, change::Change::read(text)?.disabled).await?;
                self.look_at(id)
            }
            Task::ChangeMany => self.change_many(text).await,
            Task::Watch(place) => Ok(self.watch(&place)),
            Task::Usage(wanted) => self.usage(wanted).await,
            Task::UsageTable(wanted) => {
                let of = wanted.key.map_or(usage::EACH, |id| UseOf::Key(id.0));
                Ok(Reply::csv(usage::csv(&self.used(wanted, of).await?)?))
            }
            Task::Alarms => Ok(self.alarms().await),
            Task::Erase(id) => self.erase(id).await,
            _ => Err(Problem::new(Reason::NoRoute)),
        }
    }

    /// What a contributor gave and took by days.
    pub async fn usage_of(&self, caller: Caller, days: Days) -> Result<Reply, Problem> {
        if !self.pool.borrow().knows(caller.id) {
            return Err(Problem::new(Reason::UnknownKey));
        }
        self.usage(usage::Wanted { days, key: Some(caller.id) }).await
    }

    fn status(&self) -> status::Status {
        status::Status::of(&self.pool.borrow().metrics())
    }

    fn list(&self, wanted: &Wanted) -> Reply {
        let (pool, now) = (self.pool.borrow(), self.now());
        let look = |_, from, most| pool.list(from, most, wanted.sought(), now);
        let (listing, next) = wanted.gather(1, look);
        Reply::json(&json!(Page::of(&listing, next, pool.lent_calls())))
    }

    fn look_at(&self, id: KeyId) -> Result<Reply, Problem> {
        let seen = self.pool.borrow().me(id, self.now());
        let seen = seen.ok_or_else(|| Problem::new(Reason::UnknownKey))?;
        Ok(Reply::json(&me::view(&seen)))
    }

    fn watch(&self, after: &Place) -> Reply {
        let (mut pool, known) = (self.pool.borrow_mut(), after.in_part(0));
        let newest = pool.last_sight();
        // A place that lies ahead was told before the object started anew.
        let seen = pool.watch(if known > newest { 0 } else { known }, self.now());
        Reply::json(&json!(Sights::of(seen, &Place::of(std::iter::once(newest)))))
    }

    async fn alarms(&self) -> Reply {
        let mut scribe = self.scribe.lock().await;
        scribe.look(self.pool.borrow().census(), self.store.healthy(), self.now());
        Reply::json(&json!(scribe.alarms()))
    }

    async fn usage(&self, wanted: usage::Wanted) -> Result<Reply, Problem> {
        let of = wanted.key.map_or(UseOf::All, |id| UseOf::Key(id.0));
        let used = self.used(wanted, of).await?;
        Ok(Reply::json(&json!(Told::of(&used, wanted.days, self.now().wall))))
    }

    /// What D1 holds, once it holds what this part of the pool knows.
    async fn used(&self, wanted: usage::Wanted, of: UseOf) -> Result<Vec<Usage>, Problem> {
        match wanted.key {
            Some(id) => self.pool.borrow_mut().flush_usage_of(id),
            None => self.pool.borrow_mut().flush_usage(),
        }
        self.write(&mut *self.scribe.lock().await).await?;
        let used = self.store.usage(wanted.days.since(self.now().wall), of).await;
        used.map_err(|error| trouble(&error))
    }

    /// Asks Google about a key now.
    async fn check(&self, id: KeyId) -> Result<Reply, Problem> {
        let unknown = || Problem::new(Reason::UnknownKey);
        let (slot, lent) = self.pool.borrow().secret(id).ok_or_else(unknown)?;
        let Ok(key) = self.vault.open(&id.0, lent.sealed()) else {
            self.leave_out(id);
            self.pool.borrow_mut().leave_out(id);
            return Err(unknown());
        };
        let outcome = probe::ask(&self.env, &self.google, &key).await;
        let verdict = self.pool.borrow_mut().checked(slot, outcome.outcome(), self.now());
        self.write(&mut *self.scribe.lock().await).await?;
        let key = self.pool.borrow().me(id, self.now()).ok_or_else(unknown)?;
        Ok(Reply::json(&json!(Checked::of(Said::of(verdict), &key))))
    }

    /// Takes a key out of service, or back.
    async fn set(&self, id: KeyId, out: bool) -> Result<(), Problem> {
        let known = {
            let (mut pool, now) = (self.pool.borrow_mut(), self.now());
            if out { pool.put_out(id, now) } else { pool.put_back(id, now) }
        };
        if !known {
            return Err(Problem::new(Reason::UnknownKey));
        }
        self.write(&mut *self.scribe.lock().await).await
    }

    async fn change_many(&self, text: &[u8]) -> Result<Reply, Problem> {
        let (act, ids) = change::many(text)?;
        let mut changed = Changed { done: 0, unknown: 0 };
        for id in ids {
            match self.changed(act, id).await {
                Ok(()) => changed.done += 1,
                Err(problem) if problem.reason == Reason::UnknownKey => changed.unknown += 1,
                Err(problem) => return Err(problem),
            }
        }
        Ok(Reply::json(&json!(changed)))
    }

    async fn changed(&self, act: Act, id: Option<KeyId>) -> Result<(), Problem> {
        let id = id.ok_or_else(|| Problem::new(Reason::UnknownKey))?;
        match act {
            Act::Disable => self.set(id, true).await,
            Act::Enable => self.set(id, false).await,
            Act::Erase => self.forget(id).await.map(drop),
        }
    }

    async fn erase(&self, id: KeyId) -> Result<Reply, Problem> {
        let deadline = self.now().mono + LEASE;
        if let Some(Withdrawal { slot, .. }) = self.forget(id).await? {
            self.last_lease(slot, deadline).await;
        }
        Ok(Reply::empty())
    }

    /// Erases a key here and in D1; some call may have it in hand yet.
    async fn forget(&self, id: KeyId) -> Result<Option<Withdrawal>, Problem> {
        let mut scribe = self.scribe.lock().await;
        let erased = self.pool.borrow_mut().erase(id);
        self.left_out.borrow_mut().remove(&id);
        // What is still to be written of it comes before, and is erased with it.
        self.write(&mut scribe).await?;
        let stored = self.store.erase(id.0).await.map_err(|error| trouble(&error))?;
        if erased.is_none() && !stored {
            return Err(Problem::new(Reason::UnknownKey));
        }
        Ok(erased)
    }

    /// Waits until no call uses a key that is gone, or every lease of it has run out.
    pub(super) async fn last_lease(&self, slot: Slot, deadline: Mono) {
        let in_use = || self.pool.borrow().leases(slot) > 0 || self.now().mono < self.inherited;
        while self.now().mono < deadline && in_use() {
            Delay::from(LOOK_AGAIN).await;
        }
    }

    /// Adds keys that an isolate has sealed.
    async fn add(&self, text: &[u8]) -> Result<Reply, Problem> {
        // Whoever wrote it is a part of this program.
        let rows: Vec<AddedSaid> =
            serde_json::from_slice(text).map_err(|_| Problem::new(Reason::Internal))?;
        let mut scribe = self.scribe.lock().await;
        self.write(&mut scribe).await?;
        let mut told = Vec::with_capacity(rows.len());
        for some in rows.chunks(AT_ONCE) {
            self.add_some(some, &mut told).await;
        }
        Ok(Reply::json(&json!(told)))
    }

    async fn add_some(&self, rows: &[AddedSaid], told: &mut Vec<(usize, BecameSaid)>) {
        for row in rows.iter().filter(|row| self.left_out.borrow_mut().remove(&KeyId(row.id))) {
            // A row that cannot be read would be held for this key's own.
            let _ = self.store.erase(row.id).await;
        }
        let added = self.store.insert_all(rows, self.now().wall.0).await;
        for row in rows {
            let became = match &added {
                Ok(added) => self.became(row, added.of(&row.id, &row.tombstone)).await,
                Err(_) => BecameSaid::Failed,
            };
            told.push((row.line, became));
        }
        if let Err(error) = added {
            trouble(&error);
        }
    }

    async fn became(&self, row: &AddedSaid, inserted: Inserted) -> BecameSaid {
        match inserted {
            Inserted::Stored => self.seat(row).await,
            Inserted::Already => BecameSaid::Known,
            Inserted::Withdrawn => BecameSaid::Withdrawn,
        }
    }

    /// Takes a key that was stored a moment ago into the pool.
    async fn seat(&self, row: &AddedSaid) -> BecameSaid {
        let (id, now) = (KeyId(row.id), self.now());
        let sealed = Sealed::from_bytes(row.sealed.as_slice());
        let seated = {
            let mut pool = self.pool.borrow_mut();
            // Its contributor may have asked for it to go while it was on its way to D1.
            match (pool.is_withdrawn(Tombstone(row.tombstone)), pool.knows(id)) {
                (true, _) => return BecameSaid::Withdrawn,
                (false, true) => return BecameSaid::Known,
                (false, false) => pool.restore(rows::fresh(id, now.wall), Lent::of(sealed), now),
            }
        };
        if seated {
            return BecameSaid::Added;
        }
        match self.store.erase(id.0).await {
            Ok(_) => BecameSaid::Full,
            Err(_) => BecameSaid::Failed,
        }
    }
}

/// Keys stored by one statement: a quarter of what D1 takes as one text.
const AT_ONCE: usize = 1000;

fn trouble(error: &StoreError) -> Problem {
    console_error!("the store failed: {error}");
    Problem::new(Reason::Store)
}
