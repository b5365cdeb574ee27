//! Where a key may stand: native routes want the header alone, OpenAI-compatible ones want
//! `Authorization: Bearer` alone, and two credentials are wrong everywhere.

use http::{HeaderMap, header};

use crate::{
    key::{Key, KeyState},
    path::{Path, Tree},
    problem::Problem,
    samples::Filling,
    world::World,
};

/// Every credential that a request showed.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// `x-goog-api-key`.
    pub header: Option<String>,
    /// `?key=`.
    pub query: Option<String>,
    /// `Authorization: Bearer`.
    pub bearer: Option<String>,
    /// `Authorization: Token` or `?access_token=`: an ephemeral token.
    pub token: Option<String>,
}

impl Shown {
    /// Reads all places.
    #[must_use]
    pub fn read(headers: &HeaderMap, path: &Path) -> Self {
        let full = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let authorization = text(header::AUTHORIZATION.as_str()).unwrap_or_default();
        let after = |scheme: &str| {
            let (found, rest) = authorization.split_once(' ')?;
            if found.eq_ignore_ascii_case(scheme) { full(rest.trim()) } else { None }
        };
        Self {
            header: text("x-goog-api-key").and_then(full),
            query: path.param("key").and_then(full),
            bearer: after("Bearer"),
            token: after("Token").or_else(|| path.param("access_token").and_then(full)),
        }
    }

    /// Whatever was shown first, for the log.
    #[must_use]
    pub fn any(&self) -> Option<&str> {
        let all = [&self.header, &self.bearer, &self.query, &self.token];
        all.into_iter().find_map(|shown| shown.as_deref())
    }

    fn count(&self) -> usize {
        [&self.header, &self.query, &self.bearer].into_iter().flatten().count()
    }
}

/// Who may ask.
///
/// # Errors
/// Google's answer to a key that stands in the wrong place, is unknown, or is in a bad state.
pub fn admit(world: &World, shown: &Shown, path: &Path, address: &str) -> Result<Key, Problem> {
    let compat = path.tree == Tree::Compat;
    let method = path.full_method();
    let mut filling = Filling {
        key: shown.any().unwrap_or_default(),
        method: Some(&method),
        address: Some(address),
        ..Filling::default()
    };
    let refuse = |name: &str, filling: &Filling<'_>| Err(Problem::sample(name, filling));
    let text = match (compat, shown.count(), shown) {
        (_, 0, _) => return refuse("missing_key", &filling),
        (true, 1, Shown { bearer: Some(key), .. }) => key,
        (true, 1, _) => return refuse("openai_compat_missing_auth", &filling),
        (true, ..) => return refuse("openai_compat_multiple_credentials", &filling),
        (false, 1, Shown { header: Some(key), .. }) => key,
        (false, 1, Shown { query: Some(key), .. }) => {
            if key.starts_with("AQ.") && world.config.refuse_auth_key_in_query {
                return refuse("unauthenticated_token_type", &filling);
            }
            key
        }
        (false, ..) => return refuse("unauthenticated_token_type", &filling),
    };
    let known = world.state().keys.get(text).cloned();
    let key = known.unwrap_or_else(|| Key::new(text.as_str(), 0).state(KeyState::Invalid));
    filling.project = key.project;
    if key.state.permits(path.method()) {
        return Ok(key);
    }
    let name = match (key.state.sample(compat), text.starts_with("AQ.")) {
        // Bad auth keys are told so in other words than bad standard keys.
        (Some("invalid_key_with_debuginfo" | "api_key_not_found"), true) => {
            "unauthenticated_token_type"
        }
        (Some(name), _) => name,
        (None, _) => return Ok(key),
    };
    refuse(name, &filling)
}
