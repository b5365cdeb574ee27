//! `/pool/admin/v1`: what operators ask and decide, as JSON.
//!
//! Rule: pure. What a path and a body mean, and what is answered, is said here; an edition checks
//! who asks, and does it.

use std::collections::HashSet;

use http::Method;
use potluck_core::{KeyId, Listing, Metrics};
use potluck_gemini::ApiKey;
use potluck_gemini::answer::{Problem, Reason};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{me, problem};

/// Where the first version lies.
const ROOT: &str = "/pool/admin/v1";

/// What an operator wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// How the pool is.
    Status,
    /// Some of the keys.
    List(Wanted),
    /// To add the keys that the body names.
    Add,
    /// One key.
    Look(KeyId),
    /// To take a key out of service, or back.
    Change(KeyId),
    /// To erase a key.
    Erase(KeyId),
}

impl Task {
    /// Whether it changes anything.
    pub fn changes(&self) -> bool {
        matches!(self, Task::Add | Task::Change(_) | Task::Erase(_))
    }
}

/// Which keys are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Of this state alone.
    pub state: Option<String>,
    /// Where an earlier answer ended.
    pub after: u64,
    /// How many at most.
    pub limit: usize,
}

impl Default for Wanted {
    fn default() -> Self {
        Wanted { state: None, after: 0, limit: USUAL_LIMIT }
    }
}

/// What a request below `/pool/admin` asks for.
pub fn task(method: &Method, path: &str, query: Option<&str>) -> Result<Task, Problem> {
    let none =
        || Problem::new(Reason::NoRoute).saying("Nothing is served at this path of the API.");
    let rest = path.strip_prefix(ROOT).ok_or_else(none)?;
    let look = matches!(*method, Method::GET | Method::HEAD);
    match (rest, rest.strip_prefix("/keys/")) {
        ("/status", _) if look => Ok(Task::Status),
        ("/keys", _) if look => wanted(query.unwrap_or_default()).map(Task::List),
        ("/keys", _) if *method == Method::POST => Ok(Task::Add),
        ("/status" | "/keys", _) => Err(Problem::new(Reason::Method)),
        (_, Some(id)) => {
            let id = KeyId::parse(id).ok_or_else(|| Problem::new(Reason::UnknownKey))?;
            match *method {
                Method::GET | Method::HEAD => Ok(Task::Look(id)),
                Method::PATCH => Ok(Task::Change(id)),
                Method::DELETE => Ok(Task::Erase(id)),
                _ => Err(Problem::new(Reason::Method)),
            }
        }
        _ => Err(none()),
    }
}

fn wanted(query: &str) -> Result<Wanted, Problem> {
    let mut wanted = Wanted::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "state" if STATES.contains(&value) => wanted.state = Some(value.to_owned()),
            "state" => return Err(bad("the state is active, resting, held, paused or disabled")),
            "after" => {
                let place = value.parse().map_err(|_| bad("'after' is what 'next' said before"));
                wanted.after = place?;
            }
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                wanted.limit = limit.ok_or_else(|| bad("the limit is a number from 1 to 1000"))?;
            }
            _ => return Err(bad("only state, after and limit can be asked for")),
        }
    }
    Ok(wanted)
}

/// How the pool is.
pub fn status(pool: &Metrics) -> Value {
    let named = |counts: &[(&'static str, u64)]| -> Value {
        counts.iter().map(|(name, count)| (name.to_string(), Value::from(*count))).collect()
    };
    let keys = &pool.keys;
    json!({
        "keys": {
            "serving": keys.serving, "resting": keys.resting, "held": keys.held,
            "paused": keys.paused, "disabled": keys.disabled,
        },
        "withdrawn": pool.tombstones,
        "exchanges": { "begun": pool.exchanges, "under_way": pool.under_way },
        "attempts": named(&pool.verdicts),
        "refusals": named(&pool.refusals),
        "cooldowns": named(&pool.cooldowns),
    })
}

/// Some of the keys; `next` is where the following begin.
pub fn list(listing: &Listing, next: Option<u64>) -> Value {
    json!({ "keys": listing.keys.iter().map(me::view).collect::<Vec<_>>(), "next": next })
}

/// What a change asks for: whether the key is to be out of service.
pub fn change(text: &[u8]) -> Result<bool, Problem> {
    /// What `PATCH` understands.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Change {
        disabled: bool,
    }
    let read: Result<Change, _> = serde_json::from_slice(text);
    read.map(|change| change.disabled).map_err(|_| bad("the body is {\"disabled\": true or false}"))
}

/// A line of what an operator adds.
#[derive(Debug)]
pub struct Line {
    /// Its number, from 1.
    pub number: usize,
    /// The key, or why there is none.
    pub key: Result<ApiKey, &'static str>,
}

/// Reads keys, one a line; empty lines and comments (`#`) are passed over.
pub fn lines(text: &[u8]) -> Result<Vec<Line>, Problem> {
    let text = std::str::from_utf8(text).map_err(|_| bad("the body is not text in UTF-8"))?;
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
}

