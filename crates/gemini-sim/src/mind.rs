//! The model, such as it is: it says what it was told, adds up, calls a function when asked to,
//! and fills schemas. What goes in is already free of the dialect it was asked in.
//!
//! Words in a prompt that steer it: `[[block]]` (the prompt is blocked), `[[safety]]`,
//! `[[recitation]]`, `[[max]]` (the answer ends for that reason), `[[long N]]` (N words),
//! `[[think]]` (thoughts are shown), `call NAME` (calls that function).

use serde_json::{Map, Value, json};

/// Tokens that an image, a file or a piece of audio counts for.
pub const MEDIA_TOKENS: u64 = 258;
/// So long may an answer to `[[long N]]` become.
const LONGEST: u64 = 200_000;

/// A function on offer.
#[derive(Clone, Debug)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// The schema of its arguments.
    pub parameters: Value,
}

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// The model, without `models/`.
    pub model: String,
    /// The last turn's text.
    pub prompt: String,
    /// Results of functions in the last turn.
    pub results: Vec<(String, Value)>,
    /// What else the model sees, in words about it.
    pub sees: Vec<String>,
    /// Functions on offer.
    pub tools: Vec<Tool>,
    /// A function must be called.
    pub must_call: bool,
    /// The answer's schema.
    pub schema: Option<Value>,
    /// The answer is to be JSON.
    pub json: bool,
    /// How long it may be.
    pub max_tokens: Option<u64>,
    /// Tokens of all that was sent.
    pub prompt_tokens: u64,
    /// Of these, from a cache.
    pub cached_tokens: u64,
    /// Thoughts are wanted.
    pub thoughts: bool,
}

/// What is answered.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// The text.
    pub text: String,
    /// Thoughts, when shown.
    pub thoughts: Option<String>,
    /// Functions to call.
    pub calls: Vec<(String, Value)>,
    /// `finishReason`.
    pub finish: &'static str,
    /// `blockReason`, when the prompt was blocked.
    pub blocked: Option<&'static str>,
    /// Tokens of the text.
    pub output_tokens: u64,
    /// Tokens of the thoughts.
    pub thought_tokens: u64,
}

/// Answers.
#[must_use]
pub fn answer(ask: &Ask) -> Draft {
    let prompt = ask.prompt.as_str();
    let mut draft = Draft { finish: "STOP", ..Draft::default() };
    if prompt.contains("[[block]]") {
        draft.blocked = Some("SAFETY");
        return draft;
    }
    for (mark, reason) in
        [("[[safety]]", "SAFETY"), ("[[recitation]]", "RECITATION"), ("[[other]]", "OTHER")]
    {
        if prompt.contains(mark) {
            draft.finish = reason;
            return draft;
        }
    }
    if ask.thoughts || prompt.contains("[[think]]") {
        draft.thoughts = Some("I was asked something, so I think about what to say.".to_owned());
        draft.thought_tokens = 12;
    }
    if let Some(tool) = wanted_tool(ask) {
        draft.calls.push((tool.name.clone(), instance(&tool.parameters, &tool.parameters, 0)));
        draft.output_tokens = 12;
        return draft;
    }
    draft.text = text(ask);
    draft.output_tokens = tokens(&draft.text);
    if let Some(most) = ask.max_tokens.filter(|most| *most < draft.output_tokens) {
        let end = usize::try_from(most * 4).unwrap_or(usize::MAX);
        draft.text = draft.text.chars().take(end).collect();
        draft.output_tokens = most;
        draft.finish = "MAX_TOKENS";
    }
    if prompt.contains("[[max]]") {
        draft.finish = "MAX_TOKENS";
    }
    draft
}

/// About how many tokens a text has: four bytes make one.
#[must_use]
pub fn tokens(text: &str) -> u64 {
    (text.len() as u64).div_ceil(4)
}

/// The text in the pieces that a stream sends it in: some words each.
#[must_use]
pub fn pieces(text: &str) -> Vec<&str> {
    // Not so many that a long answer becomes thousands of events.
    let size = (text.len() / 100).max(20);
    let mut pieces = Vec::new();
    let mut start = 0;
    for (at, character) in text.char_indices() {
        if at - start >= size && character == ' ' {
            pieces.push(&text[start..at]);
            start = at;
        }
    }
    pieces.push(&text[start..]);
    pieces
}

fn wanted_tool(ask: &Ask) -> Option<&Tool> {
    if !ask.results.is_empty() {
        return None;
    }
    let asked = |tool: &&Tool| ask.prompt.contains(&format!("call {}", tool.name));
    let first = ask.tools.first().filter(|_| ask.must_call);
    ask.tools.iter().find(asked).or(first)
}

