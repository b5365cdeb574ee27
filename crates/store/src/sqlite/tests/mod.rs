//! Tests of what only this store promises, and the contract run against it.
#![allow(clippy::unwrap_used)]

mod erasing;
mod faults;
mod opening;
mod schema;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use potluck_gemini::ApiKey;
use potluck_vault::{MasterKey, Vault};

use super::*;
use crate::contract::{ADMISSION_CASES, AdmissionPlace, CASES, Place};
use crate::rows::KeyState;
use crate::{AdmissionStore, SealStore};

#[test]
fn the_contract_holds() {
    for (name, case) in CASES {
        println!("{name}");
        let folder = tempfile::tempdir().unwrap();
        block_on(case(&Folder(folder.path().to_owned())));
    }
    for (name, case) in ADMISSION_CASES {
        println!("{name}");
        let folder = tempfile::tempdir().unwrap();
        block_on(case(&Folder(folder.path().to_owned())));
    }
}

#[test]
fn a_full_queue_refuses_at_once_and_loses_nothing_it_took() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path(), &vault(1)).unwrap();
    // Held by another program for a moment, so that the queue fills up.
    let other = other_program(folder.path());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    let asked: Vec<_> = (0..writer::QUEUE + 500).map(|_| store.lift([0; 16])).collect();
    other.execute_batch("COMMIT").unwrap();
    drop(other);

    let answers: Vec<_> = asked.into_iter().map(block_on).collect();
    let busy = answers.iter().filter(|answer| **answer == Err(StoreError::Busy)).count();
    let done = answers.iter().filter(|answer| **answer == Ok(false)).count();
    assert!((1..=500).contains(&busy), "{busy} refused");
    assert_eq!(busy + done, answers.len());
    assert_eq!(block_on(store.lift([0; 16])), Ok(false));
}

#[test]
fn dropping_a_store_writes_what_was_queued() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path(), &vault(1)).unwrap();
    let unawaited: Vec<_> =
        (0..100).map(|n| store.insert(contract_row(n), contract_stone(n))).collect();

    drop(store);

    drop(unawaited);
    let store = SqliteStore::open(folder.path(), &vault(1)).unwrap();
    assert_eq!(block_on(store.load(0)).unwrap().keys.len(), 100);
}

/// A folder as the contract wants it.
struct Folder(PathBuf);

impl Place for Folder {
    fn open(&self) -> Answer<Box<dyn Store>> {
        let store = SqliteStore::open(&self.0, &vault(1)).unwrap();
        Box::pin(std::future::ready(Ok(Box::new(store) as Box<dyn Store>)))
    }
}

impl AdmissionPlace for Folder {
    fn open(&self) -> Answer<Box<dyn AdmissionStore>> {
        let store = SqliteStore::open(&self.0, &vault(1)).unwrap();
        Box::pin(std::future::ready(Ok(Box::new(store) as Box<dyn AdmissionStore>)))
    }
}

/// The n-th vault of the tests: the same number, the same master key.
fn vault(n: u8) -> Vault {
    Vault::new(&master(n))
}

fn master(n: u8) -> MasterKey {
    static MASTERS: [std::sync::OnceLock<MasterKey>; 3] = [const { std::sync::OnceLock::new() }; 3];
    MASTERS[usize::from(n)].get_or_init(|| MasterKey::generate().unwrap()).clone()
}

fn api_key(n: u16) -> ApiKey {
    ApiKey::parse(&format!("AIzaSyStoreStoreStoreStoreStoreSto{n:05}")).unwrap()
}

/// A row as the server makes it.
fn sealed_row(vault: &Vault, n: u16) -> KeyRow {
    let id = vault.key_id(&api_key(n));
    KeyRow {
        id,
        sealed: vault.seal(&id, &api_key(n)).unwrap(),
        joined_at: 1,
        state: KeyState::Active,
        changed_at: 1,
        limits: Limits::default(),
    }
}

fn contract_row(n: u16) -> KeyRow {
    crate::contract::row(n)
}

fn contract_stone(n: u16) -> RowId {
    crate::contract::stone(n)
}

fn other_program(folder: &Path) -> Connection {
    Connection::open(folder.join("potluck.db")).unwrap()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}
