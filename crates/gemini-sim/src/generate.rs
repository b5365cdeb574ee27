//! generateContent, its streams, and countTokens.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    call::{Call, Reply, field, not_yours, unknown_field},
    catalog::Model,
    mind::{self, Ask, Draft, MEDIA_TOKENS, Tool},
    problem::{Family, Problem},
};

const FIELDS: &[&str] = &[
    "contents",
    "systemInstruction",
    "system_instruction",
    "tools",
    "toolConfig",
    "tool_config",
    "safetySettings",
    "safety_settings",
    "generationConfig",
    "generation_config",
    "cachedContent",
    "cached_content",
    "model",
    "labels",
    "store",
    "serviceTier",
    "service_tier",
    "continuationToken",
    "generationOutputConfig",
    "webhookConfig",
];
/// Signatures that say "do not check me".
const UNCHECKED: &[&str] =
    &["skip_thought_signature_validator", "context_engineering_is_the_way_to_go"];
/// A dot, as PNG: the image that image models make.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// `:generateContent` and `:streamGenerateContent`.
///
/// # Errors
/// Whatever Google refuses.
pub fn generate(call: &Call, name: &str, stream: bool) -> Reply {
    let model = call.model(name, "generateContent")?;
    let body = call.json()?;
    if let Some(strange) =
        body.as_object().into_iter().flatten().find(|(field, _)| !FIELDS.contains(&field.as_str()))
    {
        return Err(unknown_field(strange.0));
    }
    let ask = read(call, &model, &body)?;
    if ask.prompt_tokens > model.input_limit {
        let (got, most) = (ask.prompt_tokens, model.input_limit);
        // Google counts such a request all the same.
        let _ = call.spend(&model, Family::Generate, ask.prompt_tokens);
        return Err(Problem::new(
            400,
            format!(
                "The input token count ({got}) exceeds the maximum number of tokens allowed ({most})."
            ),
        ));
    }
    call.spend(&model, Family::Generate, ask.prompt_tokens)?;
    let draft = mind::answer(&ask);
    let signature = signs(&model, &draft).then(|| sign(call));
    let id = call.world.id(22);
    let events = events(&ask, &draft, signature.as_deref(), &id, stream);
    Ok(match (stream, call.path.sse()) {
        (false, _) => Answer::json(events.first().unwrap_or(&Value::Null)),
        (true, true) => Answer::pieces("text/event-stream", events.iter().map(sse).collect()),
        (true, false) => Answer::pieces("application/json; charset=UTF-8", array(&events)),
    }
    .with("x-gemini-service-tier", "standard"))
}

/// One event as it goes over the wire.
#[must_use]
pub fn sse(event: &Value) -> Bytes {
    format!("data: {event}\r\n\r\n").into()
}

/// Events as a JSON array that comes in pieces.
fn array(events: &[Value]) -> Vec<Bytes> {
    let text = |event: &Value| serde_json::to_string_pretty(event).unwrap_or_default();
    let mut pieces: Vec<Bytes> = Vec::with_capacity(events.len() + 1);
    for (number, event) in events.iter().enumerate() {
        let start = if number == 0 { "[" } else { ",\r\n" };
        pieces.push(format!("{start}{}\n", text(event)).into());
    }
    pieces.push(Bytes::from_static(b"]"));
    pieces
}

/// `:countTokens`.
///
/// # Errors
/// Whatever Google refuses.
pub fn count(call: &Call, name: &str) -> Reply {
    let model = call.model(name, "countTokens")?;
    let body = call.json()?;
    let inner = field(&body, "generateContentRequest", "generate_content_request");
    let ask = read(call, &model, if inner.is_object() { inner } else { &body })?;
    call.spend(&model, Family::CountTokens, 0)?;
    Ok(Answer::json(&json!({
        "totalTokens": ask.prompt_tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": ask.prompt_tokens}],
    })))
}

