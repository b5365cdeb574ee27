//! A contribution that was acknowledged survives whatever happens to the process.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::folder;
use common::raw::{Ask, Conn};
use common::serving::{Potluck, generate, key, sim};

/// What the promise names: so many contributions a round, from so many clients, so many rounds.
const CONTRIBUTIONS: usize = 2000;
const CLIENTS: usize = 32;
const ROUNDS: usize = 5;
/// So many are always left when the kill comes, however fast the machine.
const MARGIN: u64 = 400;
/// Microseconds between the acknowledgement that is waited for and the kill, at most.
const LATER: u64 = 5000;

#[test]
fn no_acknowledged_key_is_lost_by_a_kill_and_none_is_there_twice() {
    let mut random = Random::seeded();
    let sim = sim(ROUNDS * CONTRIBUTIONS);
    let mut potluck = Potluck::start(&sim);
    for round in 0..ROUNDS {
        let keys: Vec<usize> = (1..=CONTRIBUTIONS).map(|n| round * CONTRIBUTIONS + n).collect();
        let fatal = random.below(CONTRIBUTIONS as u64 - MARGIN) as usize;
        let acknowledged = contribute_until_killed(&mut potluck, &keys, fatal, &mut random);
        assert!(acknowledged.len() < CONTRIBUTIONS, "the kill came too late");
        let before = round * CONTRIBUTIONS;
        let stored = check_copy(&potluck.data()) - before;
        println!("round {round}: {} acknowledged, {stored} stored", acknowledged.len());
        assert!((acknowledged.len()..=acknowledged.len() + CLIENTS).contains(&stored));

        potluck.start_again();

        assert_eq!(potluck.get("/readyz", None).status, 200);
        assert_eq!(key_count(&potluck), before + stored);
        assert_eq!(ids(&potluck, &acknowledged).len(), acknowledged.len());
        let missing: Vec<usize> =
            keys.into_iter().filter(|number| !acknowledged.contains(number)).collect();
        let stored_now = contribute(potluck.addr(), &missing, &AtomicUsize::new(0));
        assert_eq!(stored_now.len(), CONTRIBUTIONS - stored, "the others were known already");
        assert_eq!(key_count(&potluck), before + CONTRIBUTIONS);
    }
    let all: BTreeSet<usize> = (1..=ROUNDS * CONTRIBUTIONS).collect();
    assert_eq!(ids(&potluck, &all).len(), all.len());
    potluck.signal("-TERM");
    assert_eq!(potluck.end(), Some(0));
    assert_eq!(check_copy(&potluck.data()), all.len());
}

/// Lets the keys join, kills the process a moment after `fatal` have, and says which were
/// acknowledged.
fn contribute_until_killed(
    potluck: &mut Potluck,
    keys: &[usize],
    fatal: usize,
    random: &mut Random,
) -> BTreeSet<usize> {
    let joined = AtomicUsize::new(0);
    let later = Duration::from_micros(random.below(LATER));
    let addr = potluck.addr();
    thread::scope(|scope| {
        let contributing = scope.spawn(|| contribute(addr, keys, &joined));
        while joined.load(Relaxed) <= fatal {
            assert!(!contributing.is_finished(), "the contributions stopped by themselves");
            thread::sleep(Duration::from_micros(200));
        }
        thread::sleep(later);
        potluck.signal("-KILL");
        assert_eq!(potluck.end(), None);
        contributing.join().unwrap()
    })
}

/// Lets the keys join from many clients at once, as long as there is an answer. Gives those whose
/// joining was acknowledged, and counts them while it goes on.
fn contribute(addr: SocketAddr, keys: &[usize], joined: &AtomicUsize) -> BTreeSet<usize> {
    let next = AtomicUsize::new(0);
    let acknowledged = Mutex::new(BTreeSet::new());
    let client = || {
        let mut conn = Conn::to(addr);
        while let Some(number) = keys.get(next.fetch_add(1, Relaxed)) {
            conn.ask(&generate(&key(*number), "let me join"));
            let Some(answer) = conn.answered() else { return };
            match answer.header("x-potluck-key") {
                Some("stored") => {
                    acknowledged.lock().unwrap().insert(*number);
                    joined.fetch_add(1, Relaxed);
                }
                Some("known") => {}
                _ => panic!("{answer:?}"),
            }
            if !answer.whole {
                return;
            }
        }
    };
    thread::scope(|scope| (0..CLIENTS).for_each(|_| drop(scope.spawn(client))));
    acknowledged.into_inner().unwrap()
}

/// The ids under which the keys are known. A key that is not panics.
fn ids(potluck: &Potluck, keys: &BTreeSet<usize>) -> BTreeSet<String> {
    let mut conn = Conn::to(potluck.addr());
    let id = |number: &usize| {
        conn.ask(&Ask::get("/pool/me").header("x-goog-api-key", &key(*number)));
        let me = conn.answer();
        assert_eq!((me.status, &me.json()["state"]), (200, &"active".into()), "{number}: {me:?}");
        me.json()["id"].as_str().unwrap().to_owned()
    };
    keys.iter().map(id).collect()
}

fn key_count(potluck: &Potluck) -> usize {
    let count = potluck.get("/keycount", None).json()["keyCount"].as_u64().unwrap();
    usize::try_from(count).unwrap()
}

/// Checks a copy of the data, so that what the process finds at its next start is what it left.
/// Gives the number of keys.
fn check_copy(data: &Path) -> usize {
    let copy = folder();
    for entry in fs::read_dir(data).unwrap() {
        let entry = entry.unwrap();
        // The index beside the log is made anew out of it.
        if !entry.file_name().to_string_lossy().ends_with("-shm") {
            fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
    }
    let database = rusqlite::Connection::open(copy.path().join("potluck.db")).unwrap();
    let ask = |sql: &str| database.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(ask("PRAGMA integrity_check"), "ok");
    let orphans = "SELECT CAST(count(*) AS TEXT) FROM pragma_foreign_key_check";
    assert_eq!(ask(orphans), "0");
    ask("SELECT CAST(count(*) AS TEXT) FROM keys WHERE state = 'active'").parse().unwrap()
}

/// Numbers nobody foresees, and that come again with the seed that is printed.
struct Random(u64);

impl Random {
    fn seeded() -> Random {
        let given = std::env::var("POTLUCK_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
        let seed = given.unwrap_or_else(now);
        println!("POTLUCK_TEST_SEED={seed}");
        Random(seed)
    }

    /// splitmix64.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}
