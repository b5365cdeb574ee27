//! The one object that holds the pool in its memory.
//!
//! Rule: it reads D1 once, when its first request wakes it up, and answers nothing before. Requests
//! that come in meanwhile wait for that one reading. What could not be read is tried again with
//! the next request, so that a database put right needs no new deployment.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use futures_util::lock::Mutex;
use potluck_store::rows::{KeyState, Snapshot};
use potluck_store::{Store as _, StoreError};
use potluck_vault::{MasterKey, Vault};
use serde_json::json;
use worker::{DurableObject, Env, Request, Response, State, durable_object};

use crate::d1::D1Store;
use crate::reply;
use crate::unfit::{self, Unfit};

/// There is one pool, so there is one object; this is its name.
pub const NAME: &str = "pool";

/// The first day whose usage is read day by day: none yet, as nothing here counts by the day.
const SINCE_DAY: u32 = u32::MAX;

/// The object.
// Named for what it answers: without a name the macro exports handlers of sockets, which panic.
#[durable_object(fetch)]
pub struct Pool {
    env: Env,
    // A panic while it is locked leaves it as it was: it is only ever set whole.
    awake: AssertUnwindSafe<Mutex<Option<Rc<Awake>>>>,
}

/// What it knows once it has read D1.
struct Awake {
    /// Where changes will go.
    _store: D1Store,
    snapshot: Snapshot,
}

impl DurableObject for Pool {
    fn new(_state: State, env: Env) -> Pool {
        Pool { env, awake: AssertUnwindSafe(Mutex::new(None)) }
    }

    async fn fetch(&self, request: Request) -> worker::Result<Response> {
        let reply = match self.awake().await {
            Ok(awake) => awake.answer(&request.path())?,
            Err(unfit) => reply::unfit(&unfit)?,
        };
        Ok(reply.into())
    }
}

impl Pool {
    async fn awake(&self) -> Result<Rc<Awake>, Unfit> {
        let mut awake = self.awake.lock().await;
        if let Some(awake) = &*awake {
            return Ok(Rc::clone(awake));
        }
        let woken = Rc::new(Awake::from(&self.env).await?);
        *awake = Some(Rc::clone(&woken));
        Ok(woken)
    }
}

impl Awake {
    async fn from(env: &Env) -> Result<Awake, Unfit> {
        let database = env.d1(unfit::DATABASE).map_err(|_| Unfit::NoDatabase)?;
        let vault = Vault::new(&master_key(env)?);
        let store = D1Store::open(database, &vault).await?;
        let unreadable = |error: StoreError| Unfit::Unreadable(error.to_string());
        let snapshot = store.load(SINCE_DAY).await.map_err(unreadable)?;
        Ok(Awake { _store: store, snapshot })
    }

    fn answer(&self, path: &str) -> worker::Result<web_sys::Response> {
        match path {
            "/readyz" => reply::text(200, "ok"),
            _ => reply::json(&json!({ "keyCount": self.key_count(), "message": "success" })),
        }
    }

    /// Keys that can serve now or after a cooldown.
    fn key_count(&self) -> usize {
        let serves =
            |key: &&potluck_store::KeyRow| key.state == KeyState::Active && !key.limits.paused;
        self.snapshot.keys.iter().filter(serves).count()
    }
}

/// The secret that seals keys.
pub fn master_key(env: &Env) -> Result<MasterKey, Unfit> {
    let secret = env.secret(unfit::MASTER_KEY).map_err(|_| Unfit::NoMasterKey)?;
    let text = zeroize::Zeroizing::new(secret.to_string());
    MasterKey::parse(&text).map_err(Unfit::BadMasterKey)
}
