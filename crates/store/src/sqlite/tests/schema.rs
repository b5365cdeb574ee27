//! The schema is the former or the new one, never between, and never one that nobody here knows.

use super::migrate::{Unfit, migrate};
use super::*;
use crate::migrations::{Differs, MIGRATIONS, Migration};

const ONE: Migration = Migration {
    number: 1,
    name: "0001_one.sql",
    sql: "CREATE TABLE one (a); INSERT INTO one VALUES (1);",
};
const TWO: Migration = Migration {
    number: 2,
    name: "0002_two.sql",
    sql: "CREATE TABLE two (b); INSERT INTO two SELECT a FROM one; DROP TABLE one;",
};

fn tables(conn: &Connection) -> Vec<String> {
    conn.prepare("SELECT name FROM sqlite_master WHERE name IN ('one', 'two') ORDER BY name")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

#[test]
fn each_file_is_applied_once_and_in_order() {
    let mut conn = Connection::open_in_memory().unwrap();

    migrate(&mut conn, &[ONE]).unwrap();
    assert_eq!(tables(&conn), ["one"]);
    migrate(&mut conn, &[ONE, TWO]).unwrap();
    migrate(&mut conn, &[ONE, TWO]).unwrap();
    assert_eq!(tables(&conn), ["two"]);
}

#[test]
fn a_file_that_fails_half_way_leaves_nothing_and_can_be_tried_again() {
    let mut conn = Connection::open_in_memory().unwrap();
    let broken = Migration { sql: "CREATE TABLE two (b); INSERT INTO nowhere VALUES (1);", ..TWO };

    assert!(matches!(migrate(&mut conn, &[ONE, broken]), Err(Unfit::Sqlite(_))));
    assert_eq!(tables(&conn), ["one"]);

    migrate(&mut conn, &[ONE, TWO]).unwrap();
    assert_eq!(tables(&conn), ["two"]);
}

#[test]
fn a_changed_file_is_noticed() {
    let mut conn = Connection::open_in_memory().unwrap();
    migrate(&mut conn, &[ONE]).unwrap();
    let changed = Migration { sql: "CREATE TABLE one (a, b)", ..ONE };
    let renamed = Migration { name: "0001_uno.sql", ..ONE };

    for other in [changed, renamed] {
        let unfit = migrate(&mut conn, &[other, TWO]);
        let expected = Differs::Changed { name: ONE.name.to_owned() };
        assert!(matches!(unfit, Err(Unfit::Differs(differs)) if differs == expected));
        assert_eq!(tables(&conn), ["one"]);
    }
}

#[test]
fn a_record_that_another_tool_made_is_understood() {
    let mut conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(ONE.sql).unwrap();
    conn.execute_batch(
        "CREATE TABLE schema_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE,
             applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL);
         INSERT INTO schema_migrations (name) VALUES ('0001_one.sql');",
    )
    .unwrap();

    migrate(&mut conn, &[ONE, TWO]).unwrap();

    assert_eq!(tables(&conn), ["two"]);
}

#[test]
fn a_newer_schema_is_refused_untouched_and_in_plain_words() {
    let folder = tempfile::tempdir().unwrap();
    drop(SqliteStore::open(folder.path(), &vault(1)).unwrap());
    let other = other_program(folder.path());
    other
        .execute_batch(
            "INSERT INTO schema_migrations (name, checksum) VALUES ('0099_future.sql', 'x');
             ALTER TABLE keys RENAME TO future_keys;",
        )
        .unwrap();

    let said = SqliteStore::open(folder.path(), &vault(1)).map(drop).unwrap_err().to_string();

    let known = MIGRATIONS.len();
    assert_eq!(
        said,
        format!(
            "This data was written by a newer potluck (schema 99; this binary knows {known}). \
             Start the newer binary or restore a backup."
        )
    );
    assert!(other.table_exists(None, "future_keys").unwrap());
}

#[test]
fn every_statement_of_the_crate_fits_the_schema() {
    let folder = tempfile::tempdir().unwrap();
    let opened = open::open(folder.path(), &vault(1)).unwrap();
    let source = concat!(include_str!("../../sql.rs"), include_str!("../../sql/admission.rs"));
    let mut checked = 0;
    for part in source.split("&str =").skip(1) {
        let statement = part.split('"').nth(1).unwrap();
        if statement.contains(' ') {
            opened.conn.prepare(statement).unwrap_or_else(|error| panic!("{error}: {statement}"));
            checked += 1;
        }
    }
    assert!(checked >= 20, "{checked} found");
}
