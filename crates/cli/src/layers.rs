//! Which of flags, environment and file decides a setting, and whether its text is any good.
//!
//! Rule: flags win over environment, environment over file, file over default, setting by setting.
//! Every text that was given is judged, also one that loses, and every fault is told with its
//! place.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use crate::config_file::ConfigFile;
use crate::flags::{self, Flags};
use crate::values::shown;

/// The environment, as a value: tests bring their own.
#[derive(Debug, Default, Clone)]
pub struct Env(BTreeMap<OsString, OsString>);

impl Env {
    /// What this process was started with.
    pub fn of_process() -> Self {
        Env(std::env::vars_os().collect())
    }

    /// An environment out of pairs.
    #[cfg(test)]
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        Env(pairs.iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// A variable that is set to something. An empty one counts as absent: that is what a
    /// container's `NAME=${OTHER:-}` means.
    pub fn var(&self, name: &str) -> Option<&OsString> {
        self.0.get(std::ffi::OsStr::new(name)).filter(|value| !value.is_empty())
    }

    /// The same, where it is text at all.
    pub fn text(&self, name: &str) -> Option<String> {
        self.var(name).and_then(|value| value.to_str()).map(str::to_owned)
    }

    /// Names of all variables that begin like ours.
    pub fn ours(&self) -> impl Iterator<Item = &str> {
        self.0.keys().filter_map(|name| name.to_str()).filter(|n| n.starts_with(flags::ENV_PREFIX))
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The settings file, and the line there.
    File(PathBuf, usize),
    /// An environment variable.
    Variable(String),
    /// The command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path, line) => write!(f, "{}:{line}", path.display()),
            Origin::Variable(name) => f.write_str(name),
            Origin::Flag(name) => write!(f, "--{name}"),
        }
    }
}

/// One setting and who decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The setting's name.
    pub name: String,
    /// Its values as text; none where it has no default either.
    pub texts: Vec<OsString>,
    /// Who decided.
    pub origin: Origin,
}

impl Choice {
    /// The values as they may be printed.
    pub fn shown(&self) -> String {
        let texts: Vec<_> = self.texts.iter().map(|text| shown(&text.to_string_lossy())).collect();
        texts.join(", ")
    }
}

/// All settings, parsed, and who decided each, in the order of the table.
#[derive(Debug)]
pub struct Layered {
    /// The values.
    pub flags: Flags,
    /// Their origins.
    pub choices: Vec<Choice>,
}

impl Layered {
    /// Who decided the setting of this name.
    pub fn origin(&self, name: &str) -> &Origin {
        let choice = self.choices.iter().find(|choice| choice.name == name);
        choice.map_or(&Origin::Default, |choice| &choice.origin)
    }
}

/// The command of `flags`, but with every value of a setting taken as text, so that a bad one is
/// told here in the same words as one of the file or the environment.
pub fn command() -> Command {
    let names: Vec<_> = flags::settings().iter().map(|arg| arg.get_id().clone()).collect();
    let as_text = |arg: Arg| match names.contains(arg.get_id()) {
        true => arg.value_parser(clap::value_parser!(OsString)),
        false => arg,
    };
    flags::command().mut_subcommands(|verb| match flags::takes_settings(&verb) {
        true => verb.mut_args(as_text),
        false => verb,
    })
}

