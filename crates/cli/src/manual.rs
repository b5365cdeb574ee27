//! `potluck completions` and `potluck man`: the table of flags, for shells and for `man`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::ArgMatches;
use clap_complete::{Shell, generate};
use clap_mangen::{Man, generate_to};

use crate::failure::Failure;
use crate::flags;

/// Writes what was asked for.
pub fn write(verb: &str, matches: &ArgMatches, out: &mut impl Write) -> Result<(), Failure> {
    let mut text = Vec::new();
    match (verb, matches.try_get_one::<PathBuf>("out")) {
        ("completions", _) => complete(matches, &mut text)?,
        (_, Ok(Some(folder))) => return pages(folder),
        _ => {
            let page = Man::new(named(flags::command())).render(&mut text);
            page.map_err(|error| Failure::Run(format!("The page cannot be made: {error}.")))?;
        }
    }
    crate::check::print(out, &String::from_utf8_lossy(&text))
}

fn complete(matches: &ArgMatches, text: &mut Vec<u8>) -> Result<(), Failure> {
    let shell = matches.get_one::<String>("shell");
    let shell: Option<Shell> = shell.and_then(|name| name.parse().ok());
    let shell = shell.ok_or_else(|| Failure::setting("the shell is bash, zsh or fish"))?;
    generate(shell, &mut flags::command(), "potluck", text);
    Ok(())
}

fn pages(folder: &PathBuf) -> Result<(), Failure> {
    let cannot =
        |error: io::Error| Failure::Run(format!("Cannot write to {}: {error}.", folder.display()));
    std::fs::create_dir_all(folder).map_err(cannot)?;
    generate_to(named(flags::command()), folder).map_err(cannot)
}

/// Pages name no columns: `man` wraps them.
fn named(command: clap::Command) -> clap::Command {
    command.term_width(usize::MAX)
}
