//! `potluck rekey`: a new master key, and everything sealed anew under it.
//!
//! Rule: at no moment is there a row that no key at hand opens. The former key is put beside first, the
//! new one takes its place then, and the rows follow; whoever is stopped in between goes on with the
//! next start, of this or of `serve`.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use clap::{ArgMatches, FromArgMatches};
use http::Method;
use indicatif::ProgressBar;
use potluck_server::settings::Renewal;
use potluck_store::SqliteStore;
use potluck_vault::{MasterKey, Vault};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::flags::At;
use crate::layers::Env;
use crate::operator::Operator;
use crate::place;
use crate::secrets::{self, Kind, Place};

/// Makes the key, and says what came of it.
pub fn rekey(matches: &ArgMatches, env: &Env, out: &mut impl Write) -> Result<(), Failure> {
    let at = At::from_arg_matches(matches);
    let at = at.map_err(|error| Failure::setting(error.to_string()))?;
    let data = place::data(at.data.as_ref(), env)?;
    let stopped = at.server.is_none() && SqliteStore::lies_idle(&data);
    let (told, said) = match stopped {
        true => (at_rest(&data, env)?, SEALED),
        false => (online(&place::operator(&at, env)?)?, SEALED_ONLINE),
    };
    let said = if at.json { format!("{told}\n") } else { format!("{said}\n") };
    crate::check::print(out, &said)
}

/// How a server that runs makes one.
pub fn renewal(place: Place, data: &Path) -> Renewal {
    let data = data.to_owned();
    Arc::new(move || renew(&place, &data).map_err(|failure| failure.sentences()))
}

/// Puts a new key in the place of the one that is there, which stays beside it.
fn renew(place: &Place, data: &Path) -> Result<MasterKey, Failure> {
    let Place::Folder(path) = place else { return Err(Failure::setting(ELSEWHERE)) };
    let former = secrets::kept_master_key(path)?;
    let master = MasterKey::generate().map_err(|error| Failure::Run(error.to_string()))?;
    secrets::keep_older(data, &former)?;
    replace(path, &master)?;
    Ok(master)
}

/// On data that no server has in hand; in one transaction.
fn at_rest(data: &Path, env: &Env) -> Result<Value, Failure> {
    let place = secrets::place(Kind::MasterKey, env, data).map_err(Failure::setting)?;
    let master = renew(&place, data)?;
    let store = SqliteStore::open(data, &Vault::with_older(&master, &secrets::older(env, data)?));
    drop(store.map_err(|error| Failure::Run(error.to_string()))?);
    Ok(json!({ "state": "done" }))
}

/// By a server that runs, and goes on serving.
fn online(operator: &Operator) -> Result<Value, Failure> {
    let mut told = operator.ask(Method::POST, "/rekey", Vec::new())?;
    let bar = ProgressBar::new(told["keys"].as_u64().unwrap_or(0));
    while told["state"] == "sealing" {
        bar.set_position(told["sealed"].as_u64().unwrap_or(0));
        sleep(LOOK_EVERY);
        told = operator.look("/rekey")?;
    }
    bar.finish_and_clear();
    if told["state"] == "done" {
        return Ok(told);
    }
    let why = told["why"].as_str().unwrap_or("the server was started anew");
    Err(Failure::Run(format!(
        "Not every key was sealed anew: {why}. The new master key is in force, and the next start of the \
         server goes on."
    )))
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

/// How often a server is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(200);

const SEALED: &str = "All keys are sealed anew. The new master key is in the file master-key of the data \
                      folder; the former one stays in master-key.older, as what was withdrawn, and access \
                      tokens, are known by it. Back both up.";

const SEALED_ONLINE: &str = "All keys are sealed anew. The new master key is in the file master-key of the \
                             server's data folder; the former one stays in master-key.older, as what was \
                             withdrawn, access tokens, and until the next start the ids of keys are known \
                             by it. Back both up.";

const ELSEWHERE: &str = "the master key is not in the data folder: put a new one where it is, and \
                         the former into POTLUCK_MASTER_KEY_OLDER or POTLUCK_MASTER_KEY_OLDER_FILE; \
                         the next start seals everything anew";
