//! The store over D1.
//!
//! Rule: whatever belongs together is one batch. D1 runs a batch as one transaction, whose answer
//! means that it is durable, and knows no other kind; so the statements, each right by itself, are
//! the same as SQLite's and in the same order.
//!
//! Of the trait's promises one is weaker here: D1 keeps every former state for days, to go back to
//! (Time Travel). A withdrawn key is unreadable there only because it is sealed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use js_sys::Uint8Array;
use potluck_core::KeyId;
use potluck_edition::orders::Order;
use potluck_store::rows::{
    Cooldown, KeyRow, KeyState, Learned, Limits, Quota, RowId, Snapshot, Sweep, Swept, Tombstone,
    Usage, UseOf,
};
use potluck_store::{Answer, Inserted, Store, StoreError, sql};
use potluck_vault::{Recognised, Vault};
use serde::Deserialize;
use wasm_bindgen::JsValue;
use worker::console_error;
use worker::d1::{D1Database, D1PreparedStatement, D1Result};
use worker::send::SendFuture;

use crate::fault;
use crate::line::AddedSaid;
use crate::rows::{self, Added, Answers, Malformed};
use crate::statements::{self, Statement, Value};
use crate::unfit::{self, Unfit};

/// At most so many answers are awaited at a time: some megabytes of an isolate's 128, and more than
/// D1, which does one thing after another, gets done while anybody waits.
const WAITING: usize = 4096;

/// A [`Store`] in one D1 database.
///
/// Requests go out when their answer is first polled, and each is driven by whoever asked.
pub struct D1Store(Arc<Open>);

impl D1Store {
    /// Opens the database if its schema is the one this Worker was written for, and its keys are
    /// sealed with the vault's master key. A database without any is marked as this vault's.
    pub async fn open(database: D1Database, vault: &Vault) -> Result<D1Store, Unfit> {
        check_schema(&database).await?;
        check_master_key(&database, vault).await?;
        Ok(D1Store(Arc::new(Open {
            database,
            closed: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
        })))
    }

    /// Carries out all orders in one batch: all of them or none.
    pub fn carry_out(&self, orders: &[Order]) -> Answer<()> {
        self.ask(statements::orders(orders), |_| Ok(()))
    }

    /// Adds keys that joined then, all of them or none.
    pub fn insert_all(&self, keys: &[AddedSaid], at: i64) -> Answer<Added> {
        self.ask(Ok(statements::insert_all(keys, at)), rows::added)
    }

    /// Erases keys without a trace, all of them or none.
    pub fn erase_all(&self, ids: &[KeyId]) -> Answer<()> {
        self.ask(Ok(statements::erase_all(ids)), |_| Ok(()))
    }

    /// Runs one batch and reads its answers.
    fn ask<T: 'static>(
        &self,
        batch: Result<Vec<Statement>, StoreError>,
        read: impl FnOnce(&Batch) -> Result<T, Malformed> + 'static,
    ) -> Answer<T> {
        let admitted = batch.and_then(|batch| Ok((Admitted::to(&self.0)?, batch)));
        Box::pin(SendFuture::new(async move {
            let (open, batch) = admitted?;
            let answers = run(&open.0.database, batch).await.map_err(|said| open.judge(&said))?;
            read(&answers).map_err(|malformed| open.judge(&format!("{malformed}: SQLITE_CORRUPT")))
        }))
    }

    /// Runs one batch; whether its last statement changed anything.
    fn change(&self, batch: Result<Vec<Statement>, StoreError>) -> Answer<bool> {
        self.ask(batch, |answers| Ok(answers.changes(answers.0.len() - 1)? > 0))
    }
}

impl Store for D1Store {
    fn load(&self, since_day: u32) -> Answer<Snapshot> {
        self.ask(Ok(statements::load(since_day)), rows::snapshot)
    }

    fn insert(&self, row: KeyRow, tombstone: RowId) -> Answer<Inserted> {
        self.ask(statements::insert(&row, &tombstone), rows::inserted)
    }

    fn set_state(&self, id: RowId, state: KeyState, at: i64) -> Answer<bool> {
        self.change(Ok(statements::set_state(id, &state, at)))
    }

    fn set_limits(&self, id: RowId, limits: Limits) -> Answer<bool> {
        self.change(statements::set_limits(id, &limits))
    }

    fn set_cooldowns(&self, id: RowId, cooldowns: Vec<Cooldown>) -> Answer<()> {
        self.ask(Ok(statements::set_cooldowns(id, &cooldowns)), |_| Ok(()))
    }

    fn add_usage(&self, usage: Vec<Usage>) -> Answer<()> {
        if usage.is_empty() {
            // D1 takes no empty batch.
            return Box::pin(std::future::ready(Ok(())));
        }
        self.ask(Ok(statements::add_usage(&usage)), |_| Ok(()))
    }

    fn usage(&self, since_day: u32, of: UseOf) -> Answer<Vec<Usage>> {
        self.ask(Ok(statements::usage(since_day, of)), rows::usage)
    }

    fn set_learned(&self, learned: Vec<Learned>) -> Answer<()> {
        if learned.is_empty() {
            return Box::pin(std::future::ready(Ok(())));
        }
        self.ask(Ok(statements::set_learned(&learned)), |_| Ok(()))
    }

    fn set_quotas(&self, quotas: Vec<Quota>) -> Answer<()> {
        if quotas.is_empty() {
            return Box::pin(std::future::ready(Ok(())));
        }
        self.ask(Ok(statements::set_quotas(&quotas)), |_| Ok(()))
    }

