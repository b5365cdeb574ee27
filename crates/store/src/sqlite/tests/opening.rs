//! Everything that can be wrong with a folder is told in a sentence.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn refusal(folder: &Path, vault: &Vault) -> String {
    SqliteStore::open(folder, vault).map(drop).unwrap_err().to_string()
}

#[test]
fn a_missing_folder_is_made_for_its_owner_alone() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a/b");

    let store = SqliteStore::open(&folder, &vault(1)).unwrap();
    block_on(store.insert(contract_row(1), contract_stone(1))).unwrap();

    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for file in std::fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn a_folder_that_is_a_file_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("file");
    std::fs::write(&folder, "").unwrap();

    let said = refusal(&folder, &vault(1));

    assert!(said.starts_with("The data folder ") && said.contains("cannot be made"), "{said}");
}

#[test]
fn a_folder_nobody_can_write_is_refused() {
    // /proc refuses new files even to root, for whom permission bits do not count.
    let folder = Path::new("/proc/self");

    let said = refusal(folder, &vault(1));

    assert!(said.starts_with("The data folder /proc/self cannot be written: "), "{said}");
}

#[test]
fn a_folder_in_use_is_refused_and_free_again_after_close() {
    let folder = tempfile::tempdir().unwrap();
    let first = SqliteStore::open(folder.path(), &vault(1)).unwrap();

    let said = refusal(folder.path(), &vault(1));
    block_on(first.close()).unwrap();

    assert!(said.contains("is in use by another potluck"), "{said}");
    SqliteStore::open(folder.path(), &vault(1)).unwrap();
}

#[test]
fn another_master_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(SqliteStore::open(folder.path(), &vault(1)).unwrap());

    let said = refusal(folder.path(), &vault(2));

    assert!(said.contains("sealed with another master key"), "{said}");
    SqliteStore::open(folder.path(), &vault(1)).unwrap();
}

#[test]
fn a_new_master_key_beside_the_old_one_seals_everything_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (vault(1), vault(2));
    let store = SqliteStore::open(folder.path(), &old).unwrap();
    let rows: Vec<_> = (0..20).map(|n| sealed_row(&old, n)).collect();
    for row in &rows {
        block_on(store.insert(row.clone(), contract_stone(1))).unwrap();
    }
    let model = "flash".to_owned();
    let amount = crate::UsageTotal { lent_calls: 3, ..Default::default() };
    block_on(store.add_usage(vec![Usage { key: rows[0].id, day: 5, model, amount }])).unwrap();
    let learned = |key| Learned { key, day: 5, facts: "some".to_owned() };
    block_on(store.set_learned(vec![learned(rows[0].id)])).unwrap();
    drop(store);

    let both = Vault::with_older(&master(2), &[master(1)]);
    drop(SqliteStore::open(folder.path(), &both).unwrap());

    let snapshot = block_on(SqliteStore::open(folder.path(), &new).unwrap().load(0)).unwrap();
    assert_eq!(snapshot.keys.len(), 20);
    for row in &snapshot.keys {
        assert_eq!(new.key_id(&new.open(&row.id, &row.sealed).unwrap()), row.id);
        assert!(old.open(&row.id, &row.sealed).is_err());
    }
    assert_eq!(snapshot.totals, [(new.key_id(&api_key(0)), amount)]);
    assert_eq!(snapshot.learned, [learned(new.key_id(&api_key(0)))]);
    assert!(refusal(folder.path(), &old).contains("another master key"));
}

#[test]
fn a_damaged_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("potluck.db"), "not a database at all".repeat(99)).unwrap();

    let said = refusal(folder.path(), &vault(1));

    assert!(said.ends_with("is damaged. Restore a backup."), "{said}");
}

#[test]
fn another_programs_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    other_program(folder.path()).execute_batch("CREATE TABLE notes (text)").unwrap();
    let before = std::fs::read(folder.path().join("potluck.db")).unwrap();

    let said = refusal(folder.path(), &vault(1));

    assert!(said.ends_with("is not a potluck database."), "{said}");
    assert_eq!(std::fs::read(folder.path().join("potluck.db")).unwrap(), before);
}

#[test]
fn the_settings_that_durability_rests_on_are_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let opened = open::open(folder.path(), &vault(1)).unwrap();
    let ask = |pragma: &str| -> String {
        let sql = format!("PRAGMA {pragma}");
        let value: rusqlite::types::Value =
            opened.conn.query_row(&sql, [], |row| row.get(0)).unwrap();
        format!("{value:?}")
    };

    assert_eq!(ask("journal_mode"), r#"Text("wal")"#);
    let numbers = [
        ("synchronous", 2),
        ("secure_delete", 1),
        ("foreign_keys", 1),
        ("busy_timeout", 2000),
        ("application_id", 0x506f_744c),
    ];
    for (pragma, value) in numbers {
        assert_eq!(ask(pragma), format!("Integer({value})"), "{pragma}");
    }
}
