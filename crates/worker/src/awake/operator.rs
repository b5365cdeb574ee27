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

use super::{Awake, LOOK_AGAIN, LeftOut};
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
                let of = wanted.key.map_or(usage::each(MOST_LINES), |id| UseOf::Key(id.0));
                Ok(Reply::csv(usage::csv(&self.used(wanted, of).await?, MOST_LINES)?))
            }
            Task::Alarms => Ok(self.alarms()),
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

    fn alarms(&self) -> Reply {
        self.look_around();
        Reply::json(&json!(self.watch.borrow().told()))
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
        let key = self.open(id, &lent).ok_or_else(unknown)?;
        let outcome = probe::ask(&self.env, &self.google, &key).await;
        let verdict = self.pool.borrow_mut().checked(slot, outcome.outcome(), self.now());
        self.write(&mut *self.scribe.lock().await).await?;
        let key = self.pool.borrow().me(id, self.now()).ok_or_else(unknown)?;
        Ok(Reply::json(&json!(Checked::of(Said::of(verdict), &key))))
    }

    /// Takes a key out of service, or back.
    async fn set(&self, id: KeyId, out: bool) -> Result<(), Problem> {
        if !self.put(id, out) {
            return Err(Problem::new(Reason::UnknownKey));
        }
        self.write(&mut *self.scribe.lock().await).await
    }

    fn put(&self, id: KeyId, out: bool) -> bool {
        let (mut pool, now) = (self.pool.borrow_mut(), self.now());
        if out { pool.put_out(id, now) } else { pool.put_back(id, now) }
    }

    async fn change_many(&self, text: &[u8]) -> Result<Reply, Problem> {
        let (act, ids) = change::many(text)?;
        let asked = ids.len();
        let ids: Vec<KeyId> = ids.into_iter().flatten().collect();
        let done = match act {
            Act::Erase => self.forget(&ids).await?.len(),
            Act::Disable | Act::Enable => {
                let known = ids.iter().filter(|id| self.put(**id, act == Act::Disable)).count();
                // Together: D1 asks a price for each time that it is asked.
                self.write(&mut *self.scribe.lock().await).await?;
                known
            }
        };
        Ok(Reply::json(&json!(Changed { done, unknown: asked - done })))
    }

    async fn erase(&self, id: KeyId) -> Result<Reply, Problem> {
        let deadline = self.now().mono + LEASE;
        match self.forget(&[id]).await?.pop() {
            None => return Err(Problem::new(Reason::UnknownKey)),
            Some(Some(Withdrawal { slot, .. })) => self.last_lease(slot, deadline).await,
            Some(None) => {}
        }
        Ok(Reply::empty())
    }

    /// Erases keys here and in D1, and gives what the pool says of each that was there; some call may
    /// have it in hand yet.
    async fn forget(&self, ids: &[KeyId]) -> Result<Vec<Option<Withdrawal>>, Problem> {
        let mut scribe = self.scribe.lock().await;
        let mut known = Vec::new();
        for id in ids {
            let erased = self.pool.borrow_mut().erase(*id);
            let left_out = self.left_out.borrow_mut().remove(id).is_some();
            if erased.is_some() || left_out {
                known.push((*id, erased));
            }
        }
        // Until D1 has forgotten them, it can be asked to once more.
        let void = known.iter().map(|(id, _)| (*id, LeftOut::Void));
        self.left_out.borrow_mut().extend(void);
        let known: Vec<_> = known.into_iter().map(|(_, erased)| erased).collect();
        if known.is_empty() {
            return Ok(known);
        }
        // What is still to be written of them comes before, and is erased with them.
        self.write(&mut scribe).await?;
        self.store.erase_all(ids).await.map_err(|error| trouble(&error))?;
        for id in ids {
            self.left_out.borrow_mut().remove(id);
        }
        Ok(known)
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
        // What is still to be written of them is about a former life of theirs.
        let can_write = self.write(&mut scribe).await.is_ok();
        let mut told = Vec::with_capacity(rows.len());
        for some in rows.chunks(AT_ONCE) {
            match can_write {
                true => self.add_some(some, &mut told).await,
                false => told.extend(some.iter().map(|row| (row.line, BecameSaid::Failed))),
            }
        }
        Ok(Reply::json(&json!(told)))
    }

    async fn add_some(&self, rows: &[AddedSaid], told: &mut Vec<(usize, BecameSaid)>) {
        let is_void = |id: &KeyId| self.left_out.borrow().get(id) == Some(&LeftOut::Void);
        for id in rows.iter().map(|row| KeyId(row.id)).filter(is_void) {
            self.erase_void(id).await;
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
            self.doubt(rows);
        }
    }

    /// Whether these rows are in D1 nobody can tell: whoever comes next with one of the keys erases it
    /// before, and it can be withdrawn.
    fn doubt(&self, rows: &[AddedSaid]) {
        let (pool, mut left_out) = (self.pool.borrow(), self.left_out.borrow_mut());
        for id in rows.iter().map(|row| KeyId(row.id)).filter(|id| !pool.knows(*id)) {
            left_out.entry(id).or_insert(LeftOut::Void);
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

/// Lines of one table of use: the object that reads them holds the pool in the same 128 MB.
const MOST_LINES: u32 = 20_000;
/// Keys stored by one statement: a quarter of what D1 takes as one text.
const AT_ONCE: usize = 1000;

fn trouble(error: &StoreError) -> Problem {
    console_error!("the store failed: {error}");
    Problem::new(Reason::Store)
}
