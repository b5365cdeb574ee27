//! What was withdrawn is gone from the disk, not only from the tables.

use super::*;

#[test]
fn no_file_holds_a_withdrawn_row_once_it_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(1);
    let store = SqliteStore::open(folder.path(), &vault).unwrap();
    let asked: Vec<_> =
        (0..60).map(|n| store.insert(sealed_row(&vault, n), contract_stone(n))).collect();
    asked.into_iter().for_each(|answer| assert_eq!(block_on(answer), Ok(Inserted::Stored)));
    let rows = block_on(store.load(0)).unwrap().keys;
    let (gone, stays) = rows.split_at(30);
    assert!(gone.iter().all(|row| on_disk(folder.path(), row)));
    let facts = "only of those who leave";
    let learned = |row: &KeyRow| Learned { key: row.id, day: 5, facts: facts.to_owned() };
    block_on(store.set_learned(gone.iter().map(learned).collect())).unwrap();
    assert!(holds(folder.path(), facts.as_bytes()));

    for (row, n) in gone.iter().zip(0..) {
        let tombstone = Tombstone { id: contract_stone(n), at: 5 };
        assert_eq!(block_on(store.withdraw(row.id, tombstone)), Ok(true));
    }

    assert!(!gone.iter().any(|row| on_disk(folder.path(), row)));
    assert!(!holds(folder.path(), facts.as_bytes()));
    assert!(stays.iter().all(|row| on_disk(folder.path(), row)));
}

#[test]
fn sealed_anew_no_file_holds_a_former_seal() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(1);
    let store = SqliteStore::open(folder.path(), &vault).unwrap();
    for n in 0..600 {
        block_on(store.insert(sealed_row(&vault, n), contract_stone(n))).unwrap();
    }
    let former = block_on(store.load(0)).unwrap().keys;
    vault.renew(&master(2));

    let mut after = None;
    while let Some((last, _)) = block_on(store.seals(after)).unwrap().last() {
        let seals = block_on(store.seals(after)).unwrap();
        let anew = seals.iter().map(|(id, sealed)| {
            assert!(!vault.is_current(id, sealed));
            (*id, vault.seal(id, &vault.open(id, sealed).unwrap()).unwrap())
        });
        block_on(store.reseal(anew.collect())).unwrap();
        after = Some(*last);
    }

    assert!(!former.iter().any(|row| on_disk(folder.path(), row)));
    block_on(store.close()).unwrap();
    let next = Vault::with_older(&master(2), &[master(1)]);
    let store = SqliteStore::open(folder.path(), &next).unwrap();
    let rows = block_on(store.load(0)).unwrap().keys;
    assert_eq!(rows.len(), 600);
    for row in rows {
        assert_eq!(next.key_id(&next.open(&row.id, &row.sealed).unwrap()), row.id);
    }
}

#[test]
fn a_reader_in_another_program_only_puts_the_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(1);
    let store = SqliteStore::open(folder.path(), &vault).unwrap();
    let row = sealed_row(&vault, 1);
    block_on(store.insert(row.clone(), contract_stone(1))).unwrap();
    let other = other_program(folder.path());
    other.execute_batch("BEGIN; SELECT count(*) FROM keys").unwrap();
    let _: i64 = other.query_row("SELECT count(*) FROM keys", [], |row| row.get(0)).unwrap();

    let before = std::time::Instant::now();
    let tombstone = Tombstone { id: contract_stone(1), at: 5 };
    assert_eq!(block_on(store.withdraw(row.id, tombstone)), Ok(true));
    assert!(before.elapsed() < std::time::Duration::from_secs(1));
    assert!(on_disk(folder.path(), &row));
    other.execute_batch("COMMIT").unwrap();

    let soon = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while on_disk(folder.path(), &row) {
        assert!(std::time::Instant::now() < soon, "never cut");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn no_file_holds_a_key_in_the_clear() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(1);
    let store = SqliteStore::open(folder.path(), &vault).unwrap();
    block_on(store.insert(sealed_row(&vault, 1), contract_stone(1))).unwrap();

    for piece in api_key(1).expose().as_bytes().windows(8) {
        assert!(!holds(folder.path(), piece));
    }
}

#[test]
fn a_long_log_is_emptied_into_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path(), &vault(1)).unwrap();
    let log = folder.path().join("potluck.db-wal");
    let mut longest = 0;
    for n in 0..1200 {
        block_on(store.insert(contract_row(n), contract_stone(n))).unwrap();
        longest = longest.max(std::fs::metadata(&log).unwrap().len());
    }

    let now = std::fs::metadata(&log).unwrap().len();
    assert!(now < longest, "the log was never cut");
    assert!(longest < 5 << 20, "the log grew to {longest} bytes");
}

fn on_disk(folder: &Path, row: &KeyRow) -> bool {
    holds(folder, &row.sealed.as_bytes()[..32])
}

fn holds(folder: &Path, piece: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        bytes.windows(piece.len()).any(|window| window == piece)
    })
}
