//! Native routes: which method answers what.

use http::Method;
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    caches,
    call::{Call, Reply, field},
    catalog::Model,
    files, generate, interactions, mind,
    problem::{Family, Problem},
    things,
};

/// Collections that belong to projects and need no more than to be kept.
const OWNED: &[&str] =
    &["batches", "operations", "tunedModels", "fileSearchStores", "corpora", "generatedFiles"];

/// Answers a native call.
///
/// # Errors
/// Whatever Google refuses.
pub fn answer(call: &Call) -> Reply {
    let path = call.path.slices();
    match (&call.method, path.as_slice(), call.path.verb.as_deref()) {
        (&Method::GET, ["models"], None) => Ok(list(call)),
        (&Method::GET, ["models", name], None) => get(call, name),
        (&Method::POST, ["models", name], Some(verb)) => verb_of_model(call, name, verb),
        (&Method::POST, ["tunedModels", name], Some(verb)) if verb.contains("enerateContent") => {
            tuned(call, name, verb)
        }
        (_, ["files", ..], _) => files::answer(call),
        (_, ["cachedContents", ..], _) => caches::answer(call),
        (_, ["interactions", ..], _) => interactions::answer(call),
        (&Method::POST, ["auth_tokens"], None) => things::token(call),
        (_, ["models", _, "operations", ..], _) => things::answer(call),
        (_, [first, ..], _) if OWNED.contains(first) => things::answer(call),
        _ => Err(Problem::nothing_here()),
    }
}

fn verb_of_model(call: &Call, name: &str, verb: &str) -> Reply {
    match verb {
        "generateContent" => generate::generate(call, name, false),
        "streamGenerateContent" => generate::generate(call, name, true),
        "countTokens" => generate::count(call, name),
        "embedContent" => embed(call, name),
        "batchEmbedContents" => embed_batch(call, name),
        "generateAnswer" => generate_answer(call, name),
        "predict" => predict(call, name),
        "predictLongRunning" => things::long_running(call, name),
        "batchGenerateContent" | "asyncBatchEmbedContent" => things::batch(call, name),
        _ => Err(Problem::nothing_here()),
    }
}

/// A tuned model answers like the model it was made of, to its own project only.
fn tuned(call: &Call, name: &str, verb: &str) -> Reply {
    let full = format!("tunedModels/{name}");
    let made_of = {
        let state = call.world.state();
        let item = state.shelf.owned(&full, call.key.project);
        item.map(|item| item.value["baseModel"].as_str().unwrap_or_default().to_owned())
    };
    let base = made_of.ok_or_else(|| {
        Problem::new(403, format!("You do not have permission to access tuned model {full}."))
    })?;
    let base = base.strip_prefix("models/").filter(|base| !base.is_empty());
    verb_of_model(call, base.unwrap_or("gemini-2.5-flash"), verb)
}

/// A model as `models.get` shows it.
#[must_use]
pub fn shown(model: &Model) -> Value {
    json!({
        "name": format!("models/{}", model.name),
        "version": "001",
        "displayName": model.name.replace('-', " "),
        "description": "A model of gemini-sim",
        "inputTokenLimit": model.input_limit,
        "outputTokenLimit": model.output_limit,
        "supportedGenerationMethods": model.methods,
        "temperature": 1,
        "topP": 0.95,
        "topK": 64,
        "maxTemperature": 2,
    })
}

fn list(call: &Call) -> Answer {
    let all: Vec<Value> = call.world.state().models.iter().map(shown).collect();
    Answer::json(&call.path.page(50).cut("models", all))
}

fn get(call: &Call, name: &str) -> Reply {
    let found = call.world.state().model(name).map(shown);
    let version = &call.path.version;
    let missing = || {
        Problem::new(
            404,
            format!(
                "Model is not found: models/{name} for api version {version}. Call ListModels to \
                 see the list of available models."
            ),
        )
    };
    found.map(|model| Answer::json(&model)).ok_or_else(missing)
}

/// An embedding that is the same for the same text.
#[must_use]
pub fn vector(text: &str, size: usize) -> Vec<f64> {
    let mut seed = text.bytes().fold(0x9e37_79b9_u64, |seed, byte| {
        (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Four digits are enough to tell texts apart.
        ((seed >> 40) % 20_001) as f64 / 10_000.0 - 1.0
    };
    (0..size).map(|_| next()).collect()
}

fn text_of(content: &Value) -> String {
    let parts = content["parts"].as_array().into_iter().flatten();
    parts.filter_map(|part| part["text"].as_str()).collect()
}

fn embedding(request: &Value) -> (Value, u64) {
    let text = text_of(&request["content"]);
    let wanted = field(request, "outputDimensionality", "output_dimensionality").as_u64();
    let size = wanted.unwrap_or(768).clamp(1, 3_072);
    let size = usize::try_from(size).unwrap_or(768);
    (json!({"values": vector(&text, size)}), mind::tokens(&text))
}

fn embed(call: &Call, name: &str) -> Reply {
    let model = call.model(name, "embedContent")?;
    let (embedding, tokens) = embedding(&call.json()?);
    call.spend(&model, Family::Embed, tokens)?;
    Ok(Answer::json(
        &json!({"embedding": embedding, "usageMetadata": {"promptTokenCount": tokens}}),
    ))
}

fn embed_batch(call: &Call, name: &str) -> Reply {
    let model = call.model(name, "batchEmbedContents")?;
    let body = call.json()?;
    let requests = body["requests"].as_array().cloned().unwrap_or_default();
    let made: Vec<(Value, u64)> = requests.iter().map(embedding).collect();
    let tokens = made.iter().map(|(_, tokens)| tokens).sum();
    call.spend(&model, Family::Embed, tokens)?;
    let embeddings: Vec<Value> = made.into_iter().map(|(embedding, _)| embedding).collect();
    Ok(Answer::json(
        &json!({"embeddings": embeddings, "usageMetadata": {"promptTokenCount": tokens}}),
    ))
}

fn generate_answer(call: &Call, name: &str) -> Reply {
    let model = call.model(name, "generateAnswer")?;
    let body = call.json()?;
    if let Some(source) = body["semanticRetriever"]["source"].as_str() {
        let id = source.rsplit('/').next().unwrap_or(source);
        return Err(crate::call::not_yours("Corpus", id));
    }
    let question = body["contents"].as_array().and_then(|all| all.last()).map(text_of);
    let question = question.unwrap_or_default();
    call.spend(&model, Family::Generate, mind::tokens(&question))?;
    let text = format!("You asked: {question}");
    Ok(Answer::json(&json!({
        "answer": {"content": {"parts": [{"text": text}], "role": "model"},
                   "finishReason": "STOP", "index": 0},
        "answerableProbability": 0.9,
    })))
}

fn predict(call: &Call, name: &str) -> Reply {
    let model = call.model(name, "predict")?;
    let body = call.json()?;
    let count = field(&body["parameters"], "sampleCount", "sample_count").as_u64().unwrap_or(1);
    call.spend(&model, Family::Predict, 0)?;
    let image = json!({"mimeType": "image/png", "bytesBase64Encoded": generate::pixel()});
    let images: Vec<Value> = (0..count.clamp(1, 8)).map(|_| image.clone()).collect();
    Ok(Answer::json(&json!({ "predictions": images })))
}
