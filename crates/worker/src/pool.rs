//! The one object that holds the pool in its memory.
//!
//! Rule: it reads D1 once, when its first request or alarm wakes it up, and answers nothing before.
//! Requests that come in meanwhile wait for that one reading. What could not be read is tried again
//! with the next request, so that a database put right needs no new deployment.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use futures_util::lock::Mutex;
use potluck_edition::pages::{self, Page};
use potluck_gemini::Dialect;
use potluck_gemini::answer::{Problem, Reason};
use potluck_vault::{MasterKey, Vault};
use worker::{DurableObject, Env, Method, Request, Response, State, durable_object};

use crate::awake::Awake;
use crate::caller::Caller;
use crate::reply::Reply;
use crate::unfit::{self, Unfit};

/// There is one pool, so there is one object; this is its name.
pub const NAME: &str = "pool";

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
        Response::empty()
    }
}

impl Pool {
    async fn awake(&self) -> Result<Rc<Awake>, Unfit> {
        let mut awake = self.awake.lock().await;
        if let Some(awake) = awake.as_ref().filter(|awake| awake.is_fit()) {
            return Ok(Rc::clone(awake));
        }
        let vault = Vault::new(&master_key(&self.env)?);
        let woken = Rc::new(Awake::from(&self.env, &vault, self.state.storage()).await?);
        *awake = Some(Rc::clone(&woken));
        Ok(woken)
    }
}

/// Answers what an isolate asks. A key is in none of it; see [`crate::caller`].
async fn answer(awake: &Awake, mut request: Request) -> worker::Result<Reply> {
    let page = pages::find(&request.path());
    let caller = Caller::read(|name| request.headers().get(name).ok().flatten());
    let answered = match (page, caller) {
        (Some(Page::Me), Some(caller)) => {
            let method = request.method();
            let patch = if method == Method::Patch { request.bytes().await? } else { Vec::new() };
            awake.contributor(&method, caller, &patch).await
        }
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
