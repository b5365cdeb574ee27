//! The OpenAI-compatible routes: other words, the same model, the same quotas.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    call::{Call, Reply, not_yours},
    catalog::Model,
    generate, mind,
    mind::{Ask, Draft, Tool},
    native,
    problem::{Family, Problem},
};

/// 2025-01-01, in seconds: when every model here was made.
const CREATED: i64 = 1_735_689_600;

/// Answers a compatible call.
///
/// # Errors
/// Whatever Google refuses.
pub fn answer(call: &Call) -> Reply {
    match (&call.method, call.path.slices().as_slice()) {
        (&Method::POST, ["chat", "completions"]) => chat(call),
        (&Method::POST, ["embeddings"]) => embeddings(call),
        (&Method::POST, ["images", "generations"]) => images(call),
        (&Method::GET, ["models"]) => Ok(models(call)),
        (&Method::GET, ["models", rest @ ..]) => model(call, &rest.join("/")),
        (&Method::GET, ["files"] | ["batches"]) => {
            Ok(Answer::json(&json!({"object": "list", "data": []})))
        }
        (_, ["files" | "batches", id, ..]) => Err(not_yours("File", id)),
        _ => Err(Problem::nothing_here()),
    }
}

fn named(name: &str) -> &str {
    name.strip_prefix("models/").unwrap_or(name)
}

fn chat(call: &Call) -> Reply {
    let body = call.json()?;
    let model = call.model(named(body["model"].as_str().unwrap_or_default()), "generateContent")?;
    let ask = read(call, &model, &body)?;
    call.spend(&model, Family::Generate, ask.prompt_tokens)?;
    let draft = mind::answer(&ask);
    let signature = generate::signs(&model, &draft).then(|| generate::sign(call));
    let made = Made {
        id: call.world.id(22),
        created: call.world.now_ms() / 1_000,
        ask: &ask,
        draft: &draft,
        signature,
    };
    if body["stream"] == true {
        let usage = body["stream_options"]["include_usage"] == true;
        return Ok(Answer::pieces("text/event-stream", made.events(usage)));
    }
    Ok(Answer::json(&made.whole()))
}

fn read(call: &Call, model: &Model, body: &Value) -> Result<Ask, Problem> {
    let messages = body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    if messages.is_empty() {
        let message = "* GenerateContentRequest.contents: contents is not specified\n";
        return Err(Problem::new(400, message));
    }
    let mut ask = Ask { model: model.name.clone(), ..Ask::default() };
    for message in messages {
        ask.prompt_tokens += mind::tokens(&content_text(&message["content"])).max(1);
        ask.prompt_tokens += image_count(&message["content"]) * mind::MEDIA_TOKENS;
        for tool_call in message["tool_calls"].as_array().into_iter().flatten() {
            let extra = &tool_call["extra_content"]["google"]["thought_signature"];
            if let Some(signature) = extra.as_str() {
                generate::check(call, signature)?;
            }
        }
    }
    if let Some(last) = messages.last() {
        let text = content_text(&last["content"]);
        if last["role"] == "tool" {
            let id = last["tool_call_id"].as_str().unwrap_or("tool");
            ask.results.push((id.to_owned(), json!(text)));
        } else {
            ask.prompt = text;
        }
    }
    for tool in body["tools"].as_array().into_iter().flatten() {
        ask.prompt_tokens += mind::tokens(&tool.to_string());
        ask.tools.push(Tool {
            name: tool["function"]["name"].as_str().unwrap_or_default().to_owned(),
            parameters: tool["function"]["parameters"].clone(),
        });
    }
    ask.must_call = body["tool_choice"] == "required" || body["tool_choice"].is_object();
    ask.json = body["response_format"]["type"] == "json_object";
    let schema = &body["response_format"]["json_schema"]["schema"];
    ask.schema = schema.is_object().then(|| schema.clone());
    let most = body["max_tokens"].as_u64();
    ask.max_tokens = most.or_else(|| body["max_completion_tokens"].as_u64());
    let cached = &body["extra_body"]["google"]["cached_content"];
    if let Some(name) = cached.as_str()
        && call.world.state().shelf.owned(name, call.key.project).is_none()
    {
        return Err(Problem::new(403, "CachedContent not found (or permission denied)"));
    }
    Ok(ask)
}

fn content_text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

fn image_count(content: &Value) -> u64 {
    let parts = content.as_array().into_iter().flatten();
    parts.filter(|part| part["type"] == "image_url" || part["type"] == "input_audio").count() as u64
}

struct Made<'a> {
    id: String,
    created: i64,
    ask: &'a Ask,
    draft: &'a Draft,
    signature: Option<String>,
}

