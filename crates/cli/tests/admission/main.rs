//! Who may come: access tokens, and keys that nobody knows.
//!
//! - `tokens`: what a token may, what it may not, and that Google never sees one;
//! - `modes`: pools that are open to invited keys, or to none; `command`: all of it by commands.

#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod command;
mod modes;
mod tokens;

use gemini_sim::Sim;
use serde_json::{Value, json};

use common::raw::{Answer, Ask};
use common::serving::{Potluck, key};

/// Asks as an operator does.
fn operate(potluck: &Potluck, method: &str, path: &str, body: &Value) -> Answer {
    let token = format!("Bearer {}", potluck.admin_token());
    let ask = Ask::new(method, &format!("/pool/admin/v1{path}")).header("authorization", &token);
    potluck.ask(if body.is_null() { ask } else { ask.json(body) })
}

/// Makes an access token: the token itself, and its id.
fn token(potluck: &Potluck, terms: &Value) -> (String, String) {
    let told = operate(potluck, "POST", "/tokens", terms);
    assert_eq!(told.status, 200, "{told:?}");
    let told = told.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&told["token"]), text(&told["about"]["id"]))
}

/// Has the operator add keys.
fn add(potluck: &Potluck, keys: impl IntoIterator<Item = usize>) {
    let token = format!("Bearer {}", potluck.admin_token());
    let text: Vec<String> = keys.into_iter().map(key).collect();
    let ask = Ask::post("/pool/admin/v1/keys").header("authorization", &token);
    let told = potluck.ask(ask.body(text.join("\n"))).json();
    assert_eq!(told["added"], text.len(), "{told}");
}

/// Whether the simulator was shown a text anywhere.
fn was_shown(sim: &Sim, text: &str) -> bool {
    json!(sim.log()).to_string().contains(text)
}