/// Reads a request, and refuses what points at other projects' things.
pub fn read(call: &Call, model: &Model, body: &Value) -> Result<Ask, Problem> {
    let contents = body["contents"].as_array().map(Vec::as_slice).unwrap_or_default();
    if contents.is_empty() && body["contents"].is_null() {
        let message = "* GenerateContentRequest.contents: contents is not specified\n";
        return Err(Problem::new(400, message));
    }
    let config = field(body, "generationConfig", "generation_config");
    let shown = model.alias_of.as_ref().unwrap_or(&model.name);
    let mut ask = Ask { model: shown.clone(), ..Ask::default() };
    for content in contents {
        for part in parts(content) {
            read_part(call, part, &mut ask)?;
        }
    }
    if let Some(last) = contents.last() {
        for part in parts(last) {
            read_last(part, &mut ask);
        }
    }
    let system = field(body, "systemInstruction", "system_instruction");
    ask.prompt_tokens += parts(system).iter().map(text_tokens).sum::<u64>();
    read_tools(body, &mut ask);
    read_cache(call, model, body, &mut ask)?;
    let schema =
        ["responseSchema", "response_schema", "responseJsonSchema", "response_json_schema"];
    ask.schema = schema.iter().find_map(|name| config.get(*name)).filter(|s| !s.is_null()).cloned();
    ask.json = field(config, "responseMimeType", "response_mime_type") == "application/json";
    ask.max_tokens = field(config, "maxOutputTokens", "max_output_tokens").as_u64();
    let thinking = field(config, "thinkingConfig", "thinking_config");
    ask.thoughts = field(thinking, "includeThoughts", "include_thoughts") == true;
    ask.prompt_tokens = ask.prompt_tokens.max(1);
    Ok(ask)
}