impl Made<'_> {
    fn finish(&self) -> &'static str {
        match (self.draft.blocked, self.draft.finish) {
            (Some(_), _) | (_, "SAFETY" | "RECITATION") => "content_filter",
            (_, "MAX_TOKENS") => "length",
            _ if !self.draft.calls.is_empty() => "tool_calls",
            _ => "stop",
        }
    }

    fn tool_calls(&self) -> Value {
        let calls = self.draft.calls.iter().enumerate().map(|(index, (name, args))| {
            let mut call = json!({
                "index": index,
                "id": format!("function-call-{}{index}", self.created),
                "type": "function",
                "function": {"name": name, "arguments": args.to_string()},
            });
            if let Some(signature) = &self.signature {
                call["extra_content"] = json!({"google": {"thought_signature": signature}});
            }
            call
        });
        calls.collect()
    }

    fn usage(&self) -> Value {
        let (prompt, output) = (self.ask.prompt_tokens, self.draft.output_tokens);
        json!({"prompt_tokens": prompt, "completion_tokens": output,
               "total_tokens": prompt + output + self.draft.thought_tokens})
    }

    fn envelope(&self, object: &str, choices: Value) -> Value {
        json!({"id": self.id, "object": object, "created": self.created,
               "model": self.ask.model, "choices": choices})
    }

    fn whole(&self) -> Value {
        let mut message = json!({"role": "assistant"});
        if !self.draft.text.is_empty() {
            message["content"] = json!(self.draft.text);
        }
        if !self.draft.calls.is_empty() {
            message["tool_calls"] = self.tool_calls();
        }
        let choice = json!({"index": 0, "message": message, "finish_reason": self.finish()});
        let mut whole = self.envelope("chat.completion", json!([choice]));
        whole["usage"] = self.usage();
        whole
    }

    fn events(&self, usage: bool) -> Vec<Bytes> {
        let mut deltas: Vec<Value> = Vec::new();
        if !self.draft.text.is_empty() {
            let pieces = mind::pieces(&self.draft.text);
            deltas.extend(pieces.iter().map(|text| json!({"role": "assistant", "content": text})));
        }
        if !self.draft.calls.is_empty() {
            deltas.push(json!({"role": "assistant", "tool_calls": self.tool_calls()}));
        }
        if deltas.is_empty() {
            deltas.push(json!({"role": "assistant"}));
        }
        let last = deltas.len() - 1;
        let mut pieces: Vec<Bytes> = Vec::with_capacity(deltas.len() + 2);
        for (number, delta) in deltas.into_iter().enumerate() {
            let mut choice = json!({"index": 0, "delta": delta});
            if number == last {
                choice["finish_reason"] = json!(self.finish());
            }
            let mut event = self.envelope("chat.completion.chunk", json!([choice]));
            if usage && number == last {
                event["usage"] = self.usage();
            }
            pieces.push(format!("data: {event}\n\n").into());
        }
        pieces.push(Bytes::from_static(b"data: [DONE]\n\n"));
        pieces
    }
}

fn embeddings(call: &Call) -> Reply {
    let body = call.json()?;
    let name = named(body["model"].as_str().unwrap_or_default());
    let model = call.model(name, "embedContent")?;
    let inputs: Vec<String> = match &body["input"] {
        Value::Array(all) => {
            all.iter().map(|one| one.as_str().map_or(one.to_string(), str::to_owned)).collect()
        }
        Value::String(text) => vec![text.clone()],
        _ => return Err(Problem::new(400, "Request contains an invalid argument.")),
    };
    let tokens = inputs.iter().map(|text| mind::tokens(text)).sum();
    call.spend(&model, Family::Embed, tokens)?;
    let size = body["dimensions"].as_u64().unwrap_or(768).clamp(1, 3_072);
    let size = usize::try_from(size).unwrap_or(768);
    let base64 = body["encoding_format"] == "base64";
    let data = inputs.iter().enumerate().map(|(index, text)| {
        let vector = native::vector(text, size);
        let shown = if base64 { json!(packed(&vector)) } else { json!(vector) };
        json!({"object": "embedding", "index": index, "embedding": shown})
    });
    let data: Value = data.collect();
    Ok(Answer::json(&json!({"object": "list", "model": name, "data": data,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})))
}

/// Numbers as 32-bit little-endian floats in base64, as OpenAI's SDK asks for them.
fn packed(vector: &[f64]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let bytes: Vec<u8> = vector.iter().flat_map(|value| (*value as f32).to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

fn images(call: &Call) -> Reply {
    let body = call.json()?;
    let model = call.model(named(body["model"].as_str().unwrap_or_default()), "predict")?;
    call.spend(&model, Family::Predict, 0)?;
    let count = body["n"].as_u64().unwrap_or(1).clamp(1, 8);
    let data: Vec<Value> = (0..count).map(|_| json!({"b64_json": generate::pixel()})).collect();
    Ok(Answer::json(&json!({"created": call.world.now_ms() / 1_000, "data": data})))
}

fn shown(model: &Model) -> Value {
    json!({"id": format!("models/{}", model.name), "object": "model", "created": CREATED,
           "owned_by": "google", "display_name": model.name})
}

fn models(call: &Call) -> Answer {
    let data: Vec<Value> = call.world.state().models.iter().map(shown).collect();
    Answer::json(&json!({"object": "list", "data": data}))
}

fn model(call: &Call, name: &str) -> Reply {
    let found = call.world.state().model(named(name)).map(shown);
    let missing = || Problem::new(404, format!("Model is not found: models/{name}"));
    found.map(|model| Answer::json(&model)).ok_or_else(missing)
}
