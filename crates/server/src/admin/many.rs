//! The same done to many keys.

use potluck_core::KeyId;
use potluck_edition::admin::change::{Act, Changed};
use potluck_gemini::answer::{Problem, Reason};
use serde_json::json;

use crate::app::App;
use crate::{Reply, local};

/// Does it to each in turn; one that is unknown stops none of the others.
pub async fn change(app: &App, act: Act, ids: &[Option<KeyId>]) -> Result<Reply, Problem> {
    let mut changed = Changed { done: 0, unknown: 0 };
    for id in ids {
        match done(app, act, *id).await {
            Ok(()) => changed.done += 1,
            Err(problem) if problem.reason == Reason::UnknownKey => changed.unknown += 1,
            Err(problem) => return Err(problem),
        }
    }
    Ok(local::json(&json!(changed)))
}

async fn done(app: &App, act: Act, id: Option<KeyId>) -> Result<(), Problem> {
    let id = id.ok_or_else(|| Problem::new(Reason::UnknownKey))?;
    match act {
        Act::Disable => super::set(app, id, true).await,
        Act::Enable => super::set(app, id, false).await,
        Act::Erase => super::forget(app, id).await.map(drop),
    }
}
