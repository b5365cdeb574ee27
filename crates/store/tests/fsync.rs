//! A disk that fails to sync: nothing unsynced is acknowledged, and nobody tries again in silence.
//!
//! An fsync that failed once may succeed when repeated without having written anything, so the only
//! safe answer is to stop. The test starts itself under strace, which makes the n-th sync of that
//! process fail, for each n; where strace is missing it says so and proves nothing.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use futures_util::FutureExt as _;
use potluck_store::{Answer, Inserted, Snapshot, SqliteStore, Store, StoreError, contract};
use potluck_vault::{MasterKey, Vault};

/// Syncs are counted for each thread: the first few are those of opening as well, all are commits
/// or the log's emptying by the writer.
const POSITIONS: u32 = 60;
const FOLDER: &str = "POTLUCK_TEST_FSYNC_FOLDER";
const MASTER: &str = "POTLUCK_TEST_FSYNC_MASTER";

#[test]
fn a_sync_that_fails_is_never_acknowledged_and_ends_writing() {
    if !strace_works() {
        println!("not run: strace is not installed, or not allowed to trace");
        return;
    }
    let master = MasterKey::generate().unwrap();
    let mut failed_while_writing = 0;
    for position in 1..=POSITIONS {
        let folder = tempfile::tempdir().unwrap();
        let said = run(folder.path(), &master, position);
        failed_while_writing += u32::from(said.contains("failed"));
        verify(folder.path(), &master, &said, position);
    }
    println!("{failed_while_writing} of {POSITIONS} positions were in the middle of writing");
    assert!(failed_while_writing >= 20, "the injected errors missed the writing");
}

fn strace_works() -> bool {
    let tried = Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "true"]).output();
    tried.is_ok_and(|output| output.status.success())
}

fn verify(folder: &Path, master: &MasterKey, said: &str, position: u32) {
    let store = SqliteStore::open(folder, &Vault::new(master)).unwrap();
    let Snapshot { keys, .. } = wait(store.load(0)).unwrap();
    for line in said.lines() {
        if let Some(number) = line.strip_prefix("stored ") {
            let id = contract::id(number.parse().unwrap());
            assert!(keys.iter().any(|row| row.id == id), "position {position}: {number} lost");
        }
    }
    assert!(!said.contains("wrong"), "position {position}: {said}");
}

fn run(folder: &Path, master: &MasterKey, position: u32) -> String {
    let Output { stdout, stderr, .. } = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e"])
        .arg(format!("inject=fsync,fdatasync:error=EIO:when={position}"))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "the_process_whose_disk_fails", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(MASTER, master.text().as_str())
        .output()
        .unwrap();
    let said = String::from_utf8(stdout).unwrap();
    assert!(said.contains("end"), "{said}\n{}", String::from_utf8_lossy(&stderr));
    said
}

#[test]
#[ignore = "started by the test above, as a process of its own"]
fn the_process_whose_disk_fails() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let master = MasterKey::parse(&std::env::var(MASTER).unwrap()).unwrap();
    match SqliteStore::open(Path::new(&folder), &Vault::new(&master)) {
        Ok(store) => insert_until_it_fails(&store),
        Err(error) => println!("\nrefused to open: {error}"),
    }
    println!("\nend");
}

fn insert_until_it_fails(store: &SqliteStore) {
    println!();
    for n in 0..40 {
        match wait(store.insert(contract::row(n), contract::stone(n))) {
            Ok(Inserted::Stored) => println!("stored {n}"),
            Err(StoreError::Failed) => return stays_failed(store),
            other => println!("wrong: {other:?}"),
        }
        // Empties the log, which syncs the file as well.
        if n % 8 == 7 {
            let stone = potluck_store::Tombstone { id: contract::stone(9999), at: 1 };
            if wait(store.withdraw(contract::id(9999), stone)) == Err(StoreError::Failed) {
                return stays_failed(store);
            }
        }
    }
}

/// The next sync would succeed; it must not be asked for.
fn stays_failed(store: &SqliteStore) {
    println!("failed");
    let next = wait(store.insert(contract::row(500), contract::stone(500)));
    let closed = wait(store.close());
    if store.healthy() || next != Err(StoreError::Failed) || closed != Err(StoreError::Failed) {
        println!("wrong: {next:?}, {closed:?}");
    }
}

fn wait<T>(mut answer: Answer<T>) -> Result<T, StoreError> {
    loop {
        match (&mut answer).now_or_never() {
            Some(answered) => return answered,
            None => std::thread::sleep(Duration::from_micros(200)),
        }
    }
}
