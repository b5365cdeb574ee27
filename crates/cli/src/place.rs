//! Where the data is that a command is about, and the server that has it.
//!
//! Rule: both are found as `potluck serve` here would find them. A command speaks to the server that holds
//! the data, or to one that was named, and to nobody else: it shows an operator's token.

use std::path::PathBuf;

use http::Uri;
use potluck_store::SqliteStore;

use crate::failure::Failure;
use crate::flags::At;
use crate::layers::{self, Env};
use crate::operator::Operator;
use crate::serve::read_settings;
use crate::{secrets, stopped};

/// The data folder: as named, or as `potluck serve` here would choose it.
pub fn data(named: Option<&PathBuf>, env: &Env) -> Result<PathBuf, Failure> {
    match named {
        Some(folder) => Ok(folder.clone()),
        None => Ok(read_settings(&serve_here()?, env)?.flags.data),
    }
}

/// `potluck serve`, without a word more.
pub fn serve_here() -> Result<clap::ArgMatches, Failure> {
    let line = layers::command().try_get_matches_from(["potluck", "serve"]);
    let mut line = line.map_err(|error| Failure::setting(error.to_string()))?;
    let serve = line.remove_subcommand().map(|(_, matches)| matches);
    serve.ok_or_else(|| Failure::setting("there is no serve"))
}

/// The server that is meant, or the data of one that is stopped, and the token that lets us in.
pub fn operator(at: &At, env: &Env) -> Result<Operator, Failure> {
    let data = data(at.data.as_ref(), env)?;
    let server = match &at.server {
        Some(server) => server.clone(),
        None if SqliteStore::lies_idle(&data) => return stopped::operator(&data, env),
        None => holder(&data)?,
    };
    Ok(Operator::of(&server, secrets::admin_token(env, &data)?))
}

/// Where the server listens that has this data in hand.
fn holder(data: &std::path::Path) -> Result<Uri, Failure> {
    let said = SqliteStore::announced(data).and_then(|address| address.parse().ok());
    said.ok_or_else(|| {
        Failure::setting(format!(
            "There is no data in {}, or what has it is about to start or to stop. Say with --data where \
             the data is, or with --server where the server listens.",
            data.display()
        ))
    })
}