    fn withdraw(&self, id: RowId, tombstone: Tombstone) -> Answer<bool> {
        self.change(Ok(statements::withdraw(id, tombstone)))
    }

    fn erase(&self, id: RowId) -> Answer<bool> {
        self.change(Ok(statements::erase(id)))
    }

    fn lift(&self, tombstone: RowId) -> Answer<bool> {
        self.change(Ok(statements::lift(tombstone)))
    }

    fn sweep(&self, sweep: Sweep) -> Answer<Swept> {
        self.ask(Ok(statements::sweep(sweep)), |answers| {
            let erased = rows::erased(answers)?;
            let more = erased.len() == sql::SWEEP_KEYS_AT_MOST as usize;
            Ok(Swept { erased, more })
        })
    }

    fn queued(&self) -> usize {
        self.0.waiting.load(Ordering::Relaxed)
    }

    fn healthy(&self) -> bool {
        !self.0.failed.load(Ordering::Relaxed)
    }

    fn close(&self) -> Answer<()> {
        let before = self.0.closed.swap(true, Ordering::Relaxed);
        let answer = if before { Err(StoreError::Closed) } else { Ok(()) };
        Box::pin(std::future::ready(answer))
    }
}

/// One database, and what is known of it.
struct Open {
    database: D1Database,
    closed: AtomicBool,
    /// The schema is not what it was; only waking up anew finds out what it is.
    failed: AtomicBool,
    waiting: AtomicUsize,
}

/// One request that was let in, until its answer is there or nobody waits for it.
struct Admitted(Arc<Open>);

impl Admitted {
    fn to(open: &Arc<Open>) -> Result<Admitted, StoreError> {
        if open.closed.load(Ordering::Relaxed) {
            return Err(StoreError::Closed);
        }
        if open.failed.load(Ordering::Relaxed) {
            return Err(StoreError::Failed);
        }
        if open.waiting.load(Ordering::Relaxed) >= WAITING {
            return Err(StoreError::Busy);
        }
        open.waiting.fetch_add(1, Ordering::Relaxed);
        Ok(Admitted(Arc::clone(open)))
    }

    /// What an error means for whoever asked, and for the store.
    fn judge(&self, said: &str) -> StoreError {
        let fault = fault::of(said);
        if fault == StoreError::Failed {
            self.0.failed.store(true, Ordering::Relaxed);
        }
        console_error!("{fault}: D1 says: {said}");
        fault
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The answers to one batch, in its order.
struct Batch(Vec<D1Result>);

impl Answers for Batch {
    fn rows<T: for<'r> Deserialize<'r>>(&self, place: usize) -> Result<Vec<T>, Malformed> {
        self.0.get(place).ok_or(Malformed)?.results().map_err(|_| Malformed)
    }

    fn changes(&self, place: usize) -> Result<usize, Malformed> {
        let meta = self.0.get(place).ok_or(Malformed)?.meta().map_err(|_| Malformed)?;
        meta.and_then(|meta| meta.changes).ok_or(Malformed)
    }
}

async fn check_schema(database: &D1Database) -> Result<(), Unfit> {
    let found = run(database, statements::find_record()).await.map_err(Unfit::Unreadable)?;
    if !rows::any(&found, 0).map_err(unreadable)? {
        return unfit::schema(&[]);
    }
    let record = run(database, statements::read_record()).await.map_err(Unfit::Unreadable)?;
    unfit::schema(&rows::record(&record).map_err(unreadable)?)
}

async fn check_master_key(database: &D1Database, vault: &Vault) -> Result<(), Unfit> {
    let found = run(database, statements::read_check()).await.map_err(Unfit::Unreadable)?;
    let Some(check) = rows::check(&found).map_err(unreadable)? else {
        let mark = statements::write_check(&vault.check());
        return run(database, mark).await.map(drop).map_err(Unfit::Unreadable);
    };
    match vault.recognises(&check) {
        Recognised::Current => Ok(()),
        Recognised::Older | Recognised::Foreign => Err(Unfit::WrongMasterKey),
    }
}

fn unreadable(malformed: Malformed) -> Unfit {
    Unfit::Unreadable(malformed.to_string())
}

/// Runs a batch; an error is D1's own words.
async fn run(database: &D1Database, batch: Vec<Statement>) -> Result<Batch, String> {
    let bound: worker::Result<Vec<_>> =
        batch.into_iter().map(|statement| bind(database, statement)).collect();
    let answers = database.batch(bound.map_err(|error| words(&error))?).await;
    answers.map(Batch).map_err(|error| words(&error))
}

fn bind(database: &D1Database, statement: Statement) -> worker::Result<D1PreparedStatement> {
    let values: Vec<JsValue> = statement.values.into_iter().map(js).collect();
    database.prepare(statement.sql).bind(&values)
}

fn js(value: Value) -> JsValue {
    match value {
        Value::Null => JsValue::NULL,
        Value::Number(number) => JsValue::from_f64(number),
        Value::Text(text) => JsValue::from_str(&text),
        // A plain list of numbers would be bound as text.
        Value::Blob(bytes) => Uint8Array::from(bytes.as_slice()).into(),
    }
}

fn words(error: &worker::Error) -> String {
    match error {
        worker::Error::D1(error) => {
            let error: &js_sys::Error = error.as_ref();
            error.message().into()
        }
        other => other.to_string(),
    }
}
