//! Where requests come in, in whichever isolate is near the caller.
//!
//! Rule: an isolate serves nothing before the object has told it once that all is set up; from then
//! on it does not ask again, as bindings do not change while it lives.

use std::cell::{Cell, OnceCell};

use http::HeaderMap;
use http::header::HeaderValue;
use potluck_edition::ids::RequestIds;
use potluck_edition::{pages, problem};
use potluck_gemini::answer::Problem;
use potluck_gemini::{credential, route};
use web_sys::{Request, Response, Url};
use worker::{Context, Env, RequestInit, event};

use crate::reply::Reply;
use crate::unfit::{self, Unfit};
use crate::{local, pool};

thread_local! {
    /// The object has told this isolate that all is set up.
    static READY: Cell<bool> = const { Cell::new(false) };
    /// Names for requests; the randomness they begin with is there once a request is.
    static IDS: OnceCell<RequestIds> = const { OnceCell::new() };
}

/// Takes and gives the platform's own types: through any other every chunk would be copied.
#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> worker::Result<Response> {
    let url = Url::new(&request.url())?;
    let path = url.pathname();
    #[cfg(feature = "contract")]
    if let Some(name) = path.strip_prefix("/contract") {
        return crate::contract::answer(&env, name.trim_start_matches('/')).await;
    }
    let request = worker::Request::from(request);
    let from_page = local::from_page(request.headers());
    let response = answer(&env, request, &path, &url.search()).await?;
    mark(&response, from_page && !pages::is_private(&path))?;
    Ok(response)
}

async fn answer(
    env: &Env,
    request: worker::Request,
    path: &str,
    search: &str,
) -> worker::Result<Response> {
    if request.method() == worker::Method::Options {
        return Reply { headers: pages::preflight(path), ..Reply::empty() }.response();
    }
    if let Some(refusal) = unready(env).await? {
        return Ok(refusal);
    }
    let query = search.strip_prefix('?');
    match pages::find(path) {
        Some(page) => local::answer(env, page, request, query).await,
        None => elsewhere(&request, path, query).response(),
    }
}

/// What is not ours: Google's, which cannot be called from here yet, or nobody's.
fn elsewhere(request: &worker::Request, path: &str, query: Option<&str>) -> Reply {
    let path = pages::one_slash(path);
    let method = http::Method::from_bytes(request.method().as_ref().as_bytes()).unwrap_or_default();
    let bearer = credential::bears(&local::headers(request));
    match route::route(&method, path, query, bearer) {
        Ok(route) => Reply::problem(&uncalled(), route.dialect),
        Err(none) => Reply::problem(&problem::no_route(none), pages::spoken_at(path)),
    }
}

/// A call that the native edition would serve.
fn uncalled() -> Problem {
    let problem = problem::refused("The edge edition does not serve calls yet.").with_status(501);
    // Trying again does not help before another deployment.
    Problem { should_retry: false, ..problem }
}

/// Names the answer, and lets a page of another site read it where it may.
fn mark(response: &Response, readable: bool) -> worker::Result<()> {
    let mut marks = HeaderMap::new();
    marks.insert(pages::REQUEST_ID, next_id());
    if readable {
        pages::add_cors(&mut marks);
    }
    for (name, value) in &marks {
        response.headers().set(name.as_str(), value.to_str().unwrap_or_default())?;
    }
    Ok(())
}

fn next_id() -> HeaderValue {
    // A start that others may have as well is better than an answer that fails.
    let start = || RequestIds::new(getrandom::u32().unwrap_or_default());
    IDS.with(|ids| ids.get_or_init(start).next())
}

/// What keeps this Worker from serving, if anything does.
async fn unready(env: &Env) -> worker::Result<Option<Response>> {
    if READY.get() {
        return Ok(None);
    }
    if let Err(unfit) = bindings(env) {
        return Reply::unfit(&unfit).response().map(Some);
    }
    let answer = local::ask(env, "/readyz", &RequestInit::new()).await?;
    READY.set(answer.ok());
    Ok((!answer.ok()).then_some(answer))
}

fn bindings(env: &Env) -> Result<(), Unfit> {
    env.d1(unfit::DATABASE).map_err(|_| Unfit::NoDatabase)?;
    env.durable_object(unfit::OBJECT).map_err(|_| Unfit::NoObject)?;
    pool::master_key(env).map(drop)
}
