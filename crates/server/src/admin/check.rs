//! A key that Google is asked about because an operator wants to know.

use potluck_core::{KeyId, Verdict, judge_probe};
use potluck_edition::admin::checking::{Checked, Said};
use potluck_gemini::ApiKey;
use potluck_gemini::answer::{Problem, Reason};
use serde_json::json;

use crate::app::Hand;
use crate::lent::Lent;
use crate::probe::{self, outcome};
use crate::{Reply, local};

/// Asks Google about a key of the pool, and tells the pool.
pub async fn check(hand: &Hand, id: KeyId) -> Result<Reply, Problem> {
    let app = &hand.app;
    let unknown = || Problem::new(Reason::UnknownKey);
    let (slot, secret) = app.pools.of(id).secret(id).ok_or_else(unknown)?;
    let answer = probe::ask(hand, &secret).await;
    let (mut pool, now) = (app.pools.of(id), app.clock.now());
    let said = Said::of(pool.checked(slot, outcome(&answer), now));
    let key = pool.me(id, now).ok_or_else(unknown)?;
    Ok(local::json(&json!(Checked::of(said, &key))))
}

/// What Google says of a key that the pool does not know.
pub async fn of_stranger(hand: &Hand, key: &ApiKey) -> Verdict {
    judge_probe(outcome(&probe::ask(hand, &Lent::of(key)).await))
}
