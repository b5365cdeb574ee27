//! Where requests come in, in whichever isolate is near the caller.
//!
//! Rule: an isolate serves nothing before the objects have told it once that all is set up; from
//! then on it does not ask again, as bindings do not change while it lives.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use futures_util::future::{AbortHandle, abortable};
use http::HeaderMap;
use http::header::{HeaderValue, ORIGIN};
use js_sys::Uint8Array;
use potluck_edition::ids::RequestIds;
use potluck_edition::problem::key;
use potluck_edition::{admission, pages};
use potluck_gemini::answer::{Problem, Reason};
use potluck_gemini::credential::Shown;
use potluck_gemini::{Class, Dialect};
use wasm_bindgen::prelude::*;
use web_sys::{Request, Response};
use worker::{Context, Env, console_error, worker_sys};

use crate::asked::{self, Asked, Head};
use crate::hand::{self, Hand};
use crate::platform::Incoming;
use crate::reply::Reply;
use crate::unfit::{self, Unfit};
use crate::{live, local, own, platform, pooled, uploads};

thread_local! {
    /// The objects have told this isolate that all is set up.
    static READY: Cell<bool> = const { Cell::new(false) };
    /// Requests that are not answered yet: as many as are open.
    static OPEN: RefCell<HashMap<u64, AbortHandle>> = RefCell::default();
    /// Names for requests; the randomness they begin with is there once a request is.
    static IDS: OnceCell<RequestIds> = const { OnceCell::new() };
}

/// Takes and gives the platform's own types: through any other every chunk would be copied. `bytes`
/// is the body, if it is small; `call` names the request for [`leave`].
#[wasm_bindgen]
pub async fn serve(
    request: Request,
    bytes: Option<Uint8Array>,
    call: f64,
    env: Env,
    context: worker_sys::Context,
) -> Result<Response, JsValue> {
    let incoming = Incoming { request: &request, bytes };
    let answer = staying(call as u64, served(&incoming, env, Context::new(context)));
    // A panic costs this request: what it leaves behind elsewhere is whole, or set anew.
    match AssertUnwindSafe(answer).await {
        Some(Ok(answer)) => Ok(answer),
        Some(Err(error)) => {
            console_error!("a request failed: {}", platform::words(&error));
            failed()
        }
        // Nobody reads it.
        None => Ok(Reply::empty().with_status(499).response()?),
    }
}

/// The answer to a request that ran into a fault of ours; it says nothing of it.
#[wasm_bindgen]
pub fn failed() -> Result<Response, JsValue> {
    let problem = Problem::new(Reason::Internal);
    let response = Reply::problem(&problem, Dialect::Native).response()?;
    platform::mark(&response, &marks(false));
    Ok(response)
}

/// The caller of a request has left: whatever is held for it is let go.
#[wasm_bindgen]
pub fn leave(call: f64) {
    let gone = OPEN.with_borrow_mut(|open| open.remove(&(call as u64)));
    gone.iter().for_each(AbortHandle::abort);
}

/// What comes of a request's work, unless its caller leaves before.
async fn staying<T>(call: u64, work: impl Future<Output = T>) -> Option<T> {
    let (work, handle) = abortable(work);
    OPEN.with_borrow_mut(|open| open.insert(call, handle));
    let _open = Open(call);
    work.await.ok()
}

/// An entry in [`OPEN`], until the request is answered or has panicked.
struct Open(u64);

impl Drop for Open {
    fn drop(&mut self) {
        OPEN.with_borrow_mut(|open| open.remove(&self.0));
    }
}

async fn served(incoming: &Incoming<'_>, env: Env, context: Context) -> Result<Response, JsValue> {
    let (method, url) = (incoming.request.method(), incoming.request.url());
    let head = Head::of(&method, &url, platform::head_of_asked(incoming.request));
    #[cfg(feature = "contract")]
    if let Some(name) = head.path.strip_prefix("/contract") {
        return Ok(crate::contract::answer(&env, name.trim_start_matches('/')).await?);
    }
    let from_page = head.fields.contains_key(ORIGIN);
    let response = answer(env, context, incoming, &head).await?;
    platform::mark(&response, &marks(from_page && !pages::is_private(head.path)));
    Ok(response)
}

