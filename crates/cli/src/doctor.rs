//! `potluck doctor`: what is wrong, why, and what to do.
//!
//! Rule: it looks at what a server would use, with the same settings, and changes nothing. A finding
//! says what was looked at and, unless all is well, what to do.

use std::io::Write;
use std::path::Path;

use clap::ArgMatches;
use potluck_server::copies::opens_with;
use potluck_server::diagnosis;
use potluck_server::settings::Settings;
use potluck_vault::Vault;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::layers::Env;
use crate::secrets::{self, Kind, Place};
use crate::serve::read_settings;
use crate::settings::{doubts, settle};
use crate::{check, harden};

/// Looks at everything, and prints what was found; fails if something is wrong.
pub fn look(matches: &ArgMatches, env: &Env, out: &mut impl Write) -> Result<(), Failure> {
    let settings = settle(&read_settings(matches, env)?, env)?;
    let mut found: Vec<Finding> = vec![Finding::well("settings", "they can be read")];
    found.extend(doubts(&settings, env).into_iter().map(|doubt| Finding::note("settings", doubt)));
    let files = harden::open_files(settings.limits.connections);
    found.extend(files.into_iter().map(|doubt| Finding::note("open files", doubt)));
    found.extend(folder(&settings.data));
    found.extend(Kind::ALL.map(|kind| secret(kind, env, &settings.data)));
    found.extend(database(env, &settings.data));
    found.extend(upstream(&settings));
    let json = matches.get_flag("json");
    let lines = found.iter().map(|one| if json { format!("{}\n", one.json()) } else { one.line() });
    check::print(out, &lines.collect::<String>())?;
    match found.iter().filter(|one| one.is == Is::Wrong).count() {
        0 => Ok(()),
        1 => Err(Failure::Run("One thing is wrong.".to_owned())),
        wrong => Err(Failure::Run(format!("{wrong} things are wrong."))),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    Well,
    /// It works, and yet is probably not meant.
    Noted,
    Wrong,
}

/// What was looked at, how it is, and what to do.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    of: &'static str,
    is: Is,
    what: String,
}

impl Finding {
    fn well(of: &'static str, what: impl Into<String>) -> Finding {
        Finding { of, is: Is::Well, what: what.into() }
    }

    fn note(of: &'static str, what: impl Into<String>) -> Finding {
        Finding { of, is: Is::Noted, what: what.into() }
    }

    fn wrong(of: &'static str, what: impl Into<String>) -> Finding {
        Finding { of, is: Is::Wrong, what: what.into() }
    }

    fn word(&self) -> &'static str {
        match self.is {
            Is::Well => "ok",
            Is::Noted => "note",
            Is::Wrong => "WRONG",
        }
    }

    fn line(&self) -> String {
        format!("{:5}  {:12}  {}\n", self.word(), self.of, self.what)
    }

    fn json(&self) -> Value {
        json!({ "of": self.of, "is": self.word().to_lowercase(), "what": self.what })
    }
}

/// Whether the data folder is there, its owner's alone, and has room.
fn folder(data: &Path) -> Vec<Finding> {
    const OF: &str = "data folder";
    let shown = data.display();
    let Ok(there) = std::fs::metadata(data) else {
        return vec![Finding::well(OF, format!("{shown} is made at the first start"))];
    };
    if !there.is_dir() {
        return vec![Finding::wrong(
            OF,
            format!("{shown} is no folder; choose another with --data"),
        )];
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(&there.permissions()) & 0o077;
    let mut found = vec![match mode {
        0 => Finding::well(OF, format!("{shown} is its owner's alone")),
        _ => Finding::note(OF, format!("others may look into {shown}: chmod 700 it")),
    }];
    if let Ok(disk) = rustix::fs::statvfs(data) {
        let free = disk.f_bavail.saturating_mul(disk.f_frsize) >> 20;
        found.push(match free {
            0..LEAST_MIB => {
                Finding::wrong("disk", format!("{free} MiB are free at {shown}: make room"))
            }
            _ => Finding::well("disk", format!("{free} MiB are free at {shown}")),
        });
    }
    found
}

fn secret(kind: Kind, env: &Env, data: &Path) -> Finding {
    let of = kind.words();
    match secrets::check(kind, env, data) {
        Err(fault) => Finding::wrong(of, fault),
        Ok(Place::Folder(path)) if !path.exists() => match data.join(DATABASE).exists() {
            true if kind == Kind::MasterKey => Finding::wrong(
                of,
                format!(
                    "there are keys in {}, and nothing that opens them: put the master key that \
                     they were sealed with into {}",
                    data.display(),
                    path.display()
                ),
            ),
            _ => Finding::well(of, "it is made at the next start"),
        },
        Ok(_) => Finding::well(of, "it is there, and readable"),
    }
}

/// Whether the keys that are there open.
fn database(env: &Env, data: &Path) -> Option<Finding> {
    const OF: &str = "database";
    // What is wrong with the secrets is told with them.
    let master = secrets::master_key(env, data).ok()??;
    let vault = Vault::with_older(&master, &secrets::older(env, data).ok()?);
    match opens_with(data, &vault) {
        Ok(None) => None,
        Ok(Some((keys, true))) => Some(Finding::well(OF, format!("{keys} keys, and they open"))),
        Ok(Some((keys, false))) => Some(Finding::wrong(
            OF,
            format!(
                "the {keys} keys in {} were sealed with another master key: put that one back, or name \
                 it in POTLUCK_MASTER_KEY_OLDER_FILE",
                data.display()
            ),
        )),
        Err(why) => Some(Finding::wrong(OF, format!("{why} Restore a copy: potluck restore"))),
    }
}

/// Whether Google can be asked from here, and whether the clocks agree.
fn upstream(settings: &Settings) -> Vec<Finding> {
    let shown = settings.upstream.to_string();
    let shown = shown.trim_end_matches('/');
    let heard = match diagnosis::ask(settings) {
        Ok(heard) => heard,
        Err(why) => {
            let what = format!(
                "{shown} cannot be asked: {why}. Look at the network, or let calls leave by a proxy \
                 with --egress"
            );
            return vec![Finding::wrong("upstream", what)];
        }
    };
    let mut found = vec![match heard.place_refused {
        true => Finding::wrong(
            "upstream",
            format!(
                "{shown} refuses the place that calls leave from, whatever the key: let them leave \
                 from elsewhere with --egress"
            ),
        ),
        false if heard.status >= 500 || heard.status == PROXY_REFUSES => Finding::wrong(
            "upstream",
            format!(
                "{shown} answers {}: look at what stands in between, such as --egress",
                heard.status
            ),
        ),
        false => Finding::well("upstream", format!("{shown} answers ({})", heard.status)),
    }];
    let off = heard.ahead.map(|ahead| ahead / 1000);
    found.extend(off.map(|off| match off.unsigned_abs() {
        0..=MOST_OFF => Finding::well("clock", "it agrees with the upstream's"),
        seconds => Finding::wrong(
            "clock",
            format!(
                "it is {seconds} seconds off the upstream's: quotas end at the wrong time; set it"
            ),
        ),
    }));
    found
}

/// A million keys take some hundreds of megabytes; below this even a small pool cannot write its log.
const LEAST_MIB: u64 = 64;
/// Seconds by which clocks may differ: a minute's quota is told by the second, and its edge is not
/// trusted to one.
const MOST_OFF: u64 = 30;
/// A proxy on the way wants to know who asks.
const PROXY_REFUSES: u16 = 407;
/// The database in the data folder.
const DATABASE: &str = "potluck.db";
