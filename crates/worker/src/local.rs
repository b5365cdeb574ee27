//! What an isolate answers by itself, or has the object answer.
//!
//! Rule: which paths are ours says `potluck_edition::pages`. The object is asked about the pool
//! alone, and never told a key.

use futures_util::StreamExt as _;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use potluck_core::LimitsPatch;
use potluck_edition::pages::Page;
use potluck_edition::{me, problem};
use potluck_gemini::answer::{Problem, Reason};
use potluck_gemini::{ApiKey, Dialect, credential};
use potluck_vault::Vault;
use web_sys::Response;
use worker::{Env, Headers, Method, Request, RequestInit};

use crate::caller::Caller;
use crate::reply::{self, Reply};
use crate::{pool, unfit};

/// Where a key may stand; other headers are nobody's business here.
const KEYS: [HeaderName; 3] = [
    AUTHORIZATION,
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("x-api-key"),
];

/// Answers a page.
pub async fn answer(
    env: &Env,
    page: Page,
    request: Request,
    query: Option<&str>,
) -> worker::Result<Response> {
    let reads = matches!(request.method(), Method::Get | Method::Head);
    let refused = |reason| told(&Problem::new(reason));
    match page {
        Page::Admin => refused(Reason::NotAdmin),
        Page::Me => contributor(env, request, query).await,
        _ if !reads => refused(Reason::Method),
        // Its callers are no operators, as long as nobody can be told from one.
        Page::Metrics => refused(Reason::NotAdmin),
        Page::Alive => Reply::text("ok").response(),
        Page::KeyCount | Page::Badge | Page::Pool | Page::Ready => {
            ask(env, &request.path(), &RequestInit::new()).await
        }
    }
}

/// A problem with a page.
fn told(problem: &Problem) -> worker::Result<Response> {
    Reply::problem(problem, Dialect::Native).response()
}

/// What a request shows a key in.
pub fn headers(request: &Request) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for name in KEYS {
        let Ok(Some(text)) = request.headers().get(name.as_str()) else { continue };
        // What no header can hold is no key either, and is told to be none.
        let value = HeaderValue::from_bytes(text.as_bytes());
        headers.insert(name, value.unwrap_or(HeaderValue::from_static("?")));
    }
    headers
}

async fn contributor(
    env: &Env,
    mut request: Request,
    query: Option<&str>,
) -> worker::Result<Response> {
    let key = match problem::key(credential::shown(&headers(&request), query)) {
        Ok(key) => key,
        Err(problem) => return told(&problem),
    };
    let master = pool::master_key(env).map_err(|unfit| unfit.to_string())?;
    let mut init = RequestInit::new();
    for (name, value) in Caller::of(&key, &Vault::new(&master)).headers() {
        init.headers.set(name, &value)?;
    }
    match request.method() {
        Method::Get | Method::Head => {}
        Method::Delete => init.method = Method::Delete,
        Method::Patch => match read_patch(&mut request, &key).await? {
            Ok(patch) => {
                init.method = Method::Patch;
                init.body = Some(me::pass_on(&patch).to_string().into());
            }
            Err(problem) => return told(&problem),
        },
        _ => return told(&Problem::new(Reason::Method)),
    }
    ask(env, &request.path(), &init).await
}

async fn read_patch(
    request: &mut Request,
    key: &ApiKey,
) -> worker::Result<Result<LimitsPatch, Problem>> {
    let mut text = Vec::new();
    // Without a body there is no stream either.
    if let Ok(mut chunks) = request.stream() {
        while let Some(chunk) = chunks.next().await {
            text.extend(chunk?);
            if text.len() > me::MAX_PATCH {
                return Ok(Err(me::bad("the body is too large")));
            }
        }
    }
    Ok(me::patch(&text, key))
}

/// Asks the object; its answer is the caller's.
pub async fn ask(env: &Env, path: &str, init: &RequestInit) -> worker::Result<Response> {
    let object = env.durable_object(unfit::OBJECT)?.get_by_name(pool::NAME)?;
    // An object is reached by its name; the host is never looked up.
    let request = Request::new_with_init(&format!("http://{}{path}", pool::NAME), init)?;
    reply::changeable(&object.fetch_with_request(request).await?.into())
}

/// Whether the request comes from a page of some site.
pub fn from_page(headers: &Headers) -> bool {
    headers.has("origin").unwrap_or(false)
}
