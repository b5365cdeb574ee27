//! Kills a writing process again and again: what was acknowledged is there, once and whole.
//!
//! The test starts itself as the process to be killed. That one inserts from several threads and
//! says each key's number on its standard output only after the store's answer; the parent reads,
//! kills it without warning at a random moment, and opens what is left.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use potluck_gemini::ApiKey;
use potluck_store::{Answer, Inserted, KeyRow, KeyState, Limits, SqliteStore, Store, Tombstone};
use potluck_vault::{MasterKey, Vault};

const ROUNDS: u64 = 5;
const CLIENTS: u32 = 16;
const FOLDER: &str = "POTLUCK_TEST_CRASH_FOLDER";
const MASTER: &str = "POTLUCK_TEST_CRASH_MASTER";
const FROM: &str = "POTLUCK_TEST_CRASH_FROM";

#[test]
fn kill_9_loses_no_acknowledged_key_and_brings_none_back() {
    let seed = std::env::var("POTLUCK_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 =
        seed.unwrap_or_else(|| SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64);
    println!("POTLUCK_TEST_SEED={seed}");
    let mut dice = Dice(seed);
    let folder = tempfile::tempdir().unwrap();
    let master = MasterKey::generate().unwrap();
    let vault = Vault::new(&master);
    let mut acks = Acks::default();

    for round in 0..ROUNDS {
        let child = start(folder.path(), &master, round as u32 * 1_000_000);
        acks.read_until_killed(child, Duration::from_millis(50 + dice.below(400)));
        verify(folder.path(), &vault, &acks);
    }

    println!("{} stored, {} of them withdrawn", acks.stored.len(), acks.withdrawn.len());
    assert!(acks.stored.len() > 50, "the processes hardly came to write");
}

/// What the children said.
#[derive(Default)]
struct Acks {
    stored: BTreeSet<u32>,
    /// Asked for; whether it was done is known only of those in `withdrawn`.
    leaving: BTreeSet<u32>,
    withdrawn: BTreeSet<u32>,
}

impl Acks {
    fn read_until_killed(&mut self, mut child: Child, after: Duration) {
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while !lines.next().unwrap().unwrap().contains("ready") {}
        let killer = std::thread::spawn(move || {
            std::thread::sleep(after);
            child.kill().unwrap();
            child.wait().unwrap();
        });
        for line in lines {
            self.note(&line.unwrap());
        }
        killer.join().unwrap();
    }

    fn note(&mut self, line: &str) {
        // A line that the kill cut short says nothing.
        let Some(line) = line.strip_suffix('.') else { return };
        let (word, number) = line.split_once(' ').unwrap();
        let number = number.parse().unwrap();
        match word {
            "stored" => self.stored.insert(number),
            "leaving" => self.leaving.insert(number),
            "withdrawn" => self.withdrawn.insert(number),
            other => panic!("{other}"),
        };
    }
}

fn verify(folder: &Path, vault: &Vault, acks: &Acks) {
    let before = std::time::Instant::now();
    let store = SqliteStore::open(folder, vault).unwrap();
    let snapshot = wait(store.load(0)).unwrap();
    assert!(before.elapsed() < Duration::from_secs(1), "ready after {:?}", before.elapsed());

    let found: BTreeSet<_> = snapshot.keys.iter().map(|row| row.id).collect();
    assert_eq!(found.len(), snapshot.keys.len(), "a key is there twice");
    for row in &snapshot.keys {
        assert_eq!(vault.key_id(&vault.open(&row.id, &row.sealed).unwrap()), row.id);
    }
    for number in &acks.stored {
        let there = found.contains(&vault.key_id(&key(*number)));
        if acks.withdrawn.contains(number) {
            assert!(!there, "key {number} came back");
        } else if !acks.leaving.contains(number) {
            assert!(there, "key {number} was lost");
        }
    }
    wait(store.close()).unwrap();
    let conn = rusqlite::Connection::open(folder.join("potluck.db")).unwrap();
    let said: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(said, "ok");
}

fn start(folder: &Path, master: &MasterKey, from: u32) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_process_that_is_killed", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(MASTER, master.text().as_str())
        .env(FROM, from.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
#[ignore = "started by the test above, as a process of its own"]
fn the_process_that_is_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let master = MasterKey::parse(&std::env::var(MASTER).unwrap()).unwrap();
    let from: u32 = std::env::var(FROM).unwrap().parse().unwrap();
    let vault = Vault::new(&master);
    let store = SqliteStore::open(Path::new(&folder), &vault).unwrap();
    say("\nready");
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (vault, store) = (&vault, &store);
            scope.spawn(move || contribute(vault, store, from + client));
        }
    });
}

/// Inserts until the end of its process; every fifth key is withdrawn again.
fn contribute(vault: &Vault, store: &SqliteStore, first: u32) {
    for number in (first..).step_by(CLIENTS as usize) {
        let key = key(number);
        let row = row(vault, &key);
        let (id, stone) = (row.id, vault.tombstone(&key));
        assert_eq!(wait(store.insert(row, stone)), Ok(Inserted::Stored));
        say(&format!("stored {number}."));
        if number % 5 == 0 {
            say(&format!("leaving {number}."));
            assert_eq!(wait(store.withdraw(id, Tombstone { id: stone, at: 1 })), Ok(true));
            say(&format!("withdrawn {number}."));
        }
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

fn key(number: u32) -> ApiKey {
    ApiKey::parse(&format!("AIzaSyCrashCrashCrashCrashCrash{number:08}")).unwrap()
}

fn row(vault: &Vault, key: &ApiKey) -> KeyRow {
    let id = vault.key_id(key);
    KeyRow {
        id,
        sealed: vault.seal(&id, key).unwrap(),
        joined_at: 1,
        state: KeyState::Active,
        changed_at: 1,
        limits: Limits::default(),
    }
}

/// Waits by looking often: no runtime is needed for one answer at a time.
fn wait<T>(mut answer: Answer<T>) -> Result<T, potluck_store::StoreError> {
    loop {
        match (&mut answer).now_or_never() {
            Some(answered) => return answered,
            None => std::thread::sleep(Duration::from_micros(200)),
        }
    }
}

/// Repeatable numbers (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 |= 1;
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
