//! Operators who sign in with a browser, and out.

use http::HeaderMap;
use http::header::{HeaderValue, SET_COOKIE};
use potluck_core::Mono;
use potluck_edition::admin::sessions::{self, Name, Session};
use potluck_gemini::answer::{Problem, Reason};
use serde_json::json;

use crate::app::App;
use crate::caller::Caller;
use crate::{Reply, clock, local, me};

/// Opens a session for whoever shows the token.
pub fn sign_in(app: &App, text: &[u8], caller: &Caller) -> Result<Reply, Problem> {
    let token = sessions::token(text);
    super::compare(app, token.as_deref().map(str::as_bytes), caller)?;
    let mut name = Name::default();
    getrandom::fill(&mut name).map_err(|_| Problem::new(Reason::Internal))?;
    app.sessions.lock().open(name, app.clock.now().mono);
    let begun = local::json(&json!(Session::begun(clock::wall())));
    Ok(with(begun, sessions::kept(&name)))
}

/// Whether the request belongs to a session.
pub fn is_open(app: &App, headers: &HeaderMap, now: Mono) -> bool {
    app.sessions.lock().of(headers, now, |a, b| app.vault.same_token(a, b)).is_some()
}

/// The session that asks.
pub fn look(app: &App, headers: &HeaderMap) -> Result<Reply, Problem> {
    let now = app.clock.now();
    let left = app.sessions.lock().of(headers, now.mono, |a, b| app.vault.same_token(a, b));
    let left = left.ok_or_else(|| Problem::new(Reason::NotAdmin))?;
    Ok(local::json(&json!(Session::of(left, now.wall))))
}

/// Ends it.
pub fn sign_out(app: &App, headers: &HeaderMap) -> Reply {
    app.sessions.lock().close(headers, |a, b| app.vault.same_token(a, b));
    with(me::gone(), sessions::forgotten())
}

fn with(mut reply: Reply, cookie: Option<HeaderValue>) -> Reply {
    reply.headers_mut().extend(cookie.map(|cookie| (SET_COOKIE, cookie)));
    reply
}
