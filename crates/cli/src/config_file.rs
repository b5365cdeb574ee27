//! The settings file: TOML, one line per setting, no sections.
//!
//! Rule: a fault is told with file, line and key, and all faults are told at once, since whoever
//! edits a file on a server would rather not play one error a round.

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use clap::Arg;
use toml::de::{DeTable, DeValue};

use crate::flags;
use crate::suggest;
use crate::values::shown;

/// Read when nothing else is named.
pub const DEFAULT: &str = "potluck.toml";

/// A settings file is a few lines; more is some other file.
const LARGEST: u64 = 1 << 20;

/// A settings file that could be read.
#[derive(Debug, Default)]
pub struct ConfigFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it sets, in the order of its lines.
    pub entries: Vec<Entry>,
}

/// One setting of the file.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// The setting's name.
    pub key: String,
    /// Counted from one.
    pub line: usize,
    /// Its values as text: one, or several where the setting repeats.
    pub texts: Vec<String>,
}

/// A fault and its line.
type Fault = (usize, String);

/// Reads the file named, or the default one if it exists.
pub fn read(named: Option<&Path>) -> Result<Option<ConfigFile>, Vec<String>> {
    let path = named.unwrap_or(Path::new(DEFAULT));
    match text_of(path) {
        Ok(text) => parse(path, &text).map(Some),
        Err(error) if named.is_none() && error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(vec![format!("{}: cannot be read: {error}", path.display())]),
    }
}

/// Reads the settings out of a file's text; the path is for the words of a fault.
pub fn parse(path: &Path, text: &str) -> Result<ConfigFile, Vec<String>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut faults: Vec<Fault> = errors.iter().map(|error| syntax(text, error)).collect();
    let mut entries = Vec::new();
    // After a syntax error the rest is a guess; guesses about keys would only confuse.
    if faults.is_empty() {
        let known = flags::settings();
        for (key, value) in table.get_ref() {
            let line = line_of(text, key.span().start);
            match entry(&known, key.get_ref(), value.get_ref()) {
                Ok(texts) => entries.push(Entry { key: key.get_ref().to_string(), line, texts }),
                Err(fault) => faults.push((line, fault)),
            }
        }
    }
    entries.sort_by_key(|entry| entry.line);
    if faults.is_empty() {
        return Ok(ConfigFile { path: path.to_owned(), entries });
    }
    faults.sort();
    faults.dedup_by_key(|(line, _)| *line);
    Err(faults
        .into_iter()
        .map(|(line, what)| format!("{}:{line}: {what}", path.display()))
        .collect())
}

fn text_of(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST {
        return Err(ErrorKind::FileTooLarge.into());
    }
    Ok(text)
}

fn entry(known: &[Arg], key: &str, value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let arg =
        known.iter().find(|arg| flags::name(arg) == key).ok_or_else(|| unknown(known, key))?;
    match value {
        DeValue::Table(_) => Err(format!("{key} is a setting, not a section")),
        DeValue::Array(items) if flags::repeats(arg) => {
            items.iter().map(|item| scalar(key, item.get_ref())).collect()
        }
        DeValue::Array(_) => Err(format!("{key} takes one value, not a list")),
        one => scalar(key, one).map(|text| vec![text]),
    }
}

fn scalar(key: &str, value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) => Ok(number.to_string()),
        DeValue::Boolean(truth) => Ok(truth.to_string()),
        DeValue::Float(number) => Ok(number.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            Err(format!("{key} needs a text, a number, or true or false"))
        }
    }
}

fn unknown(known: &[Arg], key: &str) -> String {
    if let Some(variable) = secret(key) {
        return format!(
            "{key} is a secret and does not belong in the settings file; set {variable}_FILE \
             (or {variable}) in the environment"
        );
    }
    if key == "config" {
        return "config cannot be set in the settings file itself".to_owned();
    }
    let names = known.iter().map(flags::name);
    match suggest::nearest(&key.replace('_', "-"), names) {
        Some(name) => format!("unknown setting {key:?}; did you mean {name:?}?"),
        None => format!(
            "unknown setting {key:?}; `potluck check-config --print-defaults` lists those there are"
        ),
    }
}

