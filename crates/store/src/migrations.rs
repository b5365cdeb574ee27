//! The schema, as numbered files that every engine of SQLite's kind can apply.
//!
//! The files are in `migrations/`. Rules for them: a file once released never changes, the next
//! change is the next number; plain statements that SQLite and D1 both take, without pragmas and
//! without BEGIN or COMMIT (whoever applies a file wraps it in a transaction).
//!
//! What was applied is written in the table `schema_migrations`, whose columns `id`, `name` and
//! `applied_at` are those that wrangler keeps for D1, so that with `"migrations_table":
//! "schema_migrations"` its `d1 migrations apply` and the runner here read each other's work. The
//! column `checksum` is ours alone; it is NULL in a row that wrangler wrote, and then not compared.

/// One numbered file.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Its number, from 1 without gaps.
    pub number: u32,
    /// Its file name, as it is recorded.
    pub name: &'static str,
    /// Its statements.
    pub sql: &'static str,
}

impl Migration {
    /// What tells whether a file was changed after it had been applied; line ends do not count.
    pub fn checksum(&self) -> String {
        let text = self.sql.replace("\r\n", "\n");
        blake3::hash(text.as_bytes()).to_hex().to_string()
    }
}

/// The number a recorded name begins with.
pub fn number(name: &str) -> Option<u32> {
    name.split_once('_').and_then(|(digits, _)| digits.parse().ok())
}

/// One line of the record of what was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The file's name.
    pub name: String,
    /// Its checksum; none where wrangler applied it.
    pub checksum: Option<String>,
}

/// Why what was applied is no beginning of what is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Differs {
    /// A migration that had been applied is another one here, or reads differently.
    Changed {
        /// Which one.
        name: String,
    },
    /// A newer program applied it.
    Newer {
        /// The number of the newest that was applied.
        found: u32,
        /// The number of the newest known here.
        known: u32,
    },
}

/// Whether `applied`, in the order of names, are the first of `known`. What is left of those is to
/// be applied.
pub fn compare(applied: &[Applied], known: &[Migration]) -> Result<(), Differs> {
    let newest = applied.iter().filter_map(|applied| number(&applied.name)).max();
    if let Some(found) = newest.filter(|&found| found as usize > known.len()) {
        return Err(Differs::Newer { found, known: known.len() as u32 });
    }
    for (place, Applied { name, checksum }) in applied.iter().enumerate() {
        let same = known.get(place).is_some_and(|migration| {
            migration.name == name
                && checksum.as_ref().is_none_or(|checksum| *checksum == migration.checksum())
        });
        if !same {
            return Err(Differs::Changed { name: name.clone() });
        }
    }
    Ok(())
}

/// All files, in order.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "0001_keys.sql",
        sql: include_str!("../migrations/0001_keys.sql"),
    },
    Migration {
        number: 2,
        name: "0002_learned.sql",
        sql: include_str!("../migrations/0002_learned.sql"),
    },
    Migration {
        number: 3,
        name: "0003_tokens.sql",
        sql: include_str!("../migrations/0003_tokens.sql"),
    },
    Migration {
        number: 4,
        name: "0004_usage.sql",
        sql: include_str!("../migrations/0004_usage.sql"),
    },
    Migration {
        number: 5,
        name: "0005_barred.sql",
        sql: include_str!("../migrations/0005_barred.sql"),
    },
];

/// The table that records what was applied.
pub const CREATE_RECORD: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT UNIQUE,
    applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL,
    checksum   TEXT
)";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn files_are_numbered_from_one_without_gaps() {
        for (place, migration) in MIGRATIONS.iter().enumerate() {
            assert_eq!(migration.number as usize, place + 1);
            assert_eq!(number(migration.name), Some(migration.number));
            assert!(migration.name.ends_with(".sql"));
        }
    }

    #[test]
    fn every_file_of_the_folder_is_listed() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
        let mut found: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        found.sort();
        let listed: Vec<_> = MIGRATIONS.iter().map(|migration| migration.name).collect();
        assert_eq!(found, listed);
    }

    #[test]
    fn files_hold_nothing_that_only_one_engine_takes() {
        for migration in MIGRATIONS {
            let statements: String = migration
                .sql
                .lines()
                .map(|line| line.split("--").next().unwrap().to_uppercase() + "\n")
                .collect();
            for word in ["PRAGMA", "BEGIN", "COMMIT", "TRIGGER", "ATTACH", "VACUUM"] {
                assert!(!statements.contains(word), "{} holds {word}", migration.name);
            }
        }
    }

    #[test]
    fn line_ends_do_not_change_a_checksum() {
        let unix = Migration { number: 1, name: "0001_a.sql", sql: "a\nb\n" };
        let dos = Migration { sql: "a\r\nb\r\n", ..unix };
        assert_eq!(unix.checksum(), dos.checksum());
    }
}
