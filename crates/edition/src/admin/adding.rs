//! Keys that an operator adds, line by line, and what became of each.
//!
//! Rule: a line is told by its number; what stood in it is never told.

use std::collections::HashSet;

use potluck_core::KeyId;
use potluck_gemini::ApiKey;
use potluck_gemini::answer::Problem;
use schemars::JsonSchema;
use serde::Serialize;

use super::bad;
use super::checking::Said;
use super::openapi::{Kind, Parameter};

/// A line of what an operator adds.
#[derive(Debug)]
pub struct Line {
    /// Its number, from 1.
    pub number: usize,
    /// The key, or why there is none.
    pub key: Result<ApiKey, &'static str>,
}

/// What may be asked of an adding.
pub const QUERY: &[Parameter] = &[Parameter {
    name: "check",
    about: "Whether Google is asked about each key first, and only what works is added.",
    kind: Kind::OneOf(&["true", "false"]),
}];

/// Whether the keys are to be checked first.
pub fn wants_check(query: &str) -> Result<bool, Problem> {
    match query {
        "" | "check=false" => Ok(false),
        "check=true" => Ok(true),
        _ => Err(bad("only check=true or check=false can be asked for")),
    }
}

/// Reads keys that are to be checked first: fewer at once, since that takes its time.
pub fn few_lines(text: &[u8]) -> Result<Vec<Line>, Problem> {
    let lines = lines(text)?;
    match lines.len() {
        ..=MAX_CHECKED => Ok(lines),
        _ => Err(bad("more than 1000 keys to be checked at once: send them in parts")),
    }
}

/// Reads keys, one a line; empty lines and comments (`#`) are passed over.
pub fn lines(text: &[u8]) -> Result<Vec<Line>, Problem> {
    let text = std::str::from_utf8(text).map_err(|_| bad("the body is not text in UTF-8"))?;
    if text.is_empty() {
        return Err(bad("the body is empty; a line of it is a key"));
    }
    let (mut lines, mut seen) = (Vec::new(), HashSet::new());
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if lines.len() == MAX_LINES {
            return Err(bad("more than 100,000 keys at once: send them in parts"));
        }
        let key = match ApiKey::parse(line) {
            Err(_) => Err("not a Gemini API key by its form"),
            Ok(_) if !seen.insert(line) => Err("the same key stands above"),
            Ok(key) => Ok(key),
        };
        lines.push(Line { number, key });
    }
    Ok(lines)
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Became {
    /// The key is at the table now, under this id.
    Added(KeyId),
    /// It was there already.
    Known(KeyId),
    /// Its contributor withdrew it; only they can bring it back.
    Withdrawn,
    /// There is no room for it.
    Full,
    /// The line holds none.
    Bad(&'static str),
    /// Google refuses it.
    Refused(&'static str),
    /// Google was asked, and said nothing of it.
    Unchecked(&'static str),
    /// It could not be written down.
    Failed,
}

impl From<Said> for Option<Became> {
    /// What becomes of a key that is not added, for what Google said of it.
    fn from(said: Said) -> Option<Became> {
        match said {
            Said::Lives => None,
            Said::Dead(why) => Some(Became::Refused(why)),
            Said::Nothing(why) => Some(Became::Unchecked(why)),
        }
    }
}

impl Became {
    fn word(self) -> &'static str {
        match self {
            Became::Added(_) => "added",
            Became::Known(_) => "known",
            Became::Withdrawn => "withdrawn",
            Became::Full => "full",
            Became::Bad(_) => "bad",
            Became::Refused(_) => "refused",
            Became::Unchecked(_) => "unchecked",
            Became::Failed => "failed",
        }
    }

    fn told(self, line: usize) -> Told {
        let (id, why) = match self {
            Became::Added(id) | Became::Known(id) => (Some(id.to_string()), None),
            Became::Bad(why) | Became::Refused(why) | Became::Unchecked(why) => (None, Some(why)),
            Became::Withdrawn | Became::Full | Became::Failed => (None, None),
        };
        Told { line, became: self.word(), id, why }
    }
}

/// What became of all lines, by number.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Report {
    added: usize,
    known: usize,
    withdrawn: usize,
    full: usize,
    bad: usize,
    refused: usize,
    unchecked: usize,
    failed: usize,
    lines: Vec<Told>,
}

/// What became of one.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Told {
    /// Its number, from 1.
    line: usize,
    /// `added`, `known`, `withdrawn` (by its contributor, who alone can bring it back), `full`,
    /// `bad`, or where keys are checked first `refused` (by Google) or `unchecked` (Google was asked
    /// and said nothing of it; not added); `failed`, where it could not be written down.
    became: &'static str,
    /// The key's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
}

impl Report {
    /// Of lines and what became of each.
    pub fn of(lines: &[(usize, Became)]) -> Report {
        let count = |word: &str| lines.iter().filter(|(_, became)| became.word() == word).count();
        Report {
            added: count("added"),
            known: count("known"),
            withdrawn: count("withdrawn"),
            full: count("full"),
            bad: count("bad"),
            refused: count("refused"),
            unchecked: count("unchecked"),
            failed: count("failed"),
            lines: lines.iter().map(|(line, became)| became.told(*line)).collect(),
        }
    }
}

/// Keys added at once: some seconds of work.
const MAX_LINES: usize = 100_000;
/// Keys checked and added at once: some seconds of asking.
const MAX_CHECKED: usize = 1000;
/// Bytes of all keys added at once: the longest keys, in the most lines.
pub const MAX_ADDED: usize = 16 << 20;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn every_line_is_told_by_its_number_and_none_by_its_key() {
        let key = |n: u8| format!("AIzaSyTestTestTestTestTestTestTestTest{n:02}");
        let text = format!("# ours\n{}\n\nnonsense\n {} \n{}\n", key(1), key(2), key(1));
        let read = lines(text.as_bytes()).unwrap();
        let told: Vec<(usize, bool)> = read.iter().map(|l| (l.number, l.key.is_ok())).collect();
        assert_eq!(told, [(2, true), (4, false), (5, true), (6, false)]);
        let became = |line: &Line| match &line.key {
            Ok(_) => Became::Added(KeyId([1; 16])),
            Err(why) => Became::Bad(why),
        };
        let all: Vec<_> = read.iter().map(|line| (line.number, became(line))).collect();
        let report = serde_json::to_value(Report::of(&all)).unwrap();
        assert_eq!((&report["added"], &report["bad"]), (&json!(2), &json!(2)));
        assert!(!report.to_string().contains("SyTest"));
    }
}
