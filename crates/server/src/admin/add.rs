//! Keys that an operator adds.

use std::collections::HashMap;

use futures_util::{StreamExt as _, stream};
use potluck_core::KeyId;
use potluck_edition::admin::adding::{self, Became, Line, Report};
use potluck_edition::admin::checking::Said;
use potluck_gemini::ApiKey;
use potluck_gemini::answer::{Problem, Reason};
use potluck_store::{Answer, Inserted, KeyRow};
use serde_json::json;

use super::check;
use crate::app::{App, Hand};
use crate::erasures::Moment;
use crate::join::{Seated, seat};
use crate::{Reply, clock, local};

/// Adds the keys of a text, and tells what became of each line.
pub async fn add(hand: &Hand, text: &[u8], check: bool) -> Result<Reply, Problem> {
    let lines = if check { adding::few_lines(text)? } else { adding::lines(text)? };
    let turned_away = if check { ask_all(hand, &lines).await } else { HashMap::new() };
    let app = hand.app.clone();
    // By itself: who hangs up half way must not leave keys on the disk that the pool does not know.
    let added = tokio::spawn(async move { add_all(&app, &lines, &turned_away).await }).await;
    let told = added.map_err(|_| Problem::new(Reason::Internal))?;
    Ok(local::json(&json!(Report::of(&told))))
}

/// Asks Google about each key that is new here: the numbers of the lines that are not to be added.
async fn ask_all(hand: &Hand, lines: &[Line]) -> TurnedAway {
    let mut asked = Vec::new();
    for line in lines {
        if let Ok(key) = &line.key
            && is_new(&hand.app, key)
        {
            asked.push(turned_away(hand.clone(), line.number, key.clone()));
        }
    }
    let answers: Vec<_> = stream::iter(asked).buffer_unordered(CHECKS).collect().await;
    answers.into_iter().flatten().collect()
}

async fn turned_away(hand: Hand, number: usize, key: ApiKey) -> Option<(usize, Became)> {
    let said = Said::of(check::of_stranger(&hand, &key).await);
    Option::<Became>::from(said).map(|became| (number, became))
}

fn is_new(app: &App, key: &ApiKey) -> bool {
    let id = app.key_id(key);
    let pool = app.pools.of(id);
    !pool.knows(id) && !pool.is_withdrawn(app.tombstone(key))
}

/// By the numbers of their lines.
type TurnedAway = HashMap<usize, Became>;

async fn add_all(app: &App, lines: &[Line], turned_away: &TurnedAway) -> Vec<(usize, Became)> {
    let mut told = Vec::with_capacity(lines.len());
    // Together as many as the store queues without refusing any.
    for some in lines.chunks(AT_ONCE) {
        let asked: Vec<_> = some.iter().map(|line| begin(app, line, turned_away)).collect();
        for (line, asked) in some.iter().zip(asked) {
            told.push((line.number, ended(app, asked).await));
        }
    }
    told
}

/// Keys whose storing is under way at once: some groups of the store's, so that it never waits for
/// us, and an eighth of what it queues before it refuses.
const AT_ONCE: usize = 2048;
/// Keys about which Google is asked at once: a hundred a second, and no flood from one address.
const CHECKS: usize = 16;

/// A line on its way to the disk.
enum Adding<'l> {
    Not(Became),
    Key(&'l ApiKey, KeyId, Moment, Answer<Inserted>),
}

fn begin<'l>(app: &App, line: &'l Line, turned_away: &TurnedAway) -> Adding<'l> {
    let key = match &line.key {
        Ok(key) => key,
        Err(why) => return Adding::Not(Became::Bad(why)),
    };
    if let Some(became) = turned_away.get(&line.number) {
        return Adding::Not(*became);
    }
    let (id, now) = (app.key_id(key), clock::wall().0);
    let Ok(sealed) = app.vault.seal(&id.0, key) else { return Adding::Not(Became::Failed) };
    let row = KeyRow::new(id.0, sealed, now);
    let _ordering = app.pools.of(id);
    let written = app.store.insert(row, app.tombstone(key).0);
    Adding::Key(key, id, app.erasures.now(), written)
}

async fn ended(app: &App, adding: Adding<'_>) -> Became {
    let (key, id, since, written) = match adding {
        Adding::Not(became) => return became,
        Adding::Key(key, id, since, written) => (key, id, since, written),
    };
    match written.await {
        Ok(Inserted::Stored) => {}
        // It serves, or is about to, or was left out for want of room: it is as its row says.
        Ok(Inserted::Already) => return Became::Known(id),
        Ok(Inserted::Withdrawn) => return Became::Withdrawn,
        Err(error) => {
            local::store_trouble(app, &error);
            return Became::Failed;
        }
    }
    let became = match seat(app, key, since) {
        Seated::Now => Became::Added(id),
        Seated::Already => Became::Known(id),
        Seated::Gone => Became::Withdrawn,
        Seated::Full => Became::Full,
    };
    if became == Became::Full && app.store.erase(id.0).await.is_err() {
        return Became::Failed;
    }
    became
}