fn parts(content: &Value) -> &[Value] {
    content["parts"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text_tokens(part: &Value) -> u64 {
    part["text"].as_str().map_or(0, mind::tokens)
}

fn read_part(call: &Call, part: &Value, ask: &mut Ask) -> Result<(), Problem> {
    ask.prompt_tokens += text_tokens(part);
    for place in ["functionCall", "function_call", "functionResponse", "function_response"] {
        if let Some(value) = part.get(place) {
            ask.prompt_tokens += mind::tokens(&value.to_string());
        }
    }
    let inline = field(part, "inlineData", "inline_data");
    let file = field(part, "fileData", "file_data");
    if inline.is_object() || file.is_object() {
        ask.prompt_tokens += MEDIA_TOKENS;
    }
    if let Some(uri) = field(file, "fileUri", "file_uri").as_str() {
        read_file(call, uri, ask)?;
    }
    if let Some(signature) = field(part, "thoughtSignature", "thought_signature").as_str() {
        check(call, signature)?;
    }
    Ok(())
}

fn read_last(part: &Value, ask: &mut Ask) {
    if let Some(text) = part["text"].as_str() {
        ask.prompt += text;
    }
    let result = field(part, "functionResponse", "function_response");
    if let Some(name) = result["name"].as_str() {
        ask.results.push((name.to_owned(), result["response"].clone()));
    }
    let inline = field(part, "inlineData", "inline_data");
    if let Some(data) = inline["data"].as_str() {
        let kind = field(inline, "mimeType", "mime_type").as_str().unwrap_or("data");
        ask.sees.push(format!("{} bytes of {kind}", data.len() / 4 * 3));
    }
}

fn read_file(call: &Call, uri: &str, ask: &mut Ask) -> Result<(), Problem> {
    let Some((_, id)) = uri.rsplit_once("/files/") else {
        return Ok(());
    };
    let state = call.world.state();
    let Some(item) = state.shelf.owned(&format!("files/{id}"), call.key.project) else {
        return Err(not_yours("File", id));
    };
    let shown = item.shown(call.world.now_ms());
    if shown["state"] != "ACTIVE" {
        return Err(Problem::precondition(&format!(
            "The File {id} is not in an ACTIVE state and usage is not allowed."
        )));
    }
    let kind = shown["mimeType"].as_str().unwrap_or("data");
    ask.sees.push(format!("{} bytes of {kind}", shown["sizeBytes"].as_str().unwrap_or("0")));
    Ok(())
}

fn read_tools(body: &Value, ask: &mut Ask) {
    let tools = body["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    for tool in tools {
        ask.prompt_tokens += mind::tokens(&tool.to_string());
        let declared = field(tool, "functionDeclarations", "function_declarations");
        for function in declared.as_array().into_iter().flatten() {
            let schema = ["parameters", "parametersJsonSchema", "parameters_json_schema"];
            let parameters = schema.iter().find_map(|name| function.get(*name)).cloned();
            ask.tools.push(Tool {
                name: function["name"].as_str().unwrap_or_default().to_owned(),
                parameters: parameters.unwrap_or(json!({"type": "OBJECT"})),
            });
        }
    }
    let config = field(body, "toolConfig", "tool_config");
    let calling = field(config, "functionCallingConfig", "function_calling_config");
    ask.must_call = calling["mode"] == "ANY";
}

fn read_cache(call: &Call, model: &Model, body: &Value, ask: &mut Ask) -> Result<(), Problem> {
    let Some(name) = field(body, "cachedContent", "cached_content").as_str() else {
        return Ok(());
    };
    let state = call.world.state();
    let Some(item) = state.shelf.owned(name, call.key.project) else {
        return Err(Problem::new(403, "CachedContent not found (or permission denied)"));
    };
    if item.value["model"] != format!("models/{}", model.name) {
        return Err(Problem::sample("cached_content_model_mismatch", &call.filling()));
    }
    ask.cached_tokens = item.value["usageMetadata"]["totalTokenCount"].as_u64().unwrap_or(0);
    ask.prompt_tokens += ask.cached_tokens;
    ask.sees.push(format!("{} cached tokens", ask.cached_tokens));
    Ok(())
}

/// A signature that only its project can show again.
#[must_use]
pub fn sign(call: &Call) -> String {
    let (project, serial) = (call.key.project, call.world.serial());
    BASE64.encode(format!("thought of project {project:020} number {serial:010}"))
}

/// Refuses signatures of other projects, and what is none.
pub fn check(call: &Call, signature: &str) -> Result<(), Problem> {
    let standard = signature.replace('-', "+").replace('_', "/");
    let decoded = BASE64.decode(standard).unwrap_or_default();
    let decoded = String::from_utf8_lossy(&decoded);
    let unchecked = |text: &str| UNCHECKED.contains(&text);
    if !call.world.config.bound_signatures || unchecked(signature) || unchecked(&decoded) {
        return Ok(());
    }
    let ours = format!("thought of project {:020} ", call.key.project);
    if decoded.starts_with(&ours) {
        return Ok(());
    }
    Err(Problem::sample("corrupted_thought_signature", &call.filling()))
}

/// True when this answer carries a signature.
pub fn signs(model: &Model, draft: &Draft) -> bool {
    !draft.calls.is_empty()
        || draft.thoughts.is_some()
        || model.counted_as().starts_with("gemini-3")
}

/// The answer as events; not streaming, as one.
fn events(ask: &Ask, draft: &Draft, signature: Option<&str>, id: &str, stream: bool) -> Vec<Value> {
    let envelope = |inner: Value, last: bool| {
        let mut event = inner;
        event["usageMetadata"] = usage(ask, draft, last);
        event["modelVersion"] = json!(ask.model);
        event["responseId"] = json!(id);
        event
    };
    if let Some(reason) = draft.blocked {
        return vec![envelope(json!({"promptFeedback": {"blockReason": reason}}), true)];
    }
    let mut parts = said(ask, draft, stream);
    if let (Some(signature), Some(last)) = (signature, parts.last_mut()) {
        last["thoughtSignature"] = json!(signature);
    }
    if !stream {
        let mut candidate = json!({"finishReason": draft.finish, "index": 0});
        candidate["content"] = json!({"parts": parts, "role": "model"});
        return vec![envelope(json!({"candidates": [candidate]}), true)];
    }
    let count = parts.len().max(1);
    let mut parts = parts.into_iter();
    (1..=count)
        .map(|number| {
            let last = number == count;
            let mut candidate = json!({"index": 0});
            let parts: Vec<Value> = parts.next().into_iter().collect();
            candidate["content"] = json!({"parts": parts, "role": "model"});
            if last {
                candidate["finishReason"] = json!(draft.finish);
            }
            envelope(json!({"candidates": [candidate]}), last)
        })
        .collect()
}

fn said(ask: &Ask, draft: &Draft, stream: bool) -> Vec<Value> {
    let mut parts = Vec::new();
    if let Some(thoughts) = &draft.thoughts {
        parts.push(json!({"text": thoughts, "thought": true}));
    }
    if !draft.text.is_empty() {
        let pieces = if stream { mind::pieces(&draft.text) } else { vec![draft.text.as_str()] };
        parts.extend(pieces.into_iter().map(|piece| json!({ "text": piece })));
    }
    for (name, args) in &draft.calls {
        parts.push(json!({"functionCall": {"name": name, "args": args}}));
    }
    if ask.model.contains("image") && draft.finish == "STOP" {
        parts.push(json!({"inlineData": {"mimeType": "image/png", "data": PIXEL}}));
    }
    parts
}

fn usage(ask: &Ask, draft: &Draft, last: bool) -> Value {
    let output = if last { draft.output_tokens } else { 1.min(draft.output_tokens) };
    let total = ask.prompt_tokens + output + draft.thought_tokens;
    let mut usage = json!({
        "promptTokenCount": ask.prompt_tokens,
        "totalTokenCount": total,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": ask.prompt_tokens}],
    });
    if draft.blocked.is_none() {
        usage["candidatesTokenCount"] = json!(output);
    }
    if draft.thought_tokens > 0 {
        usage["thoughtsTokenCount"] = json!(draft.thought_tokens);
    }
    if ask.cached_tokens > 0 {
        usage["cachedContentTokenCount"] = json!(ask.cached_tokens);
    }
    usage
}

/// The dot that stands for every image.
#[must_use]
pub fn pixel() -> &'static str {
    PIXEL
}
