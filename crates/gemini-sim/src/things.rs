//! What else belongs to projects, as far as SDKs look at it: batches, operations, tuned models,
//! file search stores, corpora, ephemeral tokens.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    call::{Call, Reply, not_yours},
    catalog::Model,
    generate, mind,
    problem::{Family, Problem},
    upload::{self, time},
};

/// The start of a video, as far as any player gets.
const VIDEO: &[u8] = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom";

/// `…:batchGenerateContent`, `…:asyncBatchEmbedContent`.
///
/// # Errors
/// Whatever Google refuses.
pub fn batch(call: &Call, name: &str) -> Reply {
    let model = call.model(name, "batchGenerateContent")?;
    let body = call.json()?;
    let input = &body["batch"]["inputConfig"];
    let input = if input.is_null() { &body["batch"]["input_config"] } else { input };
    if let Some(file) = input["fileName"].as_str().or_else(|| input["file_name"].as_str()) {
        let id = file.trim_start_matches("files/");
        if call.world.state().shelf.owned(file, call.key.project).is_none() {
            return Err(not_yours("File", id));
        }
    }
    let requests = input["requests"]["requests"].as_array().cloned().unwrap_or_default();
    let answers: Vec<Value> = requests.iter().map(|one| batch_answer(call, &model, one)).collect();
    let count = requests.len().to_string();
    let now = time(call.world.now_ms());
    let kind = "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch";
    let id = format!("batches/{}", call.world.id(32));
    let display = &body["batch"]["displayName"];
    let metadata = json!({
        "@type": kind, "name": id, "model": format!("models/{name}"),
        "displayName": display.as_str().unwrap_or_default(), "createTime": now, "updateTime": now,
        "endTime": now, "state": "BATCH_STATE_SUCCEEDED",
        "batchStats": {"requestCount": count, "successfulRequestCount": count},
        "output": {"inlinedResponses": {"inlinedResponses": answers}},
    });
    let response = json!({"inlinedResponses": {"inlinedResponses": answers}});
    let done = json!({"name": id, "metadata": metadata, "done": true, "response": response});
    call.world.state().shelf.put_json(call.key.project, &done);
    let mut begun = json!({"name": id, "metadata": metadata});
    begun["metadata"]["state"] = json!("BATCH_STATE_PENDING");
    Ok(Answer::json(&begun))
}

fn batch_answer(call: &Call, model: &Model, one: &Value) -> Value {
    let made = generate::read(call, model, &one["request"]).map(|ask| mind::answer(&ask));
    let answer = match made {
        Ok(draft) => json!({"candidates": [{"content": {"role": "model",
            "parts": [{"text": draft.text}]}, "finishReason": draft.finish, "index": 0}]}),
        Err(problem) => {
            return json!({"error": {"code": 3, "message": problem.message()}});
        }
    };
    json!({"response": answer, "metadata": one["metadata"]})
}

/// `…:predictLongRunning`: an operation, and in the end a video to download.
///
/// # Errors
/// Whatever Google refuses.
pub fn long_running(call: &Call, name: &str) -> Reply {
    let model = call.model(name, "predictLongRunning")?;
    call.spend(&model, Family::Predict, 0)?;
    let meta = json!({"mimeType": "video/mp4"});
    let length = VIDEO.len() as u64;
    let content = Bytes::from_static(VIDEO);
    let file = upload::file(&call.world, call.key.project, &meta, content, length);
    let file = file["name"].as_str().unwrap_or_default();
    let uri = format!("{}/v1beta/{file}:download?alt=media", call.base);
    let id = format!("models/{name}/operations/{}", call.world.id(12));
    let kind = "type.googleapis.com/google.ai.generativelanguage.v1beta.PredictLongRunningResponse";
    let done = json!({"name": id, "done": true, "response": {"@type": kind,
        "generateVideoResponse": {"generatedSamples": [{"video": {"uri": uri}}]}}});
    call.world.state().shelf.put_json(call.key.project, &done);
    Ok(Answer::json(&json!({ "name": id })))
}

/// `auth_tokens`: an ephemeral token for Live.
///
/// # Errors
/// Whatever Google refuses.
pub fn token(call: &Call) -> Reply {
    if call.path.version != "v1alpha" {
        return Err(Problem::nothing_here());
    }
    let made = json!({"name": format!("auth_tokens/{}", call.world.id(64))});
    let mut stored = made.clone();
    stored["uses"] = call.json()?.get("uses").cloned().unwrap_or(json!(1));
    call.world.state().shelf.put_json(call.key.project, &stored);
    Ok(Answer::json(&made))
}

/// Everything that is created, listed, shown and deleted in the same way.
///
/// # Errors
/// Whatever Google refuses.
pub fn answer(call: &Call) -> Reply {
    let project = call.key.project;
    let name = call.path.segments.join("/");
    let collection = call.path.segments.first().map(String::as_str).unwrap_or_default();
    let even = call.path.segments.len().is_multiple_of(2);
    match (&call.method, even, call.path.verb.as_deref()) {
        (&Method::GET, false, None) => Ok(list(call, &name)),
        (&Method::GET, true, None) => {
            let state = call.world.state();
            let item = state.shelf.owned(&name, project).map(|item| item.value.clone());
            item.map(|value| Answer::json(&value)).ok_or_else(|| missing(collection, &name))
        }
        (&Method::DELETE, true, None) => {
            let gone = call.world.state().shelf.remove(&name, project);
            gone.map(|_| Answer::json(&json!({}))).ok_or_else(|| missing(collection, &name))
        }
        (&Method::POST, false, None) if creatable(&name) => create(call, &name),
        (&Method::POST, true, Some(verb)) => {
            if call.world.state().shelf.owned(&name, project).is_none() {
                return Err(missing(collection, &name));
            }
            Ok(done(call, &name, verb))
        }
        _ => Err(Problem::nothing_here()),
    }
}

fn creatable(collection: &str) -> bool {
    let last = collection.rsplit('/').next();
    matches!(last, Some("fileSearchStores" | "tunedModels" | "corpora" | "documents" | "chunks"))
}

fn list(call: &Call, collection: &str) -> Answer {
    let page = call.path.page(10);
    let (project, now) = (call.key.project, call.world.now_ms());
    let mut listed = call.world.state().shelf.page(collection, project, &page, now);
    // Lists of batches are lists of operations.
    if let Some(batches) = listed.get_mut("batches").map(Value::take) {
        listed = json!({"operations": batches, "nextPageToken": listed["nextPageToken"]});
    }
    Answer::json(&listed)
}

fn create(call: &Call, collection: &str) -> Reply {
    let mut made = call.json()?;
    let now = time(call.world.now_ms());
    made["name"] = json!(format!("{collection}/{}", call.world.id(12)));
    made["createTime"] = json!(now);
    made["updateTime"] = json!(now);
    call.world.state().shelf.put_json(call.key.project, &made);
    Ok(Answer::json(&made))
}

fn done(call: &Call, name: &str, verb: &str) -> Answer {
    if matches!(verb, "cancel") {
        return Answer::json(&json!({}));
    }
    let operation = json!({"name": format!("{name}/operations/{}", call.world.id(12)),
                           "done": true, "response": {}});
    call.world.state().shelf.put_json(call.key.project, &operation);
    Answer::json(&operation)
}

fn missing(collection: &str, name: &str) -> Problem {
    match collection {
        "operations" | "batches" | "models" => {
            Problem::new(404, format!("Requested entity was not found: {name}"))
        }
        _ => Problem::new(403, "The caller does not have permission"),
    }
}
