//! `potluck token`, `potluck invite`: who may come without a key, and with one that nobody knows.
//!
//! Rule: what is made is printed once and unscrubbed, for it is what was asked for; all else that is
//! printed goes by ids.

use std::io::Write;

use clap::{ArgMatches, FromArgMatches};
use http::Method;
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::flags::At;
use crate::flags::admission::{Invite, May, Named, Token};
use crate::keys::{print, table};
use crate::layers::Env;
use crate::place::operator;
use crate::values::Expiry;

/// Does what was asked, and prints what came of it.
pub fn decide(
    verb: &str,
    matches: &ArgMatches,
    env: &Env,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let read = |error: clap::Error| Failure::setting(error.to_string());
    match verb {
        "token" => token(Token::from_arg_matches(matches).map_err(read)?, env, out),
        _ => invite(Invite::from_arg_matches(matches).map_err(read)?, env, out),
    }
}

fn token(asked: Token, env: &Env, out: &mut impl Write) -> Result<(), Failure> {
    match asked {
        Token::Make { name, may, at } => {
            let mut body = terms(&may);
            body.insert("name".into(), name.into());
            let told = ask(&at, env, Method::POST, "/tokens", &body.into())?;
            shown(&at, &told, "token", TOKEN_USE, out)
        }
        Token::List { at } => list(&at, env, "tokens", TOKEN_HEAD, token_row, out),
        Token::Change { id, name, may, at } => {
            let mut body = terms(&may);
            body.extend(name.map(|name| ("name".into(), name.into())));
            let path = format!("/tokens/{id}");
            let told = ask(&at, env, Method::PATCH, &path, &body.into())?;
            match at.json {
                true => print(out, &format!("{told}\n")),
                false => print(out, &table(TOKEN_HEAD, &[token_row(&told)])),
            }
        }
        Token::Revoke(named) => revoke(&named, env, "tokens", out),
    }
}

fn invite(asked: Invite, env: &Env, out: &mut impl Write) -> Result<(), Failure> {
    match asked {
        Invite::Make { name, uses, expires, at } => {
            let expires = expires.and_then(Expiry::moment);
            let body = json!({ "name": name, "uses": uses, "expires": expires });
            let told = ask(&at, env, Method::POST, "/invites", &body)?;
            shown(&at, &told, "code", INVITE_USE, out)
        }
        Invite::List { at } => list(&at, env, "invites", INVITE_HEAD, invite_row, out),
        Invite::Revoke(named) => revoke(&named, env, "invites", out),
    }
}

/// What was named of a token's terms; `null` lifts a limit.
fn terms(may: &May) -> Map<String, Value> {
    let limits = [
        ("requests_per_minute", may.requests_per_minute),
        ("requests_per_day", may.requests_per_day),
        ("tokens_per_minute", may.tokens_per_minute),
        ("tokens_per_day", may.tokens_per_day),
    ];
    let named = limits.into_iter().filter_map(|(name, limit)| Some((name.into(), json!(limit?))));
    let mut terms: Map<String, Value> = named.collect();
    if let Some(models) = &may.models {
        let names: Vec<&str> = models.split(',').map(str::trim).collect();
        terms.insert("models".into(), if models == "all" { Value::Null } else { json!(names) });
    }
    if let Some(expires) = may.expires {
        terms.insert("expires".into(), json!(expires.moment()));
    }
    terms
}

fn ask(at: &At, env: &Env, method: Method, path: &str, body: &Value) -> Result<Value, Failure> {
    operator(at, env)?.ask(method, path, body.to_string().into_bytes())
}

/// Shows what was made, the only time that it is shown.
fn shown(
    at: &At,
    told: &Value,
    what: &str,
    usage: &str,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let secret = told[what].as_str().unwrap_or_default();
    let id = told["about"]["id"].as_str().unwrap_or_default();
    let text = match at.json {
        true => format!("{told}\n"),
        false => format!("{secret}\n\n{usage}\nIts id is {id}.\n"),
    };
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| Failure::Run(format!("Cannot print: {error}.")))
}

fn list<const N: usize>(
    at: &At,
    env: &Env,
    what: &str,
    head: [&str; N],
    row: fn(&Value) -> [String; N],
    out: &mut impl Write,
) -> Result<(), Failure> {
    let told = operator(at, env)?.look(&format!("/{what}"))?;
    if at.json {
        return print(out, &format!("{}\n", told[what]));
    }
    let rows: Vec<_> = told[what].as_array().into_iter().flatten().map(row).collect();
    print(out, &table(head, &rows))
}

/// Revokes all that are named; one that fails stops none of the others.
fn revoke(
    Named { ids, at }: &Named,
    env: &Env,
    what: &str,
    out: &mut impl Write,
) -> Result<(), Failure> {
    crate::keys::each(ids, at, env, out, "revoked", |operator, id| {
        operator.ask(Method::DELETE, &format!("/{what}/{id}"), Vec::new())
    })
}

const TOKEN_HEAD: [&str; 8] =
    ["id", "state", "requests/tokens today", "a day", "a minute", "models", "expires", "name"];

fn token_row(token: &Value) -> [String; 8] {
    let limits = |of: &str| {
        let requests = limit(&token[format!("requests_per_{of}")]);
        format!("{requests}/{}", limit(&token[format!("tokens_per_{of}")]))
    };
    let models = token["models"].as_array();
    let models = models.map(|all| all.iter().map(text).collect::<Vec<_>>().join(","));
    [
        text(&token["id"]),
        text(&token["state"]),
        format!("{}/{}", token["today"]["requests"], token["today"]["tokens"]),
        limits("day"),
        limits("minute"),
        models.unwrap_or_else(|| "all".to_owned()),
        token["expires"].as_str().unwrap_or("never").to_owned(),
        text(&token["name"]),
    ]
}

const INVITE_HEAD: [&str; 5] = ["id", "state", "came", "expires", "name"];

fn invite_row(invite: &Value) -> [String; 5] {
    [
        text(&invite["id"]),
        text(&invite["state"]),
        format!("{} of {}", invite["used"], invite["uses"]),
        invite["expires"].as_str().unwrap_or("never").to_owned(),
        text(&invite["name"]),
    ]
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn limit(value: &Value) -> String {
    value.as_u64().map_or("-".to_owned(), |limit| limit.to_string())
}

const TOKEN_USE: &str = "This is shown once. It is sent in place of a Gemini API key.";
const INVITE_USE: &str =
    "This is shown once. It is sent beside a new key, in the header x-potluck-invite.";
