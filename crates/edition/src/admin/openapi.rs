//! What operators can ask, as OpenAPI has it, for programs.
//!
//! Rule: made of the table of operations and of the very types that are read and written, so that
//! it cannot say anything else than what is done.

use std::collections::BTreeMap;

use potluck_gemini::answer::{Problem, Reason};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::ROOT;
use super::operations::{OPERATIONS, Operation};

/// What may stand behind the `?`.
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// What it may be.
    pub kind: Kind,
}

/// What a parameter may be.
pub enum Kind {
    /// One of some words.
    OneOf(&'static [&'static str]),
    /// A whole number.
    Number {
        /// From this on.
        least: u64,
        /// Up to this.
        most: u64,
    },
    /// A text of that shape, a regular expression.
    Shaped(&'static str),
    /// Any text.
    Text {
        /// So many characters at most.
        most: usize,
    },
}

/// What a request takes.
pub struct Body {
    /// Of which shape.
    pub schema: Schema,
    /// Bytes at most.
    pub most: usize,
}

/// The shape of what is taken.
pub enum Schema {
    /// JSON of that type.
    Json(TypeName),
    /// Plain text, a thing a line.
    Text,
}

/// What a request is answered.
pub enum Reply {
    /// JSON of that type.
    Json(TypeName),
    /// Comma-separated values.
    Csv,
    /// Nothing but that it is done.
    Nothing,
}

/// Puts a type's schema among the others, and says where it is.
pub type TypeName = fn(&mut SchemaGenerator) -> Value;

/// The schema of a type.
pub fn kind<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Value {
    // What makes schemas would be a quarter of a Worker, which tells what is written instead.
    if cfg!(target_family = "wasm") {
        return Value::Null;
    }
    schemas.subschema_for::<T>().to_value()
}

/// The whole description as it is written down, which a test holds to what [`describe`] says.
pub const WRITTEN: &str = include_str!("../../../../docs/openapi.json");

/// The whole description.
pub fn describe() -> Value {
    let mut schemas = SchemaSettings::openapi3().with(|s| s.definitions_path = PLACE.into());
    schemas.meta_schema = None;
    let mut schemas = schemas.into_generator();
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for operation in OPERATIONS {
        let path = paths.entry(format!("{ROOT}{}", operation.path)).or_default();
        let method = operation.method.as_str().to_ascii_lowercase();
        path.insert(method, described(operation, &mut schemas));
    }
    json!({
        "openapi": "3.0.3",
        "info": {
            "title": "Potluck for operators",
            "version": "1",
            "description": "What operators ask and decide. Errors have the shape of Google's.",
        },
        "paths": paths,
        "components": {
            "schemas": with_error(schemas.take_definitions(true)),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
        "security": [{ "token": [] }],
    })
}

fn described(operation: &Operation, schemas: &mut SchemaGenerator) -> Value {
    let mut told = json!({
        "operationId": operation.name,
        "summary": operation.about,
        "responses": answers(operation, schemas),
    });
    let schema = json!({ "type": "string", "pattern": shape(operation.path) });
    let id = operation
        .path
        .contains("{id}")
        .then(|| json!({ "name": "id", "in": "path", "required": true, "schema": schema }));
    let parameters: Vec<Value> = id.into_iter().chain(operation.query.iter().map(asked)).collect();
    if !parameters.is_empty() {
        told["parameters"] = parameters.into();
    }
    if let Some(body) = &operation.body {
        let (media, schema) = match &body.schema {
            Schema::Json(of) => ("application/json", of(schemas)),
            Schema::Text => ("text/plain", json!({ "type": "string", "minLength": 1 })),
        };
        told["requestBody"] = json!({
            "required": true,
            "content": { media: { "schema": schema } },
        });
    }
    told
}

/// What an id looks like at a path.
fn shape(path: &str) -> &'static str {
    let known = IDS.iter().find(|(below, _)| path.starts_with(below));
    known.map_or("^[^/]+$", |(_, shape)| shape)
}

fn asked(parameter: &Parameter) -> Value {
    let schema = match &parameter.kind {
        Kind::OneOf(words) => json!({ "type": "string", "enum": words }),
        Kind::Number { least, most } => {
            json!({ "type": "integer", "format": "int64", "minimum": least, "maximum": most })
        }
        Kind::Shaped(shape) => json!({ "type": "string", "pattern": shape }),
        Kind::Text { most } => json!({ "type": "string", "maxLength": most }),
    };
    let about = parameter.about;
    json!({ "name": parameter.name, "in": "query", "description": about, "schema": schema })
}

fn answers(operation: &Operation, schemas: &mut SchemaGenerator) -> Value {
    let mut answers: BTreeMap<String, Value> = BTreeMap::new();
    match &operation.reply {
        Reply::Json(of) => {
            let content = json!({ "application/json": { "schema": of(schemas) } });
            answers.insert("200".into(), json!({ "description": "Done.", "content": content }));
        }
        Reply::Csv => {
            let content = json!({ "text/csv": { "schema": { "type": "string" } } });
            answers.insert("200".into(), json!({ "description": "Done.", "content": content }));
        }
        Reply::Nothing => {
            answers.insert("204".into(), json!({ "description": "Done." }));
        }
    }
    let cross = operation.changes().then_some(Reason::CrossSite);
    let usual = USUAL.into_iter().chain(cross);
    let mut refusals: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for reason in usual.chain(operation.refusals.iter().copied()) {
        refusals.entry(Problem::new(reason).code).or_default().push(reason.name());
    }
    for (code, reasons) in refusals {
        let content = json!({ "application/json": { "schema": { "$ref": ERROR } } });
        let described = json!({ "description": reasons.join(", "), "content": content });
        answers.insert(code.to_string(), described);
    }
    json!(answers)
}

fn with_error(mut schemas: Map<String, Value>) -> Map<String, Value> {
    let text = json!({ "type": "string" });
    let error = json!({
        "type": "object",
        "required": ["code", "message", "status", "details"],
        "properties": {
            "code": { "type": "integer" },
            "message": text,
            "status": text,
            "details": { "type": "array", "items": { "type": "object" } },
        },
    });
    let whole =
        json!({ "type": "object", "required": ["error"], "properties": { "error": error } });
    schemas.insert("Error".into(), whole);
    schemas
}

/// What ids look like, by where they stand.
const IDS: [(&str, &str); 1] = [("/keys/", "^k_[0-9a-f]{32}$")];
/// What may happen to any request: no token or a wrong one, and too many of these.
const USUAL: [Reason; 2] = [Reason::NotAdmin, Reason::TooManyTries];
/// Where schemas lie in the description.
const PLACE: &str = "/components/schemas";
const ERROR: &str = "#/components/schemas/Error";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_operation_is_described_with_its_refusals() {
        let told = describe();
        for operation in OPERATIONS {
            let path = format!("{ROOT}{}", operation.path);
            let method = operation.method.as_str().to_ascii_lowercase();
            let one = &told["paths"][&path][&method];
            assert_eq!(one["operationId"], operation.name);
            assert!(one["responses"]["401"].is_object(), "{path}");
            assert_eq!(one["responses"]["403"].is_object(), operation.changes(), "{path}");
        }
    }

    /// The file is what others read; `UPDATE_GOLDEN=1` writes it anew.
    #[test]
    fn the_description_in_the_docs_is_the_one_that_is_served() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
        let told = format!("{:#}\n", describe());
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(path, &told).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), told);
    }
}
