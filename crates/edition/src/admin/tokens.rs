//! Access tokens, as operators make, see and change them.
//!
//! Rule: the token itself is told once, by the answer that makes it.

use potluck_core::tokens::{Terms, TermsPatch, TokenRecord};
use potluck_core::{TokenId, Wall};
use potluck_gemini::answer::{Problem, Reason};
use potluck_gemini::redact;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{bad, object};
use crate::me::{present, time};

/// What a name looks like: no control character, and something that is not a space.
pub(super) const ONE_LINE: &str = r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$";
/// What a model's name looks like.
const MODEL: &str = r"^(models/)?[A-Za-z0-9._-]{1,96}$";
/// Sixty-four model names are below this.
pub const MAX: usize = 16 << 10;

/// What a new token is to be; where nothing is said, there is no limit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewToken")]
pub struct Make {
    /// What people call it: one line of at most 100 characters, in any script.
    #[schemars(length(max = 100), regex(pattern = ONE_LINE))]
    name: String,
    /// When it expires, as RFC 3339 has it.
    #[schemars(extend("format" = "date-time"))]
    expires: Option<String>,
    /// Requests in any sixty seconds.
    #[schemars(range(min = 1, max = u32::MAX))]
    requests_per_minute: Option<u32>,
    /// Requests a day, Google's day.
    #[schemars(range(min = 1, max = u32::MAX))]
    requests_per_day: Option<u32>,
    /// Tokens of text in any sixty seconds.
    #[schemars(range(min = 1, max = u32::MAX))]
    tokens_per_minute: Option<u32>,
    /// Tokens of text a day, Google's day.
    #[schemars(range(min = 1, max = u32::MAX))]
    tokens_per_day: Option<u32>,
    /// The only models it is for, at most 64.
    #[schemars(length(max = 64), inner(regex(pattern = MODEL)))]
    models: Option<Vec<String>>,
}

impl Make {
    /// Reads it.
    pub fn read(text: &[u8]) -> Result<Terms, Problem> {
        let make: Make = object(text).map_err(|error| unreadable(&error))?;
        let patch = TermsPatch {
            name: Some(make.name),
            expires: Some(make.expires.as_deref().map(moment).transpose()?),
            requests_per_minute: Some(make.requests_per_minute),
            requests_per_day: Some(make.requests_per_day),
            tokens_per_minute: Some(make.tokens_per_minute),
            tokens_per_day: Some(make.tokens_per_day),
            models: Some(make.models),
        };
        let mut terms = Terms::default();
        patch_without_secrets(&patch)?;
        patch.apply(&mut terms).map_err(|why| bad(&why.to_string()))?;
        Ok(terms)
    }
}

/// What is to become of a token: what is absent stays as it is, `null` lifts a limit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TokenChange")]
pub struct Change {
    /// What people call it: one line of at most 100 characters, in any script.
    #[schemars(length(max = 100), regex(pattern = ONE_LINE))]
    name: Option<String>,
    /// See `NewToken`.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    expires: Option<Option<String>>,
    /// See `NewToken`.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<u32>", range(min = 1, max = u32::MAX))]
    requests_per_minute: Option<Option<u32>>,
    /// See `NewToken`.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<u32>", range(min = 1, max = u32::MAX))]
    requests_per_day: Option<Option<u32>>,
    /// See `NewToken`.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<u32>", range(min = 1, max = u32::MAX))]
    tokens_per_minute: Option<Option<u32>>,
    /// See `NewToken`.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<u32>", range(min = 1, max = u32::MAX))]
    tokens_per_day: Option<Option<u32>>,
    /// See `NewToken`.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<Vec<String>>", length(max = 64), inner(regex(pattern = MODEL)))]
    models: Option<Option<Vec<String>>>,
}

impl Change {
    /// Reads it.
    pub fn read(text: &[u8]) -> Result<TermsPatch, Problem> {
        let change: Change = object(text).map_err(|error| unreadable(&error))?;
        let expires = change.expires.map(|at| at.as_deref().map(moment).transpose());
        let patch = TermsPatch {
            name: change.name,
            expires: expires.transpose()?,
            requests_per_minute: change.requests_per_minute,
            requests_per_day: change.requests_per_day,
            tokens_per_minute: change.tokens_per_minute,
            tokens_per_day: change.tokens_per_day,
            models: change.models,
        };
        patch_without_secrets(&patch)?;
        Ok(patch)
    }
}

/// All tokens.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(rename = "Tokens")]
pub struct All {
    /// In the order in which they were made.
    tokens: Vec<View>,
}

impl All {
    /// These, as they are now.
    pub fn of(tokens: &[&TokenRecord], now: Wall) -> All {
        All { tokens: tokens.iter().map(|record| View::of(record, now)).collect() }
    }
}

/// A token that was just made.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(rename = "MadeToken")]
pub struct Made {
    /// The token itself: it is told here and never again.
    token: String,
    /// What it is.
    about: View,
}

