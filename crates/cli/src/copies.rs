//! `potluck backup`, `potluck restore`: the database, without the master key that opens it.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use potluck_server::copies::{Restored, back_up, restore};
use potluck_vault::Vault;

use crate::failure::Failure;
use crate::layers::Env;
use crate::{place, secrets};

/// Does what was asked, and says what came of it.
pub fn copy(
    verb: &str,
    matches: &ArgMatches,
    env: &Env,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let file = matches.get_one::<PathBuf>("file").cloned().unwrap_or_default();
    let data = place::data(matches.get_one("data"), env)?;
    match verb {
        "backup" => write_copy(&data, &file, out),
        _ => {
            let older = secrets::older(env, &data)?;
            let master = secrets::master_key(env, &data)?;
            let vault = master.as_ref().map(|master| Vault::with_older(master, &older));
            put_back(&file, &data, matches.get_flag("force"), vault.as_ref(), out)
        }
    }
}

fn write_copy(data: &Path, file: &Path, out: &mut impl Write) -> Result<(), Failure> {
    let keys = back_up(data, file).map_err(|error| Failure::Run(error.to_string()))?;
    let said = format!(
        "{keys} keys are in {}, sealed. What opens them is not: keep {} apart from it.\n",
        file.display(),
        data.join("master-key").display()
    );
    crate::check::print(out, &said)
}

fn put_back(
    file: &Path,
    data: &Path,
    force: bool,
    vault: Option<&Vault>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let restored = restore(file, data, force, vault);
    let Restored { keys, withdrawn } = restored.map_err(|error| {
        let more = if force { "" } else { " --force replaces what is there." };
        Failure::Run(format!("{error}{more}"))
    })?;
    let out_since = match withdrawn {
        0 => String::new(),
        some => format!(", without {some} that were withdrawn since"),
    };
    let said = format!(
        "{keys} keys are in {}{out_since}. They open with the master key that they were sealed with, as {} \
         or POTLUCK_MASTER_KEY.\n",
        data.display(),
        data.join("master-key").display()
    );
    crate::check::print(out, &said)
}