/// Lays flags over environment over file over defaults.
pub fn lay(
    matches: &ArgMatches,
    env: &Env,
    file: Option<&ConfigFile>,
) -> Result<Layered, Vec<String>> {
    let settings = flags::settings();
    let mut faults = Vec::new();
    let mut choices = Vec::new();
    for arg in &settings {
        let given = [from_file(arg, file), from_env(arg, env), from_line(arg, matches)];
        let mut choice = default(arg);
        for given in given.into_iter().flatten() {
            faults.extend(given.texts.iter().filter_map(|text| judge(arg, &given.origin, text)));
            choice = given;
        }
        choices.push(choice);
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let flags = parse(&settings, &choices).map_err(|error| vec![error.to_string()])?;
    Ok(Layered { flags, choices })
}

fn default(arg: &Arg) -> Choice {
    let texts = arg.get_default_values().iter().map(|text| text.to_os_string()).collect();
    Choice { name: flags::name(arg).to_owned(), texts, origin: Origin::Default }
}

fn from_file(arg: &Arg, file: Option<&ConfigFile>) -> Option<Choice> {
    let file = file?;
    let name = flags::name(arg);
    let entry = file.entries.iter().find(|entry| entry.key == name)?;
    Some(Choice {
        name: name.to_owned(),
        texts: entry.texts.iter().map(OsString::from).collect(),
        origin: Origin::File(file.path.clone(), entry.line),
    })
}

fn from_env(arg: &Arg, env: &Env) -> Option<Choice> {
    let name = flags::name(arg);
    let variable = flags::variable(name);
    let value = env.var(&variable)?;
    let texts = match value.to_str() {
        Some(list) if flags::repeats(arg) => list.split(',').map(|s| s.trim().into()).collect(),
        _ => vec![value.clone()],
    };
    Some(Choice { name: name.to_owned(), texts, origin: Origin::Variable(variable) })
}

fn from_line(arg: &Arg, matches: &ArgMatches) -> Option<Choice> {
    let id = arg.get_id().as_str();
    if matches.value_source(id) != Some(ValueSource::CommandLine) {
        return None;
    }
    let name = flags::name(arg).to_owned();
    let texts = matches.get_raw(id)?.map(OsString::from).collect();
    Some(Choice { origin: Origin::Flag(name.clone()), texts, name })
}

/// What is wrong with one text of one setting.
fn judge(arg: &Arg, origin: &Origin, text: &OsString) -> Option<String> {
    let choice = Choice {
        name: flags::name(arg).to_owned(),
        texts: vec![text.clone()],
        origin: origin.clone(),
    };
    let command = bare().arg(arg.clone());
    let error = command.try_get_matches_from(as_line(&choice)).err()?;
    let phrase = error.source().map_or_else(|| "is not text".to_owned(), ToString::to_string);
    let place = match origin {
        Origin::File(..) => format!("{origin}: {}", choice.name),
        _ => origin.to_string(),
    };
    Some(format!("{place} {:?}: {phrase}", choice.shown()))
}

fn parse(settings: &[Arg], choices: &[Choice]) -> Result<Flags, clap::Error> {
    let line = choices.iter().flat_map(as_line);
    let matches = bare().args(settings).try_get_matches_from(line)?;
    Flags::from_arg_matches(&matches)
}

fn bare() -> Command {
    let command = Command::new("potluck").no_binary_name(true);
    debug_assert!(Flags::group_id().is_some(), "settings are read off a clap group");
    command
}

/// A choice as it would stand on a command line.
fn as_line(choice: &Choice) -> Vec<OsString> {
    let flag = |text: &OsString| {
        let mut line = OsString::from(format!("--{}=", choice.name));
        line.push(text);
        line
    };
    choice.texts.iter().map(flag).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

    use super::*;
    use crate::config_file;

    fn layered(line: &[&str], env: &[(&str, &str)], file: &str) -> Result<Layered, Vec<String>> {
        let line = ["potluck", "serve"].iter().chain(line);
        let matches = command().try_get_matches_from(line).unwrap();
        let file = config_file::parse(Path::new("potluck.toml"), file)?;
        lay(matches.subcommand().unwrap().1, &Env::of(env), Some(&file))
    }

    #[test]
    fn flags_win_over_environment_and_environment_over_file() {
        let file = "listen = '127.0.0.1:1'";
        let env = [("POTLUCK_LISTEN", "127.0.0.1:2")];
        let table: [(&[&str], &[(&str, &str)], &str, u16, &str); 4] = [
            (&[], &[], "", 8080, "default"),
            (&[], &[], file, 1, "potluck.toml:1"),
            (&[], &env, file, 2, "POTLUCK_LISTEN"),
            (&["--listen", "127.0.0.1:3"], &env, file, 3, "--listen"),
        ];
        for (line, env, file, port, origin) in table {
            let layered = layered(line, env, file).unwrap();
            assert_eq!(layered.flags.listen.port(), port);
            assert_eq!(layered.origin("listen").to_string(), origin);
        }
    }

    #[test]
    fn a_list_replaces_a_list() {
        let file = "trusted-proxy = ['10.0.0.0/8', '::1']";
        let seen = |line: &[&str], env: &[(&str, &str)]| {
            let nets = layered(line, env, file).unwrap().flags.trusted_proxy;
            nets.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };

        assert_eq!(seen(&[], &[]), "10.0.0.0/8 ::1/128");
        assert_eq!(
            seen(&[], &[("POTLUCK_TRUSTED_PROXY", "1.0.0.0/8, 2.0.0.0/8")]),
            "1.0.0.0/8 2.0.0.0/8"
        );
        let line = ["--trusted-proxy", "3.0.0.0/8", "--trusted-proxy=4.0.0.0/8,5.0.0.0/8"];
        assert_eq!(seen(&line, &[]), "3.0.0.0/8 4.0.0.0/8 5.0.0.0/8");
    }

    #[test]
    fn a_switch_needs_no_value_on_the_command_line() {
        let seen = |line: &[&str], file| layered(line, &[], file).unwrap().flags.store_false;

        assert!(!seen(&[], ""));
        assert!(seen(&["--store-false"], ""));
        assert!(seen(&[], "store-false = true"));
        assert!(!seen(&["--store-false=false"], "store-false = true"));
    }

    #[test]
    fn an_empty_variable_is_an_absent_one() {
        let layered = layered(&[], &[("POTLUCK_UPSTREAM", "")], "").unwrap();

        assert_eq!(layered.origin("upstream"), &Origin::Default);
    }

    #[test]
    fn every_bad_text_is_told_with_its_place() {
        let faults = layered(
            &["--listen", "8080"],
            &[("POTLUCK_DRAIN_TIMEOUT", "soon")],
            "\nlisten = 'here'\nthreads = 0\nmax-body = 1.5",
        )
        .unwrap_err();

        let expected = [
            "potluck.toml:2: listen \"here\": needs an address and a port, such as 127.0.0.1:8080",
            "--listen \"8080\": needs an address and a port, such as 127.0.0.1:8080",
            "potluck.toml:3: threads \"0\": needs a number from 1 to 1024",
            "POTLUCK_DRAIN_TIMEOUT \"soon\": needs a time up to a day, such as 500ms, 30s or 5m",
            "potluck.toml:4: max-body \"1.5\": needs a size, such as 64KiB, 110MB or 1GiB",
        ];
        assert_eq!(faults, expected);
    }

    #[test]
    fn a_password_in_a_bad_url_is_not_told() {
        let env = [("POTLUCK_UPSTREAM", "https://user:hunter2@host")];

        let faults = layered(&[], &env, "egress = 'gopher://user:hunter2@host'").unwrap_err();

        assert_eq!(faults.len(), 2);
        assert!(!faults.concat().contains("hunter2"), "{faults:?}");
    }

    #[test]
    fn every_default_passes_its_own_parser() {
        layered(&[], &[], "").unwrap();
    }
}
