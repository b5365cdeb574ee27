//! `potluck status`, `potluck keys`: what operators see and decide.
//!
//! Rule: tables for people, `--json` for programs, and never a key: keys go by their ids.

use std::io::{Read, Write};
use std::path::Path;

use clap::{ArgMatches, FromArgMatches};
use http::Method;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::flags::import::Check;
use crate::flags::{At, Ids, Keys};
use crate::import::import;
use crate::layers::Env;
use crate::operator::Operator;
use crate::place::operator;

/// Does what was asked, and prints what came of it.
pub fn decide(
    verb: &str,
    matches: &ArgMatches,
    env: &Env,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let read = |error: clap::Error| Failure::setting(error.to_string());
    if verb == "status" {
        let at = At::from_arg_matches(matches).map_err(read)?;
        return status(&at, env, out);
    }
    match Keys::from_arg_matches(matches).map_err(read)? {
        Keys::List { state, at } => list(state.as_deref(), &at, env, out),
        Keys::Add { file, at } => add(&file, &at, env, out),
        Keys::Export(wanted) => crate::export::export(&wanted, env, out),
        Keys::Import(wanted) => import(&wanted, env, out),
        Keys::Check(Check { ids, at }) => check(&ids, &at, env, out),
        Keys::Disable(ids) => change(&ids, env, out, "disabled", |operator, path| {
            operator.ask(Method::PATCH, path, br#"{"disabled":true}"#.to_vec())
        }),
        Keys::Enable(ids) => change(&ids, env, out, "enabled", |operator, path| {
            operator.ask(Method::PATCH, path, br#"{"disabled":false}"#.to_vec())
        }),
        Keys::Remove(ids) => change(&ids, env, out, "removed", |operator, path| {
            operator.ask(Method::DELETE, path, Vec::new())
        }),
    }
}

fn status(at: &At, env: &Env, out: &mut impl Write) -> Result<(), Failure> {
    let told = operator(at, env)?.look("/status")?;
    if at.json {
        return print(out, &format!("{told}\n"));
    }
    let mut rows = Vec::new();
    for part in ["keys", "exchanges", "attempts", "refusals", "cooldowns"] {
        let counts = told[part].as_object().into_iter().flatten();
        rows.extend(
            counts
                .map(|(name, count)| [part.to_owned(), name.replace('_', " "), count.to_string()]),
        );
    }
    print(out, &table(["of", "what", "count"], &rows))
}

fn list(state: Option<&str>, at: &At, env: &Env, out: &mut impl Write) -> Result<(), Failure> {
    let keys = all(&operator(at, env)?, state)?;
    if at.json {
        return print(out, &format!("{}\n", Value::from(keys)));
    }
    let rows: Vec<_> = keys.iter().map(row).collect();
    print(out, &table(["id", "state", "lent", "borrowed", "why"], &rows))
}

/// All keys, of one state if it is named.
fn all(operator: &Operator, state: Option<&str>) -> Result<Vec<Value>, Failure> {
    let of_state = state.map(|state| format!("&state={state}")).unwrap_or_default();
    let (mut after, mut keys) = (json!(0), Vec::new());
    while !after.is_null() {
        let mut page = operator.look(&format!("/keys?limit=1000&after={after}{of_state}"))?;
        if let Value::Array(more) = page["keys"].take() {
            keys.extend(more);
        }
        after = page["next"].take();
    }
    Ok(keys)
}

/// Has Google asked about keys, about all if none is named.
fn check(ids: &[String], at: &At, env: &Env, out: &mut impl Write) -> Result<(), Failure> {
    let operator = operator(at, env)?;
    let mut ids = ids.to_vec();
    if ids.is_empty() {
        let id = |key: &Value| key["id"].as_str().map(str::to_owned);
        ids = all(&operator, None)?.iter().filter_map(id).collect();
    }
    let mut bad = 0;
    for id in &ids {
        let (became, why) = checked(&operator, id)?;
        bad += usize::from(became != "works");
        let line = match at.json {
            true => json!({ "id": id, "became": became, "why": why }).to_string(),
            false => format!("{id}  {became}  {why}").trim_end().to_owned(),
        };
        print(out, &format!("{line}\n"))?;
    }
    if bad > 0 { Err(Failure::Run(format!("{bad} are not known to work."))) } else { Ok(()) }
}

fn checked(operator: &Operator, id: &str) -> Result<(&'static str, String), Failure> {
    let told = match operator.ask(Method::POST, &format!("/keys/{id}/check"), Vec::new()) {
        Ok(told) => told,
        Err(Failure::Run(why)) => return Ok(("failed", why)),
        Err(wrong) => return Err(wrong),
    };
    let became = match told["works"].as_bool() {
        Some(true) => "works",
        Some(false) => "refused",
        None => "unchecked",
    };
    Ok((became, told["why"].as_str().unwrap_or_default().to_owned()))
}

fn row(key: &Value) -> [String; 5] {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    [
        text(&key["id"]),
        text(&key["state"]),
        key["lent"]["calls"].to_string(),
        key["borrowed"]["calls"].to_string(),
        text(&key["why"]),
    ]
}

fn add(file: &Path, at: &At, env: &Env, out: &mut impl Write) -> Result<(), Failure> {
    let operator = operator(at, env)?;
    let told = operator.ask(Method::POST, "/keys", keys_in(file)?)?;
    if at.json {
        print(out, &format!("{told}\n"))?;
    } else {
        print(out, &report(&told))?;
    }
    let missed =
        ["withdrawn", "full", "bad", "failed"].map(|word| told[word].as_u64().unwrap_or(0));
    match missed.iter().sum::<u64>() {
        0 => Ok(()),
        lines => Err(Failure::Run(format!("{lines} lines were not taken."))),
    }
}

fn keys_in(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    let read = match file.to_str() {
        Some("-") => std::io::stdin().read_to_end(&mut text).map(drop),
        _ => std::fs::read(file).map(|all| text = all),
    };
    let cannot = |error| Failure::Run(format!("Cannot read {}: {error}.", file.display()));
    read.map(|()| text).map_err(cannot)
}

/// The lines that were not taken, and how many were.
fn report(told: &Value) -> String {
    let lines = told["lines"].as_array().into_iter().flatten();
    let missed = lines.filter(|line| line["id"].is_null()).map(|line| {
        let became = line["became"].as_str().unwrap_or_default();
        let why = line["why"].as_str().unwrap_or(why_not(became));
        format!("line {}: {why}\n", line["line"])
    });
    let missed: String = missed.collect();
    format!("{missed}{} added, {} known before\n", told["added"], told["known"])
}

/// Why a key was not taken, where the server's word alone tells it.
pub fn why_not(became: &str) -> &'static str {
    match became {
        "withdrawn" => "withdrawn by its contributor, who alone can bring it back",
        "failed" => "the server could not write it down; look at its log, and try again",
        _ => "the pool is full",
    }
}

/// Does the same to every key that is named; one that fails stops none of the others.
fn change(
    Ids { ids, at }: &Ids,
    env: &Env,
    out: &mut impl Write,
    done: &str,
    act: impl Fn(&Operator, &str) -> Result<Value, Failure>,
) -> Result<(), Failure> {
    each(ids, at, env, out, done, |operator, id| act(operator, &format!("/keys/{id}")))
}

/// Does the same to all that is named by ids, and says of each what became of it.
pub fn each(
    ids: &[String],
    at: &At,
    env: &Env,
    out: &mut impl Write,
    done: &str,
    act: impl Fn(&Operator, &str) -> Result<Value, Failure>,
) -> Result<(), Failure> {
    let operator = operator(at, env)?;
    let mut failed = 0;
    for id in ids {
        let (became, why) = match act(&operator, id) {
            Ok(_) => (done, String::new()),
            Err(Failure::Run(why)) => ("failed", why),
            Err(wrong) => return Err(wrong),
        };
        failed += usize::from(became == "failed");
        let line = match at.json {
            true => json!({ "id": id, "became": became, "why": why }).to_string(),
            false => format!("{id}  {became}  {why}").trim_end().to_owned(),
        };
        print(out, &format!("{line}\n"))?;
    }
    if failed > 0 { Err(Failure::Run(format!("{failed} of them failed."))) } else { Ok(()) }
}

/// Columns under their heads.
pub fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let head = head.map(str::to_owned);
    let all = || std::iter::once(&head).chain(rows);
    let widths: [usize; N] =
        std::array::from_fn(|at| all().map(|row| row[at].chars().count()).max().unwrap_or(0));
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    };
    all().map(line).collect()
}

/// Prints, with a last look for secrets.
pub fn print(out: &mut impl Write, text: &str) -> Result<(), Failure> {
    crate::check::print(out, text)
}
