//! A stopped server's data, as an operator speaks to it.
//!
//! Rule: a server answers here as well, on this machine alone and for as long as the command runs, so
//! that what a command does has one meaning. It takes the data's lock: beside another server it does
//! not start.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use potluck_server::Server;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::layers::Env;
use crate::operator::Operator;
use crate::place::serve_here;
use crate::serve::read_settings;
use crate::settings::settle;
use crate::{harden, secrets};

/// Starts a server on this data, under the settings that would hold for `potluck serve` here.
pub fn operator(data: &Path, env: &Env) -> Result<Operator, Failure> {
    let mut settings = settle(&read_settings(&serve_here()?, env)?, env)?;
    settings.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    settings.tls = None;
    settings.webhook = None;
    settings.otlp = None;
    settings.data = data.to_owned();
    settings.threads = 1;
    harden::forbid_dumps();
    let found = secrets::find(env, data)?;
    let token = Zeroizing::new(found.secrets.admin_token.clone());
    let server = Server::start(settings, found.secrets);
    let server = server.map_err(|error| Failure::Run(error.to_string()))?;
    Operator::of_own(server, token)
}