fn text(ask: &Ask) -> String {
    if let Some(schema) = &ask.schema {
        return instance(schema, schema, 0).to_string();
    }
    let mut text = match ask.results.as_slice() {
        [] => format!("You said: {}", ask.prompt),
        results => results
            .iter()
            .map(|(name, value)| format!("{name} said: {value}"))
            .collect::<Vec<_>>()
            .join("\n"),
    };
    if let Some(sum) = sum(&ask.prompt) {
        text += &format!("\nThe answer is {sum}.");
    }
    for seen in &ask.sees {
        text += &format!("\nI see {seen}.");
    }
    if let Some(words) = long(&ask.prompt) {
        text += "\n";
        for number in 0..words {
            text += if number == 0 { "word" } else { " word" };
        }
    }
    if ask.json {
        return json!({ "answer": text }).to_string();
    }
    text
}

fn long(prompt: &str) -> Option<u64> {
    let (_, rest) = prompt.split_once("[[long ")?;
    let (number, _) = rest.split_once("]]")?;
    Some(number.trim().parse::<u64>().ok()?.min(LONGEST))
}

/// The first sum, difference or product of two whole numbers in the text.
fn sum(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let skip = |mut at: usize, wanted: fn(&u8) -> bool| {
        while bytes.get(at).is_some_and(wanted) {
            at += 1;
        }
        at
    };
    let mut at = 0;
    loop {
        at = skip(at, |byte| !byte.is_ascii_digit());
        let end = skip(at, u8::is_ascii_digit);
        if at == end {
            return None;
        }
        let sign = skip(end, |byte| *byte == b' ');
        let other = skip(sign + 1, |byte| *byte == b' ');
        let other_end = skip(other, u8::is_ascii_digit);
        if let (Some(b'+' | b'-' | b'*'), true) = (bytes.get(sign), other_end > other) {
            let left: i64 = text[at..end].parse().ok()?;
            let right: i64 = text[other..other_end].parse().ok()?;
            return match bytes[sign] {
                b'+' => left.checked_add(right),
                b'-' => left.checked_sub(right),
                _ => left.checked_mul(right),
            };
        }
        at = end;
    }
}

/// The least that satisfies a schema, in Google's dialect or JSON Schema's.
#[must_use]
pub fn instance(schema: &Value, root: &Value, depth: usize) -> Value {
    if depth > 16 {
        return Value::Null;
    }
    if let Some(target) = schema["$ref"].as_str().and_then(|to| root.pointer(to.strip_prefix('#')?))
    {
        return instance(target, root, depth + 1);
    }
    for choice in ["anyOf", "any_of", "oneOf", "allOf"] {
        if let Some(first) = schema[choice].as_array().and_then(|list| list.first()) {
            return instance(first, root, depth + 1);
        }
    }
    if let Some(first) = schema["enum"].as_array().and_then(|list| list.first()) {
        return first.clone();
    }
    let named = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    match named.unwrap_or("object").to_ascii_lowercase().as_str() {
        "string" => json!("text"),
        "integer" => schema.get("minimum").cloned().unwrap_or(json!(1)),
        "number" => schema.get("minimum").cloned().unwrap_or(json!(1.5)),
        "boolean" => json!(true),
        "array" => {
            let item = instance(&schema["items"], root, depth + 1);
            let least = schema["minItems"].as_u64().unwrap_or(1).clamp(1, 64);
            Value::Array((0..least).map(|_| item.clone()).collect())
        }
        "null" => Value::Null,
        _ => {
            let mut fields = Map::new();
            for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
                fields.insert(name.clone(), instance(schema, root, depth + 1));
            }
            Value::Object(fields)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn said(prompt: &str) -> Draft {
        answer(&Ask { prompt: prompt.to_owned(), ..Ask::default() })
    }

    #[test]
    fn it_says_what_it_was_told_and_adds_up() {
        assert_eq!(said("hello").text, "You said: hello");
        assert!(said("At 9, what is 12 + 30?").text.ends_with("The answer is 42."));
        assert!(said("7*6").text.contains("42"));
        assert_eq!(said("[[block]]").blocked, Some("SAFETY"));
    }

    #[test]
    fn pieces_make_the_whole() {
        let text = said("one two three four five six [[long 5000]]").text;
        assert!(pieces(&text).len() > 3);
        assert_eq!(pieces(&text).concat(), text);
    }

    #[test]
    fn schemas_are_filled() {
        let schema = json!({"type": "OBJECT", "properties": {
            "name": {"type": "STRING"}, "tags": {"type": "array", "items": {"type": "integer"}},
            "size": {"enum": ["s", "m"]}}});
        let made = instance(&schema, &schema, 0);
        assert_eq!(made, json!({"name": "text", "tags": [1], "size": "s"}));
    }
}
