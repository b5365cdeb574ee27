//! cachedContents of projects.

use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    call::{Call, Reply, field},
    generate,
    problem::Problem,
    upload::time,
};

/// Caches live for an hour unless told otherwise.
const LIFE: SignedDuration = SignedDuration::from_hours(1);
/// Smaller ones are refused.
const LEAST_TOKENS: u64 = 1_024;

/// `cachedContents…`.
///
/// # Errors
/// Whatever Google refuses.
pub fn answer(call: &Call) -> Reply {
    let project = call.key.project;
    let now = call.world.now_ms();
    match (&call.method, call.path.slices().as_slice()) {
        (&Method::POST, ["cachedContents"]) => create(call),
        (&Method::GET, ["cachedContents"]) => {
            let page = call.path.page(50);
            Ok(Answer::json(&call.world.state().shelf.page("cachedContents", project, &page, now)))
        }
        (&Method::GET, ["cachedContents", id]) => {
            let state = call.world.state();
            let item = state.shelf.owned(&format!("cachedContents/{id}"), project);
            item.map(|item| Answer::json(&item.value)).ok_or_else(missing)
        }
        (&Method::PATCH, ["cachedContents", id]) => update(call, id),
        (&Method::DELETE, ["cachedContents", id]) => {
            let gone = call.world.state().shelf.remove(&format!("cachedContents/{id}"), project);
            gone.map(|_| Answer::json(&json!({}))).ok_or_else(missing)
        }
        _ => Err(Problem::nothing_here()),
    }
}

fn missing() -> Problem {
    Problem::new(403, "CachedContent not found (or permission denied)")
}

fn expiry(call: &Call, body: &Value) -> Value {
    if let Some(time) = field(body, "expireTime", "expire_time").as_str() {
        return json!(time);
    }
    let wanted = body["ttl"].as_str().and_then(|ttl| ttl.strip_suffix('s')?.parse::<f64>().ok());
    let life = wanted.map_or(LIFE, SignedDuration::from_secs_f64);
    let now = Timestamp::from_millisecond(call.world.now_ms()).unwrap_or_default();
    json!(now.saturating_add(life).unwrap_or(now).to_string())
}

fn create(call: &Call) -> Reply {
    let mut body = call.json()?;
    let name = body["model"].as_str().unwrap_or_default();
    let name = name.strip_prefix("models/").unwrap_or(name).to_owned();
    let model = call.model(&name, "createCachedContent")?;
    if body["contents"].is_null() {
        body["contents"] = json!([]);
    }
    let tokens = generate::read(call, &model, &body)?.prompt_tokens;
    if tokens < LEAST_TOKENS {
        return Err(Problem::new(
            400,
            format!(
                "Cached content is too small. total_token_count={tokens}, \
                 min_total_token_count={LEAST_TOKENS}"
            ),
        ));
    }
    let now = time(call.world.now_ms());
    let made = json!({
        "name": format!("cachedContents/{}", call.world.id(36)),
        "model": format!("models/{name}"),
        "displayName": field(&body, "displayName", "display_name").as_str().unwrap_or_default(),
        "createTime": now,
        "updateTime": now,
        "expireTime": expiry(call, &body),
        "usageMetadata": {"totalTokenCount": tokens},
    });
    call.world.state().shelf.put_json(call.key.project, &made);
    Ok(Answer::json(&made))
}

fn update(call: &Call, id: &str) -> Reply {
    let body = call.json()?;
    let (expires, now) = (expiry(call, &body), time(call.world.now_ms()));
    let mut state = call.world.state();
    let item = state.shelf.owned_mut(&format!("cachedContents/{id}"), call.key.project);
    let item = item.ok_or_else(missing)?;
    item.value["expireTime"] = expires;
    item.value["updateTime"] = json!(now);
    Ok(Answer::json(&item.value))
}
