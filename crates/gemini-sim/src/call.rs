//! One authenticated call, and what every method needs of it.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    catalog::Model,
    key::Key,
    path::Path,
    problem::{Family, Problem},
    samples::Filling,
    world::World,
};

/// What a method gives.
pub type Reply = Result<Answer, Problem>;

/// A call by a known key.
#[derive(Debug)]
pub struct Call {
    /// The world.
    pub world: Arc<World>,
    /// What is asked for.
    pub path: Path,
    /// HTTP method.
    pub method: Method,
    /// HTTP headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The length of the body, of which not all may be kept.
    pub body_len: u64,
    /// Who asks.
    pub key: Key,
    /// Scheme and host, as the caller sees them.
    pub base: String,
}

impl Call {
    /// The body as a JSON object.
    ///
    /// # Errors
    /// Google's answer to what is none.
    pub fn json(&self) -> Result<Value, Problem> {
        if self.body.is_empty() {
            return Ok(json!({}));
        }
        match serde_json::from_slice(&self.body) {
            Ok(value @ Value::Object(_)) => Ok(value),
            Ok(_) => Err(bad_json("Root element must be a message.")),
            Err(error) => Err(bad_json(&format!("Parser error: {error}"))),
        }
    }

    /// The model of that name, if this project may use it for that.
    ///
    /// # Errors
    /// Google's 404s.
    pub fn model(&self, name: &str, method: &str) -> Result<Model, Problem> {
        let found = self.world.state().model(name).cloned();
        let version = &self.path.version;
        let Some(model) = found.filter(|model| model.can(method)) else {
            return Err(Problem::new(
                404,
                format!(
                    "models/{name} is not found for API version {version}, or is not supported for \
                     {method}. Call ListModels to see the list of available models and their \
                     supported methods."
                ),
            ));
        };
        if model.closed_to_new && self.key.new_user {
            return Err(Problem::new(
                404,
                format!(
                    "This model models/{name} is no longer available to new users. Please update \
                     your code to use models/gemini-3.6-flash for the latest features and \
                     improvements."
                ),
            ));
        }
        Ok(model)
    }

    /// Spends a call's quota.
    ///
    /// # Errors
    /// 429.
    pub fn spend(&self, model: &Model, family: Family, tokens: u64) -> Result<(), Problem> {
        self.world.state().spend(&self.world, &self.key, model, family, tokens)
    }

    /// A header's text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// What recorded errors are filled with.
    #[must_use]
    pub fn filling(&self) -> Filling<'_> {
        Filling { key: &self.key.key, project: self.key.project, ..Filling::default() }
    }
}

/// A body that is no JSON, or the wrong one.
#[must_use]
pub fn bad_json(why: &str) -> Problem {
    Problem::new(400, format!("Invalid JSON payload received. {why}"))
}

/// A field that does not exist.
#[must_use]
pub fn unknown_field(name: &str) -> Problem {
    let message =
        format!("Invalid JSON payload received. Unknown name \"{name}\": Cannot find field.");
    Problem::json(
        400,
        json!({"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT", "details": [{
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"description": message}]}]}}),
    )
}

/// A field in either of its spellings.
#[must_use]
pub fn field<'v>(value: &'v Value, camel: &str, snake: &str) -> &'v Value {
    value.get(camel).unwrap_or_else(|| &value[snake])
}

/// A resource of another project, or none at all.
#[must_use]
pub fn not_yours(what: &str, id: &str) -> Problem {
    Problem::new(
        403,
        format!("You do not have permission to access the {what} {id} or it may not exist."),
    )
}
