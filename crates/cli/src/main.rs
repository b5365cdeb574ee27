//! The `potluck` command: settings in, one server out.
//!
//! | module | what |
//! |---|---|
//! | [`flags`] | the one table of settings; [`values`] reads one, [`settings`] all together |
//! | [`layers`] | flags over environment over [`config_file`]; [`suggest`] guesses at typos |
//! | [`secrets`] | admin token and master key: found, or made once |
//! | [`serve`], [`check`], [`keys`], [`import`], [`admission`], [`copies`], [`doctor`], [`export`], [`rekey`], [`manual`] | the verbs; [`operator`] speaks to a running server, [`stopped`] starts one for data that has none |
//! | [`logs`], [`scrub`] | log lines, and the last look at each |
//! | [`harden`], [`allocator`], [`failure`] | what the process asks of the system; how it fails |

mod admission;
mod allocator;
mod check;
mod config_file;
mod copies;
mod doctor;
mod export;
mod failure;
mod flags;
mod harden;
mod import;
mod in_force;
mod keys;
mod layers;
mod logs;
mod manual;
mod operator;
mod place;
mod rekey;
mod scrub;
mod secrets;
mod serve;
mod settings;
mod stopped;
mod suggest;
mod values;

use std::io;
use std::process::ExitCode;

use crate::failure::Failure;
use crate::layers::Env;

#[global_allocator]
static ALLOCATOR: allocator::Mimalloc = allocator::Mimalloc;

fn main() -> ExitCode {
    // Help, version and a command line that cannot be read end in here, with clap's own codes.
    let matches = layers::command().get_matches();
    let env = Env::of_process();
    let done = match matches.subcommand() {
        Some(("serve", matches)) => serve::serve(matches, &env),
        Some(("check-config", matches)) => check::check(matches, &env, &mut io::stdout()),
        Some((verb @ ("status" | "keys"), matches)) => {
            keys::decide(verb, matches, &env, &mut io::stdout())
        }
        Some(("doctor", matches)) => doctor::look(matches, &env, &mut io::stdout()),
        Some(("rekey", matches)) => rekey::rekey(matches, &env, &mut io::stdout()),
        Some((verb @ ("backup" | "restore"), matches)) => {
            copies::copy(verb, matches, &env, &mut io::stdout())
        }
        Some((verb @ ("completions" | "man"), matches)) => {
            manual::write(verb, matches, &mut io::stdout())
        }
        Some((verb @ ("token" | "invite"), matches)) => {
            admission::decide(verb, matches, &env, &mut io::stdout())
        }
        _ => Err(Failure::setting("nothing to do; see potluck --help")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(&mut io::stderr());
            failure.code()
        }
    }
}
