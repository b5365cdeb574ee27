//! What a request needs of its surroundings.

use std::cell::RefCell;
use std::rc::Rc;

use web_sys::AbortSignal;
use worker::{Context, Env};

use crate::fixed::Fixed;
use crate::pool::master_key;
use crate::settings::Settings;
use crate::unfit::Unfit;

/// One request's surroundings.
pub struct Hand {
    /// The bindings.
    pub env: Env,
    /// Lets work go on behind the answer.
    pub context: Context,
    /// Tells that the caller left.
    pub signal: AbortSignal,
    /// What all requests of this isolate share.
    pub fixed: Rc<Fixed>,
}

thread_local! {
    static FIXED: RefCell<Option<Rc<Fixed>>> = const { RefCell::new(None) };
}

/// Reads bindings once in an isolate's life; what cannot be read is read again next time.
pub fn fixed(env: &Env) -> Result<Rc<Fixed>, Unfit> {
    if let Some(fixed) = FIXED.with_borrow(Clone::clone) {
        return Ok(fixed);
    }
    let fixed = Rc::new(Fixed::new(settings(env)?, &master_key(env)?));
    FIXED.set(Some(Rc::clone(&fixed)));
    Ok(fixed)
}

/// The operator's settings.
pub fn settings(env: &Env) -> Result<Settings, Unfit> {
    let variable = |name: &str| env.var(name).ok().map(|value| value.to_string());
    Settings::read(variable).map_err(|unreadable| Unfit::Setting(unreadable.to_string()))
}
