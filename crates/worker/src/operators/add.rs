//! Keys that an operator adds.
//!
//! Rule: a key is unsealed in the isolate that it came to and nowhere else; what goes on is sealed.

use std::collections::{BTreeMap, HashMap};

use futures_util::{StreamExt as _, stream};
use potluck_core::{KeyId, judge_probe};
use potluck_edition::admin::adding::{self, Became, Line, Report};
use potluck_edition::admin::bad;
use potluck_edition::admin::checking::Said;
use potluck_gemini::ApiKey;
use potluck_gemini::answer::{Problem, Reason};
use serde_json::{Value, json};

use super::{Asked, Stop, read};
use crate::line::{AddedSaid, Asked as Question, BecameSaid};
use crate::{object, probe};

/// Keys added at once, as many as `potluck keys import` sends: some megabytes of an isolate's 128.
const MOST: usize = 5000;
/// Keys checked and added at once: each is two requests, and a Worker may send a thousand for one.
const MOST_CHECKED: usize = 400;
/// Keys about which Google is asked at once: as many as a Worker may have open.
const CHECKS: usize = 6;

const TOO_MANY: &str = "more than 5,000 keys at once, or 400 to be checked: send them in parts";

/// Adds the keys of a text, and tells what became of each line.
pub async fn add(asked: &Asked<'_>, check: bool) -> Result<Value, Stop> {
    let lines = adding::lines(&read(asked.incoming, adding::MAX_ADDED).await?)?;
    if lines.len() > if check { MOST_CHECKED } else { MOST } {
        return Err(bad(TOO_MANY).into());
    }
    let turned_away = if check { ask_all(asked, &lines).await } else { HashMap::new() };
    let (mut told, mut adding) = (Vec::with_capacity(lines.len()), Vec::new());
    for line in &lines {
        match (&line.key, turned_away.get(&line.number)) {
            (Err(why), _) => told.push((line.number, Became::Bad(why))),
            (Ok(_), Some(became)) => told.push((line.number, *became)),
            (Ok(key), None) => adding.push((line.number, key)),
        }
    }
    told.extend(add_all(asked, &adding).await?);
    told.sort_by_key(|(line, _)| *line);
    Ok(json!(Report::of(&told)))
}

/// Asks Google about each key that is new here: what becomes of those that are not to be added.
async fn ask_all(asked: &Asked<'_>, lines: &[Line]) -> HashMap<usize, Became> {
    let new = lines.iter().filter_map(|line| Some((line.number, line.key.as_ref().ok()?)));
    let answers = new.map(|(number, key)| async move {
        if is_remembered(asked, key).await {
            return None;
        }
        let outcome = probe::ask(&asked.hand.env, &asked.hand.fixed.settings.google, key).await;
        let said = Said::of(judge_probe(outcome.outcome()));
        Option::<Became>::from(said).map(|became| (number, became))
    });
    let answers: Vec<_> = stream::iter(answers).buffer_unordered(CHECKS).collect().await;
    answers.into_iter().flatten().collect()
}

async fn is_remembered(asked: &Asked<'_>, key: &ApiKey) -> bool {
    let (id, tombstone) =
        (asked.hand.fixed.vault.key_id(key), asked.hand.fixed.vault.tombstone(key));
    let part = asked.hand.fixed.settings.shard(&id);
    let heard = object::ask(asked.hand, part, Question::Remembers { id, tombstone }).await;
    heard.is_some_and(|heard| heard.known)
}

async fn add_all(
    asked: &Asked<'_>,
    keys: &[(usize, &ApiKey)],
) -> Result<Vec<(usize, Became)>, Stop> {
    let (settings, vault) = (&asked.hand.fixed.settings, &asked.hand.fixed.vault);
    let mut parts = BTreeMap::<u8, Vec<AddedSaid>>::new();
    for (line, key) in keys {
        let id = vault.key_id(key);
        let sealed = vault.seal(&id, key).map_err(|_| Problem::new(Reason::Internal))?;
        let (tombstone, sealed) = (vault.tombstone(key), sealed.as_bytes().to_vec());
        let row = AddedSaid { line: *line, id, tombstone, sealed };
        parts.entry(settings.shard(&id)).or_default().push(row);
    }
    let mut told = Vec::with_capacity(keys.len());
    for (part, rows) in parts {
        // What is wrong with one part takes nothing from what the others have done.
        let failed = || rows.iter().map(|row| (row.line, Became::Failed)).collect();
        told.extend(add_part(asked, part, &rows).await.unwrap_or_else(|_| failed()));
    }
    Ok(told)
}

async fn add_part(
    asked: &Asked<'_>,
    part: u8,
    rows: &[AddedSaid],
) -> Result<Vec<(usize, Became)>, Stop> {
    let body = json!(rows).to_string();
    let told = asked.hear(part, worker::Method::Post, "/keys", Some(body)).await?;
    let told: Vec<(usize, BecameSaid)> =
        serde_json::from_value(told).map_err(|_| Problem::new(Reason::Internal))?;
    let ids: HashMap<usize, KeyId> = rows.iter().map(|row| (row.line, KeyId(row.id))).collect();
    let became = |(line, said): (usize, BecameSaid)| Some((line, said.became(*ids.get(&line)?)));
    Ok(told.into_iter().filter_map(became).collect())
}
