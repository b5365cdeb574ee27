//! `potluck rekey`: a new master key, and everything sealed anew under it.
//!
//! Rule: at no moment is there a row that no key at hand opens. The former key is put beside first, the
//! new one takes its place then, and the rows follow in one transaction; whoever is stopped in between
//! goes on with the next start, of this or of `serve`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use potluck_store::SqliteStore;
use potluck_vault::{MasterKey, Vault};

use crate::failure::Failure;
use crate::layers::Env;
use crate::secrets::{self, Kind, Place};

/// Makes the key, and says what came of it.
pub fn rekey(matches: &ArgMatches, env: &Env, out: &mut impl Write) -> Result<(), Failure> {
    let named = matches.get_one::<PathBuf>("data").cloned();
    let named = named.or_else(|| env.var("POTLUCK_DATA").map(Into::into));
    let data = named.unwrap_or_else(|| crate::keys::DATA.into());
    let kind = Kind::MasterKey;
    let Place::Folder(path) = secrets::place(kind, env, &data).map_err(Failure::setting)? else {
        return Err(Failure::setting(ELSEWHERE));
    };
    if !SqliteStore::lies_idle(&data) {
        let shown = data.display();
        return Err(Failure::Run(format!("A server has the data in {shown}; stop it first.")));
    }
    let former = secrets::master_key(env, &data)?;
    let former = former.ok_or_else(|| Failure::setting("there is no master key to replace"))?;
    let master = MasterKey::generate().map_err(|error| Failure::Run(error.to_string()))?;
    let older = secrets::keep_older(&data, &former)?;
    replace(&path, &master)?;
    let older_keys = secrets::older(env, &data)?;
    let store = SqliteStore::open(&data, &Vault::with_older(&master, &older_keys));
    drop(store.map_err(|error| Failure::Run(error.to_string()))?);
    let said = format!(
        "All keys are sealed anew. The new master key is in {}; the former one stays in {}, as what \
         was withdrawn, and access tokens, are known by it. Back both up.\n",
        path.display(),
        older.display()
    );
    crate::check::print(out, &said)
}

fn replace(path: &Path, master: &MasterKey) -> Result<(), Failure> {
    let cannot = |error| Failure::Run(format!("Cannot write {}: {error}.", path.display()));
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(cannot)?;
    file.write_all(master.text().as_bytes()).map_err(cannot)?;
    file.write_all(b"\n").and_then(|()| file.as_file().sync_all()).map_err(cannot)?;
    file.persist(path).map_err(|error| cannot(error.error))?;
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(cannot)
}

const ELSEWHERE: &str = "the master key is not in the data folder: put a new one where it is, and \
                         the former into POTLUCK_MASTER_KEY_OLDER or POTLUCK_MASTER_KEY_OLDER_FILE; \
                         the next start seals everything anew";
