//! Why this Worker cannot serve yet: one sentence each, naming what to do.
//!
//! Rule: nothing is served half set up. Whatever is missing, every route answers with the sentence
//! (503, in Google's shape), and the log holds it too; none of them holds a secret.

use potluck_gemini::answer::{Problem, Reason};
use potluck_store::migrations::{Applied, Differs, MIGRATIONS, compare};
use potluck_vault::MasterKeyError;

/// The binding of the D1 database.
pub const DATABASE: &str = "DB";
/// The binding of the object that holds the pool.
pub const OBJECT: &str = "POOL";
/// The binding of the objects that stand where Google serves.
pub const RELAY: &str = "RELAY";
/// The secret that seals keys.
pub const MASTER_KEY: &str = "POTLUCK_MASTER_KEY";

/// What is missing or does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// No D1 database is bound.
    #[error(
        "This Worker has no D1 binding named {DATABASE}: enter the id of your database under \
         d1_databases in wrangler.jsonc and deploy again."
    )]
    NoDatabase,
    /// No object is bound.
    #[error(
        "This Worker has no Durable Object binding named {OBJECT}: keep the entries \
         durable_objects and migrations of the wrangler.jsonc that comes with it and deploy again."
    )]
    NoObject,
    /// No relay is bound.
    #[error(
        "This Worker has no Durable Object binding named {RELAY}: keep the entries \
         durable_objects and migrations of the wrangler.jsonc that comes with it and deploy again."
    )]
    NoRelay,
    /// The secret is not there.
    #[error(
        "This Worker has no secret named {MASTER_KEY}: make one with `cargo run -p potluck-vault \
         --example master-key` and hand it over with `wrangler secret put {MASTER_KEY}`."
    )]
    NoMasterKey,
    /// The secret is something else.
    #[error(
        "The secret {MASTER_KEY} cannot be read ({0}): set it again with `wrangler secret put \
         {MASTER_KEY}`."
    )]
    BadMasterKey(MasterKeyError),
    /// The keys were sealed under another master key.
    #[error(
        "The keys in the D1 database {DATABASE} are sealed with another master key: give the one \
         they were sealed with by `wrangler secret put {MASTER_KEY}`."
    )]
    WrongMasterKey,
    /// Migrations are missing.
    #[error(
        "The schema of the D1 database {DATABASE} is older than this Worker (migration {found}; \
         this Worker needs {known}): run `wrangler d1 migrations apply {DATABASE} --remote`."
    )]
    Older {
        /// How many have been applied.
        found: usize,
        /// How many there are.
        known: usize,
    },
    /// A newer Worker was here.
    #[error(
        "The schema of the D1 database {DATABASE} was made by a newer potluck (migration {found}; \
         this Worker knows {known}): deploy the newer Worker, or restore the database."
    )]
    Newer {
        /// The number of the newest that was applied.
        found: u32,
        /// The number of the newest known here.
        known: u32,
    },
    /// Some other program's database, or another build's.
    #[error(
        "The D1 database {DATABASE} is not this Worker's: its migration {name} is not the one that \
         comes with it. Bind another database, or deploy the Worker that made this one."
    )]
    Foreign {
        /// Which migration.
        name: String,
    },
    /// The object belongs to a pool that was split otherwise.
    #[error("This object held a part of the pool before the number of parts was changed.")]
    LeftBehind,
    /// A variable is set to something that cannot be read.
    #[error("{0}: set it right in wrangler.jsonc, or leave it out, and deploy again.")]
    Setting(String),
    /// D1 did not answer as it should.
    #[error("The D1 database {DATABASE} cannot be read just now ({0}): it is asked again.")]
    Unreadable(String),
}

impl Unfit {
    /// The answer that callers get.
    pub fn problem(&self) -> Problem {
        let mut problem = Problem { message: self.to_string(), ..Problem::new(Reason::Setup) };
        // The only one that passes without anybody doing anything.
        problem.should_retry = matches!(self, Unfit::Unreadable(_));
        problem
    }
}

/// Whether the schema that was recorded is the one this Worker was written for.
pub fn schema(applied: &[Applied]) -> Result<(), Unfit> {
    compare(applied, MIGRATIONS).map_err(|differs| match differs {
        Differs::Changed { name } => Unfit::Foreign { name },
        Differs::Newer { found, known } => Unfit::Newer { found, known },
    })?;
    let (found, known) = (applied.len(), MIGRATIONS.len());
    if found < known { Err(Unfit::Older { found, known }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(names: &[&str]) -> Vec<Applied> {
        let one = |name: &&str| Applied { name: (*name).to_owned(), checksum: None };
        names.iter().map(one).collect()
    }

    #[test]
    fn only_the_schema_of_this_worker_will_do() {
        let all: Vec<&str> = MIGRATIONS.iter().map(|migration| migration.name).collect();
        let known = all.len();
        assert_eq!(schema(&applied(&all)), Ok(()));
        assert_eq!(schema(&[]), Err(Unfit::Older { found: 0, known }));
        let name = "0001_other.sql".to_owned();
        assert_eq!(schema(&applied(&[&name])), Err(Unfit::Foreign { name }));
        let newer: Vec<&str> = all.iter().copied().chain(["9999_later.sql"]).collect();
        assert_eq!(
            schema(&applied(&newer)),
            Err(Unfit::Newer { found: 9999, known: known as u32 })
        );
    }

    #[test]
    fn a_sentence_is_the_whole_message_of_a_503() {
        let problem = Unfit::NoDatabase.problem();
        assert_eq!((problem.code, problem.should_retry), (503, false));
        assert!(problem.message.starts_with("This Worker has no D1 binding named DB:"));
        assert!(Unfit::Unreadable("busy".to_owned()).problem().should_retry);
    }
}
