//! Interactions: kept by the server, refused with codes that are words.

use http::Method;
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    call::{Call, Reply},
    generate,
    mind::{self, Ask, Draft},
    problem::{Family, Problem},
    upload::time,
};

/// `interactions…`.
///
/// # Errors
/// Whatever Google refuses.
pub fn answer(call: &Call) -> Reply {
    let project = call.key.project;
    match (&call.method, call.path.slices().as_slice()) {
        (&Method::POST, ["interactions"]) => create(call),
        (&Method::GET, ["interactions", id]) => {
            let state = call.world.state();
            let item = state.shelf.owned(&format!("interactions/{id}"), project);
            item.map(|item| Answer::json(&item.value)).ok_or_else(missing)
        }
        (&Method::DELETE, ["interactions", id]) => {
            let gone = call.world.state().shelf.remove(&format!("interactions/{id}"), project);
            gone.map(|_| Answer::json(&json!({}))).ok_or_else(missing)
        }
        (&Method::POST, ["interactions", id, "cancel"]) => {
            let mut state = call.world.state();
            let item = state.shelf.owned_mut(&format!("interactions/{id}"), project);
            let item = item.ok_or_else(missing)?;
            item.value["status"] = json!("cancelled");
            Ok(Answer::json(&item.value))
        }
        _ => Err(Problem::nothing_here()),
    }
}

fn missing() -> Problem {
    refuse(404, "not_found", "Result not found.")
}

fn refuse(status: u16, code: &str, message: &str) -> Problem {
    Problem::json(status, json!({"error": {"code": code, "message": message}}))
}

fn create(call: &Call) -> Reply {
    let body = call.json()?;
    let name = body["model"].as_str().unwrap_or_default().trim_start_matches("models/");
    let Ok(model) = call.model(name, "generateContent") else {
        return Err(refuse(404, "model_not_found", &format!("Model {name} not found.")));
    };
    if let Some(id) = body["previous_interaction_id"].as_str() {
        let name = format!("interactions/{id}");
        if call.world.state().shelf.owned(&name, call.key.project).is_none() {
            return Err(missing());
        }
    }
    let mut ask = Ask { model: name.to_owned(), ..Ask::default() };
    read(call, &body["input"], &mut ask)?;
    ask.prompt_tokens = mind::tokens(&ask.prompt).max(1);
    call.spend(&model, Family::Generate, ask.prompt_tokens)?;
    let draft = mind::answer(&ask);
    let id = call.world.id(40);
    let shown = shown(call, &ask, &draft, &id);
    if body["store"] != false {
        let mut stored = shown.clone();
        stored["name"] = json!(format!("interactions/{id}"));
        call.world.state().shelf.put_json(call.key.project, &stored);
    }
    if body["stream"] == true {
        return Ok(Answer::pieces("text/event-stream", events(&shown, &draft)));
    }
    Ok(Answer::json(&shown))
}

/// Text stands in a string, in contents, or in contents of turns.
fn read(call: &Call, input: &Value, ask: &mut Ask) -> Result<(), Problem> {
    match input {
        Value::String(text) => ask.prompt.push_str(text),
        Value::Array(all) => {
            for one in all {
                read(call, one, ask)?;
            }
        }
        Value::Object(fields) => {
            if let Some(Value::String(text)) = fields.get("text") {
                ask.prompt.push_str(text);
            }
            if let Some((_, id)) =
                fields.get("uri").and_then(|uri| uri.as_str()?.split_once("/files/"))
            {
                let name = format!("files/{id}");
                if call.world.state().shelf.owned(&name, call.key.project).is_none() {
                    return Err(refuse(
                        403,
                        "permission_denied",
                        "The caller does not have permission",
                    ));
                }
            }
            if let Some(content) = fields.get("content") {
                read(call, content, ask)?;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

fn shown(call: &Call, ask: &Ask, draft: &Draft, id: &str) -> Value {
    let now = time(call.world.now_ms());
    json!({
        "id": id, "object": "interaction", "status": "completed", "model": ask.model, "role": "model",
        "created": now, "updated": now,
        "steps": [{"type": "model_output", "content": [{"type": "text", "text": draft.text}]}],
        "outputs": [{"type": "text", "text": draft.text}],
        "usage": {
            "total_input_tokens": ask.prompt_tokens, "total_output_tokens": draft.output_tokens,
            "total_tokens": ask.prompt_tokens + draft.output_tokens,
        },
    })
}

fn events(shown: &Value, draft: &Draft) -> Vec<bytes::Bytes> {
    let mut begun = shown.clone();
    begun["status"] = json!("in_progress");
    for late in ["steps", "outputs", "usage"] {
        begun[late] = Value::Null;
    }
    let step = json!({"type": "model_output", "content": []});
    let mut all = vec![
        json!({"event_type": "interaction.created", "interaction": begun}),
        json!({"event_type": "step.start", "index": 0, "step": step}),
    ];
    for piece in mind::pieces(&draft.text) {
        let delta = json!({"type": "text", "text": piece});
        all.push(json!({"event_type": "step.delta", "index": 0, "delta": delta}));
    }
    all.push(json!({"event_type": "step.stop", "index": 0}));
    all.push(json!({"event_type": "interaction.completed", "interaction": shown}));
    let number = |(number, mut event): (usize, Value)| {
        event["event_id"] = json!(format!("event-{number}"));
        generate::sse(&event)
    };
    all.into_iter().enumerate().map(number).collect()
}
