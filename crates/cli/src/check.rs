//! `potluck check-config`: which settings are in force, and who decided each.

use std::io::Write;

use clap::{Arg, ArgMatches};
use potluck_server::settings::Setting;

use crate::failure::Failure;
use crate::flags;
use crate::layers::Env;
use crate::secrets::{self, Kind, Place};
use crate::serve::read_settings;
use crate::settings::{doubts, settle};

/// Prints the settings in force, or tells what is wrong with them.
pub fn check(matches: &ArgMatches, env: &Env, out: &mut impl Write) -> Result<(), Failure> {
    if matches.get_flag("print_defaults") {
        return print(out, &defaults());
    }
    let layered = read_settings(matches, env)?;
    let settings = settle(&layered, env)?;
    let row = |told: &Setting| [told.name.clone(), told.value.clone(), told.from.clone()];
    let mut rows: Vec<Row> = settings.in_force.iter().map(row).collect();
    let mut faults = Vec::new();
    for kind in Kind::ALL {
        match secrets::check(kind, env, &settings.data) {
            Ok(place) => rows.push(secret(kind, &place)),
            Err(fault) => faults.push(fault),
        }
    }
    if !faults.is_empty() {
        return Err(faults.into());
    }
    let notes = doubts(&settings, env).into_iter().map(|doubt| format!("note: {doubt}\n"));
    print(out, &(table(&rows) + &notes.collect::<String>()))
}

/// Name, value, origin.
type Row = [String; 3];

/// Prints text for people or programs; nothing that looks like a key leaves.
pub fn print(out: &mut impl Write, text: &str) -> Result<(), Failure> {
    let text = crate::scrub::scrub(text.as_bytes());
    match out.write_all(&text).and_then(|()| out.flush()) {
        // Whoever piped us into `head` has seen enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::Run(format!("Cannot print: {error}.")))
        }
        _ => Ok(()),
    }
}

fn secret(kind: Kind, place: &Place) -> Row {
    let (value, origin) = match place {
        Place::Variable(name) => ("(not shown)".to_owned(), name.clone()),
        Place::Named(name, path) => (format!("in {}", path.display()), name.clone()),
        Place::Folder(path) if path.exists() => {
            (format!("in {}", path.display()), "made at the first start".to_owned())
        }
        Place::Folder(path) => {
            (format!("to be in {}", path.display()), "made at the next start".to_owned())
        }
    };
    [kind.words().to_owned(), value, origin]
}

fn table(rows: &[Row]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let (name, value) = (width(0).unwrap_or(0), width(1).unwrap_or(0));
    let line = |row: &Row| format!("{:name$}  {:value$}  {}\n", row[0], row[1], row[2]);
    rows.iter().map(line).collect()
}

/// A settings file in which every default stands, commented out.
fn defaults() -> String {
    let head = "# Settings of potluck. Each line shows its default; take away the # to change it.\n\
                # Flags win over POTLUCK_… variables, and those over this file.\n";
    let mut text = head.to_owned();
    for arg in flags::settings() {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        text += &format!("\n# {help}\n#{} = {}\n", flags::name(&arg), default(&arg));
    }
    text
}

fn default(arg: &Arg) -> String {
    let text = arg.get_default_values().first().map(|text| text.to_string_lossy().into_owned());
    match text {
        None if flags::repeats(arg) => "[]".to_owned(),
        None => {
            let names = arg.get_value_names().unwrap_or_default();
            format!("\"{}\"", names.first().map_or("", |name| name.as_str()))
        }
        Some(text) if text.parse::<u64>().is_ok() || text.parse::<bool>().is_ok() => text,
        Some(text) => format!("\"{text}\""),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

    use super::*;
    use crate::{config_file, layers};

    fn checked(line: &[&str], env: &[(&str, &str)]) -> Result<String, Failure> {
        let line = ["potluck", "check-config"].iter().chain(line);
        let matches = layers::command().try_get_matches_from(line).unwrap();
        let mut out = Vec::new();
        check(matches.subcommand().unwrap().1, &Env::of(env), &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn row(text: &str, name: &str) -> String {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_setting_is_told_with_its_origin() {
        let env = [("POTLUCK_DATA", "/srv/potluck"), ("POTLUCK_ADMIN_TOKEN", "0123456789abcdef")];

        let text = checked(&["--threads=3"], &env).unwrap();

        assert_eq!(row(&text, "listen"), "listen 127.0.0.1:8080 default");
        assert_eq!(row(&text, "data"), "data /srv/potluck POTLUCK_DATA");
        assert_eq!(row(&text, "threads"), "threads 3 --threads");
        assert_eq!(row(&text, "admin token"), "admin token (not shown) POTLUCK_ADMIN_TOKEN");
        assert!(row(&text, "master key").ends_with("made at the next start"));
        assert!(!text.contains("0123456789abcdef"));
    }

    #[test]
    fn a_password_of_the_way_out_is_not_printed() {
        let proxy = "http://user:hunter2@proxy:3128";
        for name in ["POTLUCK_EGRESS", "HTTPS_PROXY", "all_proxy"] {
            let text = checked(&[], &[(name, proxy)]).unwrap();
            assert!(row(&text, "egress").contains("proxy:3128"), "{text}");
            assert!(!text.contains("hunter2") && !text.contains("user"), "{text}");
        }
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        let table: [(&[&str], &str); 4] = [
            (&["--tls-cert=c.pem"], "tls-cert (--tls-cert) needs tls-key as well"),
            (&["--tls-key=k.pem"], "tls-key (--tls-key) needs tls-cert as well"),
            (&["--max-body=200MiB"], "max-body (--max-body) is more than half of max-kept-bodies"),
            (&["--egress=gopher://x"], "--egress \"gopher://x\": "),
        ];
        for (line, start) in table {
            let Err(Failure::Settings(faults)) = checked(line, &[]) else { panic!("{line:?}") };
            assert!(faults.len() == 1 && faults[0].starts_with(start), "{faults:?}");
        }
    }

    #[test]
    fn what_is_probably_not_meant_is_noted() {
        let env = [("POTLUCK_LISTN", "x"), ("POTLUCK_SERVICE_HOST", "10.0.0.1")];

        let text = checked(&["--listen=0.0.0.0:80"], &env).unwrap();

        assert!(text.contains("note: POTLUCK_LISTN is no setting and is ignored; did you mean"));
        assert!(text.contains("note: 0.0.0.0:80 is open to other machines without TLS"));
        assert!(!text.contains("SERVICE_HOST"));
    }

    #[test]
    fn the_printed_defaults_are_a_good_file_that_changes_nothing() {
        let unset = ["threads", "tls", "public", "egress", "upstream-ca", "webhook", "otlp"];
        let text: String = defaults()
            .lines()
            .filter_map(|line| line.strip_prefix('#'))
            .filter(|line| line.contains(" = ") && !line.starts_with(' '))
            .filter(|line| !unset.iter().any(|name| line.starts_with(name)))
            .map(|line| format!("{line}\n"))
            .collect();

        let file = config_file::parse(Path::new("potluck.toml"), &text).unwrap();

        let known = flags::settings();
        for entry in &file.entries {
            let arg = known.iter().find(|arg| flags::name(arg) == entry.key).unwrap();
            let defaults = arg.get_default_values().iter().map(|text| text.to_string_lossy());
            assert!(entry.texts.iter().cloned().eq(defaults), "{}", entry.key);
        }
        assert_eq!(file.entries.len() + 8, known.len());
    }
}