impl Became {
    fn word(self) -> &'static str {
        match self {
            Became::Added(_) => "added",
            Became::Known(_) => "known",
            Became::Withdrawn => "withdrawn",
            Became::Full => "full",
            Became::Bad(_) => "bad",
        }
    }

    fn told(self, line: usize) -> Value {
        match self {
            Became::Added(id) | Became::Known(id) => {
                json!({ "line": line, "became": self.word(), "id": id.to_string() })
            }
            Became::Bad(why) => json!({ "line": line, "became": self.word(), "why": why }),
            _ => json!({ "line": line, "became": self.word() }),
        }
    }
}

/// What became of all lines, by number.
pub fn report(lines: &[(usize, Became)]) -> Value {
    let count = |word: &str| lines.iter().filter(|(_, became)| became.word() == word).count();
    json!({
        "added": count("added"),
        "known": count("known"),
        "withdrawn": count("withdrawn"),
        "full": count("full"),
        "bad": count("bad"),
        "lines": lines.iter().map(|(line, became)| became.told(*line)).collect::<Vec<_>>(),
    })
}

/// Whether a browser says that a page of another site sends this.
pub fn is_cross_site(headers: &http::HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
    let ours = |site: &[u8]| matches!(site, b"same-origin" | b"none");
    let origin = headers.get(http::header::ORIGIN).map(|origin| origin.as_bytes());
    let host = headers.get(http::header::HOST).map(|host| host.as_bytes());
    let names_host = |origin: &[u8]| {
        let after = [&b"https://"[..], b"http://"].into_iter().find_map(|s| origin.strip_prefix(s));
        after.is_some() && after == host
    };
    site.is_some_and(|site| !ours(site)) || origin.is_some_and(|origin| !names_host(origin))
}

fn bad(why: &str) -> Problem {
    problem::refused(&problem::sentence(why))
}

/// The states by which keys can be listed.
const STATES: [&str; 5] = ["active", "resting", "held", "paused", "disabled"];
/// Keys listed where no limit is asked for, and at most: a page of them, and a quick answer.
const USUAL_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;
/// Keys added at once: some seconds of work.
const MAX_LINES: usize = 100_000;
/// A change is a word.
pub const MAX_CHANGE: usize = 1 << 10;
/// Bytes of all keys added at once: the longest keys, in the most lines.
pub const MAX_ADDED: usize = 16 << 20;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_path_and_method_means_one_thing() {
        let id = KeyId([7; 16]);
        let one = format!("/pool/admin/v1/keys/{id}");
        let table = [
            ("GET", "/pool/admin/v1/status", Ok(Task::Status)),
            ("GET", "/pool/admin/v1/keys", Ok(Task::List(Wanted::default()))),
            ("POST", "/pool/admin/v1/keys", Ok(Task::Add)),
            ("GET", &one, Ok(Task::Look(id))),
            ("PATCH", &one, Ok(Task::Change(id))),
            ("DELETE", &one, Ok(Task::Erase(id))),
            ("PUT", &one, Err("POOL_METHOD")),
            ("DELETE", "/pool/admin/v1/keys", Err("POOL_METHOD")),
            ("GET", "/pool/admin/v1/keys/k_1", Err("POOL_UNKNOWN_KEY")),
            ("GET", "/pool/admin/keys", Err("POOL_NO_ROUTE")),
            ("GET", "/pool/admin", Err("POOL_NO_ROUTE")),
        ];
        for (method, path, expected) in table {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let told = task(&method, path, None).map_err(|problem| problem.reason.name());
            assert_eq!(told, expected, "{method} {path}");
        }
    }

    #[test]
    fn a_listing_is_asked_for_by_state_place_and_limit_and_by_nothing_else() {
        let some = wanted("state=disabled&after=9&limit=1000").unwrap();
        let expected = Wanted { state: Some("disabled".into()), after: 9, limit: 1000 };
        assert_eq!(some, expected);
        for wrong in ["state=x", "after=-1", "limit=0", "limit=1001", "key=AIza", "state"] {
            assert!(wanted(wrong).is_err(), "{wrong}");
        }
    }

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
        let report = report(&all);
        assert_eq!((&report["added"], &report["bad"]), (&json!(2), &json!(2)));
        assert!(!report.to_string().contains("SyTest"));
    }

    #[test]
    fn pages_of_other_sites_are_told_apart() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| {
                (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
            });
            pairs.collect::<http::HeaderMap>()
        };
        let host = ("host", "pool.example:8080");
        for (pairs, expected) in [
            (vec![host], false),
            (vec![host, ("sec-fetch-site", "same-origin")], false),
            (vec![host, ("sec-fetch-site", "cross-site")], true),
            (vec![host, ("sec-fetch-site", "same-site")], true),
            (vec![host, ("origin", "http://pool.example:8080")], false),
            (vec![host, ("origin", "https://evil.example")], true),
            (vec![host, ("origin", "null")], true),
            (vec![("origin", "https://pool.example:8080")], true),
        ] {
            assert_eq!(is_cross_site(&headers(&pairs)), expected, "{pairs:?}");
        }
    }
}
