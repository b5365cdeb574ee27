//! Steering over HTTP, under `/sim/`, so that tests in any language and process can.

use std::{io, sync::Arc, time::Duration};

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    answer::{Answer, Steps, sending},
    catalog::Model,
    key::{Key, KeyState},
    path::Path,
    problem::Family,
    quota::Limits,
    rule::Rule,
    samples,
    world::World,
};

/// What there is, for whoever asks `/sim/`.
const MANUAL: &str = "\
gemini-sim, control:
  GET    /sim/keys                        keys and their states
  POST   /sim/keys    {\"key\",\"project\",\"tier\":\"free|paid|unmetered\",\"state\",\"new_user\"} or a list
  PATCH  /sim/keys    {\"key\",\"state\"}      change a key's state, live
  DELETE /sim/keys?key=K                  forget a key
  GET    /sim/models                      models with their limits
  POST   /sim/models  {\"name\",\"free\":{\"rpm\",\"tpm\",\"rpd\",\"tpd\"},\"paid\":{..},..}
  GET    /sim/quotas                      what is spent
  POST   /sim/quotas  {\"project\",\"model\",\"family\":\"generate|count_tokens|embed|predict|live\",\"limits\":{..}}
  DELETE /sim/quotas                      refill all
  GET    /sim/rules                       scripts and faults in force
  POST   /sim/rules   {\"when\":{\"key\",\"model\",\"path\",\"method\"},\"skip\",\"times\",\"do\":..} -> {\"id\"}
         \"do\": {\"sample\":NAME} {\"answer\":{\"status\",\"headers\":[[N,V]],\"body\"}}
               {\"slow_head\":{\"ms\"}} \"stall_head\" {\"cut_before_head\":{\"rst\"}} {\"slow_body\":{\"ms\"}}
               {\"stall_body\":{\"after\"}} {\"cut_body\":{\"after\",\"rst\"}} {\"end_body\":{\"after\"}}
               {\"mid_stream\":{\"after\",\"sample\",\"form\":\"bare|data|array\"}}
               \"both_lengths\" \"length_too_long\" \"length_too_short\" \"strange_encoding\"
               {\"header_bomb\":{\"kb\"}} {\"informational\":{\"count\"}} \"bad_gzip\" \"silent_close\" {\"redirect\":{\"to\"}}
               {\"close_live\":{\"code\",\"reason\"}} {\"close_live_turn\":{\"code\",\"reason\"}}
  DELETE /sim/rules[?id=N]                remove one, or all
  GET    /sim/samples[?name=N]            recorded errors
  GET    /sim/log[?since=ID][&key=K]      what arrived
  DELETE /sim/log
  GET    /sim/counters
  POST   /sim/clock   {\"advance_ms\"}      let time pass
  POST   /sim/reset                       all as at the start
";

/// Answers a control request.
///
/// # Errors
/// When the request does not arrive whole.
pub async fn answer(
    world: &Arc<World>,
    mut request: Request<Incoming>,
) -> io::Result<Response<Steps>> {
    let body = request.body_mut().collect().await.map_err(io::Error::other)?.to_bytes();
    // The version's place in the path is taken by "sim", so that the same parser serves.
    let query = Path::parse("/v1/", request.uri().query());
    let name = request.uri().path().trim_start_matches("/sim/").trim_matches('/');
    let reply = reply(world, request.method(), name, &query, &body);
    let answer = reply.unwrap_or_else(|why| {
        let text = json!({"error": why, "help": "GET /sim/"});
        Answer { status: StatusCode::BAD_REQUEST, ..Answer::json(&text) }
    });
    let Answer { status, headers, content } = answer;
    let pieces = Answer { status, headers: http::HeaderMap::new(), content }.into_pieces();
    let mut response = Response::new(Steps::new(sending(pieces, Duration::ZERO), None, None));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

fn reply(
    world: &World,
    method: &Method,
    name: &str,
    query: &Path,
    body: &[u8],
) -> Result<Answer, String> {
    let done = || Ok(Answer::json(&json!({"ok": true})));
    match (method.as_str(), name) {
        ("GET", "") => Ok(Answer::new(StatusCode::OK, "text/plain", MANUAL)),
        ("POST", "reset") => {
            world.reset();
            done()
        }
        ("POST", "clock") => {
            world.advance(Duration::from_millis(read::<Clock>(body)?.advance_ms));
            Ok(Answer::json(&json!({"now_ms": world.now_ms()})))
        }
        ("GET", "counters") => shown(world.state().log.counters()),
        ("GET", "log") => log(world, query),
        ("DELETE", "log") => {
            world.state().log.clear();
            done()
        }
        ("GET", "samples") => Ok(list_samples(query)),
        (_, "keys") => keys(world, method, query, body),
        (_, "models") => models(world, method, body),
        (_, "quotas") => quotas(world, method, body),
        (_, "rules") => rules(world, method, query, body),
        _ => Err(format!("no {method} /sim/{name}")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clock {
    advance_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StateChange {
    key: String,
    state: KeyState,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitChange {
    project: u64,
    model: String,
    #[serde(default)]
    family: Family,
    limits: Limits,
}

/// One or several. Several are tried first, as anything may be one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Some1<T> {
    Many(Vec<T>),
    One(T),
}

impl<T> Some1<T> {
    fn all(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

/// Lists keep the reason why an entry cannot be read, which an untagged enum hides.
fn read_all<T: DeserializeOwned>(body: &[u8]) -> Result<Vec<T>, String> {
    match serde_json::from_slice::<Some1<Value>>(body) {
        Ok(values) => {
            let read = |value| serde_json::from_value(value).map_err(|error| error.to_string());
            values.all().into_iter().map(read).collect()
        }
        Err(error) => Err(error.to_string()),
    }
}

fn shown(value: &impl serde::Serialize) -> Result<Answer, String> {
    serde_json::to_value(value).map(|value| Answer::json(&value)).map_err(|e| e.to_string())
}

fn keys(world: &World, method: &Method, query: &Path, body: &[u8]) -> Result<Answer, String> {
    let mut state = world.state();
    match *method {
        Method::GET => return shown(&state.keys.values().collect::<Vec<_>>()),
        Method::POST => {
            for key in read_all::<Key>(body)? {
                state.keys.insert(key.key.clone(), key);
            }
        }
        Method::PATCH => {
            let change: StateChange = read(body)?;
            let key = state.keys.get_mut(&change.key).ok_or("no such key")?;
            key.state = change.state;
        }
        Method::DELETE => {
            let key = query.param("key").ok_or("?key= is missing")?;
            state.keys.remove(key).ok_or("no such key")?;
        }
        _ => return Err("keys: GET, POST, PATCH or DELETE".to_owned()),
    }
    Ok(Answer::json(&json!({"keys": state.keys.len()})))
}

fn models(world: &World, method: &Method, body: &[u8]) -> Result<Answer, String> {
    let mut state = world.state();
    match *method {
        Method::GET => shown(&state.models),
        Method::POST => {
            for model in read_all::<Model>(body)? {
                state.models.retain(|known| known.name != model.name);
                state.models.push(model);
            }
            Ok(Answer::json(&json!({"models": state.models.len()})))
        }
        _ => Err("models: GET or POST".to_owned()),
    }
}

fn quotas(world: &World, method: &Method, body: &[u8]) -> Result<Answer, String> {
    let mut state = world.state();
    match *method {
        Method::GET => {}
        Method::POST => {
            for LimitChange { project, model, family, limits } in read_all(body)? {
                state.set_limits(project, &model, family, limits);
            }
        }
        Method::DELETE => state.refill(),
        _ => return Err("quotas: GET, POST or DELETE".to_owned()),
    }
    Ok(Answer::json(&Value::Array(state.spent(world.now_ms()))))
}

fn rules(world: &World, method: &Method, query: &Path, body: &[u8]) -> Result<Answer, String> {
    let mut state = world.state();
    match *method {
        Method::GET => {
            let all = state.rules.list().iter();
            let all: Vec<Value> = all.map(|(id, rule)| json!({"id": id, "rule": rule})).collect();
            Ok(Answer::json(&Value::Array(all)))
        }
        Method::POST => {
            let rules = read_all::<Rule>(body)?;
            let ids: Vec<u64> = rules.into_iter().map(|rule| state.rules.add(rule)).collect();
            Ok(Answer::json(&json!({"id": ids.first(), "ids": ids})))
        }
        Method::DELETE => {
            match query.param("id") {
                None => state.rules.clear(),
                Some(id) => {
                    let id = id.parse().map_err(|_| "?id= is no number")?;
                    state.rules.remove(id);
                }
            }
            Ok(Answer::json(&json!({"rules": state.rules.list().len()})))
        }
        _ => Err("rules: GET, POST or DELETE".to_owned()),
    }
}

fn log(world: &World, query: &Path) -> Result<Answer, String> {
    let since = query.param("since").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut arrivals = world.state().log.since(since);
    if let Some(key) = query.param("key") {
        arrivals.retain(|arrival| arrival.key.as_deref() == Some(key));
    }
    shown(&arrivals)
}

fn list_samples(query: &Path) -> Answer {
    let all = samples::all()
        .iter()
        .filter(|sample| query.param("name").is_none_or(|name| name == sample.name));
    let all = all.map(|sample| {
        json!({"name": sample.name, "status": sample.http_status, "scope": sample.scope,
               "body": sample.body})
    });
    Answer::json(&all.collect())
}
