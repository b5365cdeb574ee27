//! What an isolate answers by itself, or has the objects answer.
//!
//! Rule: which paths are ours says `potluck_edition::pages`. An object is asked about the pool
//! alone, and never told a key.

use potluck_core::LimitsPatch;
use potluck_edition::pages::Page;
use potluck_edition::usage::Days;
use potluck_edition::{badge, front, me, problem, table};
use potluck_gemini::answer::Problem;
use potluck_gemini::{ApiKey, Dialect, credential};
use serde_json::Value;
use web_sys::Response;
use worker::{Env, Method, RequestInit};

use crate::asked::Head;
use crate::caller::Caller;
use crate::hand::Hand;
use crate::platform::{Incoming, Taken};
use crate::reply::{self, Reply};
use crate::{lease, object, operators, unfit};

/// Where an object says whether it can serve.
pub const READY: &str = "/readyz";

/// Answers a page.
pub async fn answer(
    hand: &Hand,
    page: Page,
    incoming: &Incoming<'_>,
    head: &Head<'_>,
) -> worker::Result<Response> {
    let reads = matches!(head.method, http::Method::GET | http::Method::HEAD);
    match page {
        Page::Admin => operators::answer(hand, incoming, head).await,
        Page::Me => contributor(hand, incoming, head).await,
        Page::MyUsage => usage(hand, head).await,
        _ if !reads => told(&problem::other_method("GET, HEAD")),
        Page::Metrics => match operators::check(hand, head) {
            Err(problem) => told(&problem),
            Ok(()) => match together(hand, head.path).await? {
                Ok(told) => Reply::numbers(&told).response(),
                Err(answer) => Ok(answer),
            },
        },
        Page::Still(page) => {
            let (page, headers) = front::still(page, &head.fields, head.query);
            Reply::front(page.to_owned(), headers).response()
        }
        Page::Asset(asset) => Reply::asset(asset).response(),
        Page::Table => match together(hand, "/pool").await? {
            Ok(told) => front_page(hand, head, &told).response(),
            Err(answer) => Ok(answer),
        },
        Page::Alive => Reply::text("ok").response(),
        Page::Ready => Reply::text("ready").response(),
        Page::KeyCount | Page::Pool => match together(hand, head.path).await? {
            Ok(told) => Reply::json(&told).response(),
            Err(answer) => Ok(answer),
        },
        Page::Badge => match together(hand, "/keycount").await? {
            Ok(told) => Reply::svg(badge::svg(table::counted(&told))).response(),
            Err(answer) => Ok(answer),
        },
    }
}

fn front_page(hand: &Hand, head: &Head<'_>, told: &Value) -> Reply {
    let base = hand.fixed.settings.public_url.as_deref().unwrap_or(head.origin);
    let (page, headers) = front::table(&head.fields, head.query, base, told);
    Reply::front(page, headers)
}

/// A problem with a page.
pub fn told(problem: &Problem) -> worker::Result<Response> {
    Reply::problem(problem, Dialect::Native).response()
}

/// What all objects say of the pool, as one; or the answer of the one that cannot say.
async fn together(hand: &Hand, path: &str) -> worker::Result<Result<Value, Response>> {
    let mut all = Value::Null;
    for object in hand.fixed.settings.objects() {
        let answer = ask(&hand.env, &object, path).await?;
        if !answer.ok() {
            return Ok(Err(answer));
        }
        let text = wasm_bindgen_futures::JsFuture::from(answer.text()?).await?;
        let told = serde_json::from_str(&text.as_string().unwrap_or_default())?;
        all = table::together(all, told);
    }
    Ok(Ok(all))
}