fn secret(key: &str) -> Option<&'static str> {
    let key = key.replace('_', "-");
    match key.strip_suffix("-file").unwrap_or(&key) {
        "admin-token" => Some("POTLUCK_ADMIN_TOKEN"),
        "master-key" => Some("POTLUCK_MASTER_KEY"),
        _ => None,
    }
}

/// The parser's words, and the line's key if it has one: its text may hold a password.
fn syntax(text: &str, error: &toml::de::Error) -> Fault {
    let line = line_of(text, error.span().map_or(text.len(), |span| span.start));
    let key = text
        .lines()
        .nth(line - 1)
        .and_then(|line| line.split_once('='))
        .map(|(key, _)| format!("{}: ", shown(key.trim())))
        .unwrap_or_default();
    (line, format!("{key}not TOML: {}", error.message()))
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn faults(text: &str) -> Vec<String> {
        parse(Path::new("potluck.toml"), text).unwrap_err()
    }

    #[test]
    fn entries_keep_their_lines() {
        let text = "# a comment\nthreads = 4\n\nlisten = \"[::]:80\"\nstore-false = true\n\
                    trusted-proxy = [\"10.0.0.0/8\", \"::1\"]\n";

        let file = parse(Path::new("potluck.toml"), text).unwrap();

        let seen: Vec<_> =
            file.entries.iter().map(|e| (e.key.as_str(), e.line, e.texts.join(" "))).collect();
        assert_eq!(
            seen,
            [
                ("threads", 2, "4".to_owned()),
                ("listen", 4, "[::]:80".to_owned()),
                ("store-false", 5, "true".to_owned()),
                ("trusted-proxy", 6, "10.0.0.0/8 ::1".to_owned()),
            ]
        );
    }

    #[test]
    fn a_fault_names_file_line_and_key() {
        let table = [
            (
                "listn = \"x\"",
                "potluck.toml:1: unknown setting \"listn\"; did you mean \"listen\"?",
            ),
            ("\ntls_cert = 'f'", "potluck.toml:2: unknown setting \"tls_cert\"; did you mean"),
            ("colour = 1", "potluck.toml:1: unknown setting \"colour\"; `potluck check-config"),
            ("listen = ['a']", "potluck.toml:1: listen takes one value, not a list"),
            ("[listen]\na = 1", "potluck.toml:1: listen is a setting, not a section"),
            ("data = 2026-01-01", "potluck.toml:1: data needs a text, a number"),
            ("admin-token = 'x'", "potluck.toml:1: admin-token is a secret"),
            ("master_key_file = 'x'", "potluck.toml:1: master_key_file is a secret"),
            ("config = 'x'", "potluck.toml:1: config cannot be set"),
            ("\n\nlisten = ", "potluck.toml:3: listen: not TOML: "),
            ("listen = 'a'\nlisten = 'b'", "potluck.toml:2: listen: not TOML: duplicate key"),
        ];
        for (text, fault) in table {
            let seen = faults(text);
            assert!(seen.len() == 1 && seen[0].starts_with(fault), "{text:?} gave {seen:?}");
        }
    }

    #[test]
    fn all_faults_are_told_in_the_order_of_lines() {
        let seen = faults("zz = 1\nlisten = ['a']\naa = 1\n");

        assert_eq!(seen.len(), 3);
        for (seen, line) in seen.iter().zip(1..) {
            assert!(seen.starts_with(&format!("potluck.toml:{line}: ")), "{seen}");
        }
    }

    #[test]
    fn a_fault_of_syntax_does_not_repeat_the_value() {
        let seen = faults("egress = \"http://user:hunter2@proxy\n");

        assert!(!seen.concat().contains("hunter2"), "{seen:?}");
    }
}
