//! The one object that holds the pool in its memory.
//!
//! Rule: it reads D1 once, when its first request or alarm wakes it up, and answers nothing before.
//! Requests that come in meanwhile wait for that one reading. What could not be read is tried again
//! with the next request, so that a database put right needs no new deployment. Where the pool is
//! split, there are several such objects, and each holds the keys that fall to it by their ids.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use futures_util::lock::Mutex;
use potluck_edition::admin::operations;
use potluck_edition::pages::{self, Page};
use potluck_edition::usage::Days;
use potluck_gemini::Dialect;
use potluck_gemini::answer::{Problem, Reason};
use potluck_vault::MasterKey;
use wasm_bindgen::prelude::*;
use worker::{DurableObject, Env, Method, Request, Response, State, console_error, durable_object};

use crate::asked::Head;
use crate::awake::Awake;
use crate::caller::Caller;
use crate::hand;
use crate::line::Heard;
use crate::reply::Reply;
use crate::unfit::{self, Unfit};

/// The object.
// Named for what it answers: without a name the macro exports handlers of sockets, which panic.
#[durable_object(alarm)]
pub struct Pool {
    state: AssertUnwindSafe<State>,
    env: Env,
    // A panic while it is locked leaves it as it was: it is only ever set whole.
    awake: AssertUnwindSafe<Mutex<Option<Rc<Awake>>>>,
}

impl DurableObject for Pool {
    fn new(state: State, env: Env) -> Pool {
        Pool { state: AssertUnwindSafe(state), env, awake: AssertUnwindSafe(Mutex::new(None)) }
    }

    async fn fetch(&self, request: Request) -> worker::Result<Response> {
        let reply = match self.awake().await {
            Ok(awake) => answer(&awake, request).await?,
            Err(unfit) => Reply::unfit(&unfit),
        };
        Ok(reply.response()?.into())
    }

    /// The platform calls again, ever later, after an error.
    async fn alarm(&self) -> worker::Result<Response> {
        let awake = self.awake().await.map_err(|unfit| unfit.to_string())?;
        // What D1 did not take just now has set an alarm of its own.
        drop(awake.wake().await);
        awake.probe().await;
        Response::empty()
    }
}

#[wasm_bindgen]
impl Pool {
    /// What isolates say, see [`crate::line`].
    pub async fn ask(&self, said: String) -> Result<JsValue, JsValue> {
        // What a panic leaves behind is what the macro's own handlers leave behind.
        AssertUnwindSafe(self.hear(said)).await
    }

    /// What the hour brings; `sweeps` for the one part of the pool that tidies up D1.
    pub async fn tend(&self, sweeps: bool) -> Result<(), JsValue> {
        AssertUnwindSafe(async {
            let awake = self.awake().await.map_err(|unfit| unfit.to_string())?;
            // What D1 did not take just now has set an alarm of its own.
            drop(awake.wake().await);
            awake.probe().await;
            if sweeps {
                drop(awake.sweep().await);
            }
            Ok(())
        })
        .await
    }
}

impl Pool {
    /// Nothing is said back while D1 cannot be read: then callers are served with their own keys.
    async fn hear(&self, said: String) -> Result<JsValue, JsValue> {
        let heard = match self.awake().await {
            Ok(awake) => {
                let said = serde_json::from_str(&said).map_err(|error| error.to_string())?;
                awake.hear(said).await
            }
            Err(unfit) => {
                console_error!("{unfit}");
                Heard::default()
            }
        };
        let text = serde_json::to_string(&heard).map_err(|error| error.to_string())?;
        Ok(text.into())
    }

    async fn awake(&self) -> Result<Rc<Awake>, Unfit> {
        let mut awake = self.awake.lock().await;
        if let Some(awake) = awake.as_ref().filter(|awake| awake.is_fit()) {
            return Ok(Rc::clone(awake));
        }
        let shard = self.shard()?;
        let woken = Rc::new(Awake::from(&self.env, shard, self.state.storage()).await?);
        *awake = Some(Rc::clone(&woken));
        Ok(woken)
    }

    /// Which part of the pool this is. An object that is named otherwise was left behind by another
    /// number of parts; it serves nobody.
    fn shard(&self) -> Result<u8, Unfit> {
        let settings = hand::settings(&self.env)?;
        let objects = self.env.durable_object(unfit::OBJECT).map_err(|_| Unfit::NoObject)?;
        let own = self.state.id().to_string();
        let is_own =
            |name: &String| objects.id_from_name(name).is_ok_and(|id| id.to_string() == own);
        let shard = settings.objects().position(|name| is_own(&name));
        shard.and_then(|shard| u8::try_from(shard).ok()).ok_or(Unfit::LeftBehind)
    }
}

/// Answers what an isolate asks of a page. A key is in none of it; see [`crate::caller`].
async fn answer(awake: &Awake, mut request: Request) -> worker::Result<Reply> {
    let (method, url) = (request.inner().method(), request.inner().url());
    let asked = Head::of(&method, &url, http::HeaderMap::new());
    let page = pages::find(asked.path);
    let caller = Caller::read(|name| request.headers().get(name).ok().flatten());
    let answered = match (page, caller) {
        (Some(Page::Me), Some(caller)) => {
            let method = request.method();
            let patch = if method == Method::Patch { request.bytes().await? } else { Vec::new() };
            awake.contributor(&method, caller, &patch).await
        }
        (Some(Page::MyUsage), Some(caller)) => match Days::asked(asked.query) {
            Ok(days) => awake.usage_of(caller, days).await,
            Err(problem) => Err(problem),
        },
        (Some(Page::Admin), _) => match operations::task(&asked.method, asked.path, asked.query) {
            Ok(task) => awake.operate(task, &request.bytes().await?).await,
            Err(problem) => Err(problem),
        },
        (Some(page), _) => awake.answer(page),
        (None, _) => Err(Problem::new(Reason::NoRoute)),
    };
    Ok(answered.unwrap_or_else(|problem| Reply::problem(&problem, Dialect::Native)))
}

/// The secret that seals keys.
pub fn master_key(env: &Env) -> Result<MasterKey, Unfit> {
    let secret = env.secret(unfit::MASTER_KEY).map_err(|_| Unfit::NoMasterKey)?;
    let text = zeroize::Zeroizing::new(secret.to_string());
    MasterKey::parse(&text).map_err(Unfit::BadMasterKey)
}