async fn answer(
    env: Env,
    context: Context,
    incoming: &Incoming<'_>,
    head: &Head<'_>,
) -> worker::Result<Response> {
    if head.method == http::Method::OPTIONS {
        return Reply { headers: pages::preflight(head.path), ..Reply::empty() }.response();
    }
    let fixed = match hand::fixed(&env).and_then(|fixed| bindings(&env).map(|()| fixed)) {
        Ok(fixed) => fixed,
        Err(unfit) => return Reply::unfit(&unfit).response(),
    };
    let hand = Rc::new(Hand { env, context, fixed, signal: incoming.request.signal() });
    if let Some(refusal) = unready(&hand).await? {
        return Ok(refusal);
    }
    match pages::find(head.path) {
        Some(page) => local::answer(&hand, page, incoming, head).await,
        None => proxied(&hand, incoming, head).await,
    }
}

/// What is Google's, or nobody's.
async fn proxied(
    hand: &Rc<Hand>,
    incoming: &Incoming<'_>,
    head: &Head<'_>,
) -> worker::Result<Response> {
    let (asked, shown) = match asked::understand(head) {
        Ok(understood) => understood,
        Err((problem, dialect)) => return Reply::problem(&problem, dialect).response(),
    };
    match dispatch(hand, incoming, &asked, shown).await {
        Ok(response) => Ok(response),
        Err(problem) => Reply::problem(&problem, asked.route.dialect).response(),
    }
}

async fn dispatch(
    hand: &Rc<Hand>,
    incoming: &Incoming<'_>,
    asked: &Asked<'_>,
    shown: Shown,
) -> Result<Response, Problem> {
    if let Shown::Token(_) = shown {
        return Err(admission::no_tokens());
    }
    match asked.route.class {
        Class::Pooled => pooled::answer(hand, asked, incoming, &Rc::new(key(shown)?)).await,
        Class::Listing | Class::Own | Class::Download => {
            own::answer(hand, asked, incoming, &Rc::new(key(shown)?)).await
        }
        Class::UploadStart => uploads::start(hand, asked, incoming, &Rc::new(key(shown)?)).await,
        Class::UploadPart => uploads::part(hand, asked, incoming, shown).await,
        Class::Live | Class::LiveMusic => live::answer(hand, asked, Rc::new(key(shown)?)),
        Class::LiveConstrained => live::constrained(hand, asked, shown),
    }
}

/// Names the answer, and lets a page of another site read it where it may.
fn marks(readable: bool) -> HeaderMap {
    let mut marks = HeaderMap::new();
    marks.insert(pages::REQUEST_ID, next_id());
    if readable {
        pages::add_cors(&mut marks);
    }
    marks
}

fn next_id() -> HeaderValue {
    // A start that others may have as well is better than an answer that fails.
    let start = || RequestIds::new(getrandom::u32().unwrap_or_default());
    IDS.with(|ids| ids.get_or_init(start).next())
}

/// What keeps this Worker from serving, if anything does.
async fn unready(hand: &Hand) -> worker::Result<Option<Response>> {
    if READY.get() {
        return Ok(None);
    }
    let mut all = true;
    for object in hand.fixed.settings.objects() {
        let answer = local::ask(&hand.env, &object, local::READY).await;
        match answer {
            Ok(answer) if answer.ok() => {}
            Ok(answer) if local::is_final(&answer) => return Ok(Some(answer)),
            // It passes by itself; until then callers are served with their own keys.
            _ => all = false,
        }
    }
    READY.set(all);
    Ok(None)
}

fn bindings(env: &Env) -> Result<(), Unfit> {
    if READY.get() {
        return Ok(());
    }
    env.d1(unfit::DATABASE).map_err(|_| Unfit::NoDatabase)?;
    env.durable_object(unfit::OBJECT).map_err(|_| Unfit::NoObject)?;
    env.durable_object(unfit::RELAY).map(drop).map_err(|_| Unfit::NoRelay)
}