impl Made {
    /// That one.
    pub fn of(token: &str, record: &TokenRecord, now: Wall) -> Made {
        Made { token: token.to_owned(), about: View::of(record, now) }
    }
}

/// A token as operators see it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(rename = "Token")]
pub struct View {
    id: String,
    name: String,
    /// `good` or `expired`.
    state: &'static str,
    made: String,
    expires: Option<String>,
    requests_per_minute: Option<u32>,
    requests_per_day: Option<u32>,
    tokens_per_minute: Option<u32>,
    tokens_per_day: Option<u32>,
    models: Option<Vec<String>>,
    /// What it used on the present day.
    today: Amount,
    /// What it used in all.
    total: Amount,
    /// Its last request.
    used: Option<String>,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(rename = "TokenUse")]
struct Amount {
    requests: u64,
    tokens: u64,
}

impl View {
    /// That one, as it is now.
    pub fn of(record: &TokenRecord, now: Wall) -> View {
        let TokenRecord { terms, used, .. } = record;
        let over = terms.expires.is_some_and(|expires| expires <= now);
        let models = terms.models.as_ref();
        let today = Amount { requests: used.requests_today, tokens: used.tokens_today };
        View {
            id: record.id.to_string(),
            name: terms.name.to_string(),
            state: if over { "expired" } else { "good" },
            made: time(record.made),
            expires: terms.expires.map(time),
            requests_per_minute: terms.requests_per_minute,
            requests_per_day: terms.requests_per_day,
            tokens_per_minute: terms.tokens_per_minute,
            tokens_per_day: terms.tokens_per_day,
            models: models.map(|named| named.iter().map(|name| name.to_string()).collect()),
            today: if used.day_ends > now { today } else { Amount::default() },
            total: Amount { requests: used.requests, tokens: used.tokens },
            used: (used.last.0 > 0).then(|| time(used.last)),
        }
    }
}

/// Reads the id of a token.
pub(super) fn id(text: &str) -> Result<TokenId, Problem> {
    TokenId::parse(text).ok_or_else(|| Problem::new(Reason::UnknownId))
}

/// Reads a moment as people and programs write it.
pub(super) fn moment(text: &str) -> Result<Wall, Problem> {
    let read = text.parse::<jiff::Timestamp>();
    let at = read.map_err(|_| bad("a moment is written as in 2027-01-31T12:00:00Z"))?;
    Ok(Wall(at.as_millisecond()))
}

/// What is wrong, without the words that are: they may hold a secret.
pub(super) fn unreadable(error: &serde_json::Error) -> Problem {
    bad(&redact::redact_text(&error.to_string(), &[]))
}

/// Names are stored and shown in the clear.
pub(super) fn without_secrets(text: &str) -> Result<(), Problem> {
    match redact::holds_secret(text) {
        false => Ok(()),
        true => Err(bad("a key or a token stands where people are to read a name")),
    }
}

fn patch_without_secrets(patch: &TermsPatch) -> Result<(), Problem> {
    let models = patch.models.iter().flatten().flatten();
    patch.name.iter().chain(models).try_for_each(|text| without_secrets(text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_change_tells_absent_from_null() {
        let patch = Change::read(br#"{"expires": null, "tokens_per_day": 5}"#).unwrap();
        let expected =
            TermsPatch { expires: Some(None), tokens_per_day: Some(Some(5)), ..Default::default() };
        assert_eq!(patch, expected);
        assert!(Change::read(b"[null, null]").is_err(), "a list is no object");
        let patch = Change::read(br#"{"expires": "2027-01-31T12:00:00Z"}"#).unwrap();
        assert_eq!(patch.expires, Some(Some(Wall(1_801_396_800_000))));
    }

    #[test]
    fn what_cannot_be_a_token_is_refused_and_never_echoed() {
        for wrong in [
            "",
            "{}",
            r#"["x", null, null, null, null, null, null]"#,
            r#"{"name": ""}"#,
            r#"{"name": "x", "requests_per_day": 0}"#,
            r#"{"name": "x", "requests_per_day": -1}"#,
            r#"{"name": "x", "expires": "tomorrow"}"#,
            r#"{"name": "x", "models": ["no model"]}"#,
            r#"{"name": "x", "limit": 4}"#,
            r#"{"name": "AIzaSyTestTestTestTestTestTestTestTest12"}"#,
            r#"{"name": "x", "AIzaSyTestTestTestTestTestTestTestTest12": 1}"#,
        ] {
            let problem = Make::read(wrong.as_bytes()).unwrap_err();
            assert_eq!(problem.code, 400, "{wrong}");
            assert!(!problem.message.contains("SyTest"), "{}", problem.message);
        }
        assert_eq!(&*Make::read(br#"{"name": " <i>\u5b66</i> "}"#).unwrap().name, "<i>学</i>");
    }
}