/// What a contributor gave and took by days. Of all that a known bearer can ask for, this alone is
/// read from D1.
async fn usage(hand: &Hand, head: &Head<'_>) -> worker::Result<Response> {
    let key = match problem::key(credential::shown(&head.fields, head.query)) {
        Ok(key) => key,
        Err(problem) => return told(&problem),
    };
    if !matches!(head.method, http::Method::GET | http::Method::HEAD) {
        return told(&problem::other_method("GET, HEAD"));
    }
    let days = match Days::asked(head.query) {
        Ok(days) => days.number(),
        Err(problem) => return told(&problem),
    };
    let caller = Caller::of(&key, &hand.fixed.vault);
    // What else stands behind the `?` may be the key.
    let asked = format!("{}?days={days}", head.path);
    ask_for(hand, &caller, &asked, &RequestInit::new()).await
}

/// Asks the object that holds a contributor's key.
async fn ask_for(
    hand: &Hand,
    caller: &Caller,
    path: &str,
    init: &RequestInit,
) -> worker::Result<Response> {
    for (name, value) in caller.headers() {
        init.headers.set(name, &value)?;
    }
    let settings = &hand.fixed.settings;
    let shard = settings.shard(&caller.id.0);
    // What this isolate has done by now is in the answer.
    object::tell(hand, shard).await;
    ask_so(&hand.env, &settings.object(shard), path, init).await
}

async fn contributor(
    hand: &Hand,
    incoming: &Incoming<'_>,
    head: &Head<'_>,
) -> worker::Result<Response> {
    let key = match problem::key(credential::shown(&head.fields, head.query)) {
        Ok(key) => key,
        Err(problem) => return told(&problem),
    };
    let caller = Caller::of(&key, &hand.fixed.vault);
    let mut init = RequestInit::new();
    match head.method {
        http::Method::GET | http::Method::HEAD => {}
        http::Method::DELETE => {
            init.method = Method::Delete;
            lease::forget(hand, caller.id).await;
        }
        http::Method::PATCH => match read_patch(incoming, &key).await {
            Ok(patch) => {
                init.method = Method::Patch;
                init.body = Some(me::pass_on(&patch).to_string().into());
                lease::forget(hand, caller.id).await;
            }
            Err(problem) => return told(&problem),
        },
        _ => return told(&problem::other_method("GET, HEAD, PATCH, DELETE")),
    }
    ask_for(hand, &caller, head.path, &init).await
}

async fn read_patch(incoming: &Incoming<'_>, key: &ApiKey) -> Result<LimitsPatch, Problem> {
    match incoming.read(me::MAX_PATCH).await {
        Ok(Taken::Whole(text)) if text.length() as usize <= me::MAX_PATCH => {
            me::patch(&text.to_vec(), key)
        }
        Ok(_) => Err(me::bad("the body is too large")),
        Err(_) => Err(me::bad("the body broke off")),
    }
}

/// Asks an object; its answer is the caller's.
pub async fn ask(env: &Env, object: &str, path: &str) -> worker::Result<Response> {
    ask_so(env, object, path, &RequestInit::new()).await
}

/// The same, with a method, fields and a body.
pub async fn ask_so(
    env: &Env,
    object: &str,
    path: &str,
    init: &RequestInit,
) -> worker::Result<Response> {
    match ask_once(env, object, path, init).await {
        Ok(answer) => Ok(answer),
        // An object that starts again is there in a moment.
        Err(_) => ask_once(env, object, path, init).await,
    }
}

async fn ask_once(
    env: &Env,
    object: &str,
    path: &str,
    init: &RequestInit,
) -> worker::Result<Response> {
    let stub = env.durable_object(unfit::OBJECT)?.get_by_name(object)?;
    // An object is reached by its name; the host is never looked up.
    let request = worker::Request::new_with_init(&format!("http://{object}{path}"), init)?;
    reply::changeable(&stub.fetch_with_request(request).await?.into())
}

/// Whether an answer says that trying again is useless.
pub fn is_final(answer: &Response) -> bool {
    let says = answer.headers().get("x-should-retry").ok().flatten();
    says.is_some_and(|says| says == "false")
}
