//! The store's contract, run against D1 on request.
//!
//! `GET /contract` names the cases; `GET /contract/NAME` runs one, against the D1 binding of that
//! very name, which must be empty and migrated. 200 is a promise kept, 500 says which was broken.
//! A case fails by a panic, which ends here: the isolate goes on.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use futures_util::FutureExt as _;
use potluck_store::contract::{CASES, Place};
use potluck_store::{Answer, Store, StoreError};
use potluck_vault::{MasterKey, Vault};
use web_sys::Response;
use worker::send::SendFuture;
use worker::{Env, console_error};

use crate::d1::D1Store;
use crate::reply::Reply;

/// Answers what is asked below `/contract`.
pub async fn answer(env: &Env, name: &str) -> worker::Result<Response> {
    if name.is_empty() {
        let names: Vec<_> = CASES.iter().map(|(name, _)| *name).collect();
        return Reply::json(&names.into()).response();
    }
    let Some((name, case)) = CASES.iter().find(|(known, _)| *known == name) else {
        return Reply::text("no such case").with_status(404).response();
    };
    let place = Bound::new(env, name)?;
    match AssertUnwindSafe(case(&place)).catch_unwind().await {
        Ok(()) => Reply::text("ok").response(),
        Err(panic) => Reply::text(message(&*panic)).with_status(500).response(),
    }
}

/// The database of one case.
struct Bound {
    env: Env,
    name: &'static str,
    vault: Rc<Vault>,
}

impl Bound {
    fn new(env: &Env, name: &'static str) -> worker::Result<Bound> {
        let master = MasterKey::generate().map_err(|error| error.to_string())?;
        Ok(Bound { env: env.clone(), name, vault: Rc::new(Vault::new(&master)) })
    }
}

impl Place for Bound {
    fn open(&self) -> Answer<Box<dyn Store>> {
        let (database, vault) = (self.env.d1(self.name), Rc::clone(&self.vault));
        Box::pin(SendFuture::new(async move {
            let database = database.map_err(|_| StoreError::Unavailable)?;
            match D1Store::open(database, &vault).await {
                Ok(store) => Ok(Box::new(store) as Box<dyn Store>),
                Err(unfit) => {
                    console_error!("{unfit}");
                    Err(StoreError::Failed)
                }
            }
        }))
    }
}

fn message(panic: &dyn Any) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words")
}
