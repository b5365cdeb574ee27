//! Where requests come in, in whichever isolate is near the caller.
//!
//! Rule: an isolate serves nothing before the object has told it once that all is set up; from then
//! on it does not ask again, as bindings do not change while it lives.

use std::cell::Cell;

use potluck_gemini::Dialect;
use potluck_gemini::answer::{Problem, Reason};
use web_sys::{Request, Response, Url};
use worker::{Context, Env, event};

use crate::unfit::{self, Unfit};
use crate::{pool, reply};

thread_local! {
    /// The object has told this isolate that all is set up.
    static READY: Cell<bool> = const { Cell::new(false) };
}

/// Takes and gives the platform's own types: through any other every chunk would be copied.
#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> worker::Result<Response> {
    let path = Url::new(&request.url())?.pathname();
    #[cfg(feature = "contract")]
    if let Some(name) = path.strip_prefix("/contract") {
        return crate::contract::answer(&env, name.trim_start_matches('/')).await;
    }
    if let Some(refusal) = unready(&env).await? {
        return Ok(refusal);
    }
    let known = matches!(path.as_str(), "/healthz" | "/keycount");
    match (path.as_str(), request.method().as_str()) {
        ("/healthz", "GET" | "HEAD") => reply::text(200, "ok"),
        ("/keycount", "GET" | "HEAD") => ask_pool(&env, "/keycount").await,
        _ if known => reply::problem(&Problem::new(Reason::Method), Dialect::Native),
        _ => reply::problem(&Problem::new(Reason::NoRoute), Dialect::Native),
    }
}

/// What keeps this Worker from serving, if anything does.
async fn unready(env: &Env) -> worker::Result<Option<Response>> {
    if READY.get() {
        return Ok(None);
    }
    if let Err(unfit) = bindings(env) {
        return reply::unfit(&unfit).map(Some);
    }
    let answer = ask_pool(env, "/readyz").await?;
    READY.set(answer.ok());
    Ok((!answer.ok()).then_some(answer))
}

fn bindings(env: &Env) -> Result<(), Unfit> {
    env.d1(unfit::DATABASE).map_err(|_| Unfit::NoDatabase)?;
    env.durable_object(unfit::OBJECT).map_err(|_| Unfit::NoObject)?;
    pool::master_key(env).map(drop)
}

async fn ask_pool(env: &Env, path: &str) -> worker::Result<Response> {
    let object = env.durable_object(unfit::OBJECT)?.get_by_name(pool::NAME)?;
    // An object is reached by its name; the host is never looked up.
    let answer = object.fetch_with_str(&format!("http://{}{path}", pool::NAME)).await?;
    Ok(answer.into())
}
