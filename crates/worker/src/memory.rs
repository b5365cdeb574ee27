//! What an isolate remembers from one request to the next.
//!
//! Rule: nothing here is the only place of anything that must not be lost; all of it is bounded;
//! and whatever belongs to one request's context (promises, bodies) stays with that request.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use potluck_core::{KeyId, Mono, Spill, Wall};
use potluck_edition::gate::Gate;
use potluck_gemini::ApiKey;
use potluck_vault::{Sealed, Vault};
use worker::{Date, Delay};

use crate::clock::Clock;
use crate::garbage::Garbage;
use crate::hand::Hand;
use crate::leases::Leases;
use crate::line::{LentSaid, Token, Told};
use crate::object;

/// Unsealed keys: what a busy isolate lends within a few seconds.
const MOST_OPENED: usize = 1024;
/// Callers of whom it is known that their keys are in the pool, and for how long that is believed.
const MOST_KNOWN: usize = 8192;
const KNOWN_FOR: Duration = Duration::from_secs(300);
/// What is to be told waits so long for more of its kind, or for a question to travel with.
const TELL_AFTER: Duration = Duration::from_millis(500);
/// A telling that was planned and did not happen has died with its request.
const TELLING_DIED: Duration = Duration::from_secs(5);
/// Messages that wait; beyond, the oldest are dropped, and the object ends what it never hears of.
const MOST_TOLD: usize = 4096;

/// One isolate's memory.
#[derive(Default)]
pub struct Memory {
    /// Leases that are ready.
    pub leases: RefCell<Leases>,
    /// Callers who are not to be asked for.
    pub garbage: RefCell<Garbage>,
    /// Bytes of bodies that are kept now.
    pub kept: Cell<usize>,
    /// Until when Google is asked through an object that stands elsewhere.
    pub blocked: Cell<Mono>,
    /// Where to ask when a part of the pool has nothing.
    pub spill: RefCell<Spill>,
    /// How often somebody may try the operators' token; there from the first try on.
    pub gate: RefCell<Option<Gate>>,
    opened: RefCell<HashMap<[u8; 16], (Vec<u8>, Rc<ApiKey>)>>,
    known: RefCell<HashMap<KeyId, Mono>>,
    told: RefCell<HashMap<u8, Vec<Told>>>,
    telling: Cell<Option<Mono>>,
    clock: Clock,
    token: Cell<Token>,
}

thread_local! {
    static MEMORY: Memory = Memory::default();
}

/// Looks into this isolate's memory.
pub fn with<T>(look: impl FnOnce(&Memory) -> T) -> T {
    MEMORY.with(look)
}

/// The time, which never goes back.
pub fn now() -> Mono {
    with(|memory| memory.clock.at(Date::now().as_millis()).mono)
}

/// The date.
pub fn wall() -> Wall {
    with(|memory| memory.clock.at(Date::now().as_millis()).wall)
}

/// A name for an exchange that nobody else has drawn.
pub fn token() -> Token {
    with(|memory| {
        if memory.token.get() == 0 {
            // A start that another isolate has as well costs one of two calls its exchange.
            memory.token.set(getrandom::u64().unwrap_or_default());
        }
        memory.token.set(memory.token.get().wrapping_add(1));
        memory.token.get()
    })
}

impl Memory {
    /// The key that was lent, unsealed; none if it cannot be.
    pub fn open(&self, lent: &LentSaid, vault: &Vault) -> Option<Rc<ApiKey>> {
        let mut opened = self.opened.borrow_mut();
        if let Some((sealed, key)) = opened.get(&lent.id)
            && *sealed == lent.sealed
        {
            return Some(Rc::clone(key));
        }
        let sealed = Sealed::from_bytes(lent.sealed.as_slice());
        let key = Rc::new(vault.open(&lent.id, &sealed).ok()?);
        if opened.len() >= MOST_OPENED {
            opened.clear();
        }
        opened.insert(lent.id, (lent.sealed.clone(), Rc::clone(&key)));
        Some(key)
    }

    /// Whether the key was in the pool a short while ago.
    pub fn knows(&self, key: KeyId, now: Mono) -> bool {
        self.known.borrow().get(&key).is_some_and(|until| *until > now)
    }

    /// The object knows the key, or does not.
    pub fn learn(&self, key: KeyId, is_known: bool, now: Mono) {
        let mut known = self.known.borrow_mut();
        if !is_known {
            known.remove(&key);
            return;
        }
        if known.len() >= MOST_KNOWN {
            known.retain(|_, until| *until > now);
        }
        if known.len() < MOST_KNOWN {
            known.insert(key, now + KNOWN_FOR);
        }
    }

    /// Puts down what an object is to be told.
    pub fn tell(&self, shard: u8, what: impl IntoIterator<Item = Told>) {
        let mut told = self.told.borrow_mut();
        let told = told.entry(shard).or_default();
        told.extend(what);
        let over = told.len().saturating_sub(MOST_TOLD);
        told.drain(..over);
    }

    /// Puts back what an object could not be told.
    pub fn tell_again(&self, shard: u8, told: Vec<Told>) {
        let since = self.told.borrow_mut().insert(shard, told).unwrap_or_default();
        self.tell(shard, since);
    }

    /// All that an object is to be told.
    pub fn to_tell(&self, shard: u8) -> Vec<Told> {
        self.told.borrow_mut().get_mut(&shard).map(std::mem::take).unwrap_or_default()
    }

    fn owes(&self) -> Vec<u8> {
        let told = self.told.borrow();
        told.iter().filter(|(_, told)| !told.is_empty()).map(|(shard, _)| *shard).collect()
    }
}

/// Has whatever is to be told told soon, in this request's context.
pub fn tell_soon(hand: &Rc<Hand>) {
    let now = now();
    let planned = with(|memory| {
        let planned = memory.telling.get().is_some_and(|at| now < at + TELLING_DIED);
        if !planned {
            memory.telling.set(Some(now));
        }
        planned
    });
    if planned {
        return;
    }
    let teller = Rc::clone(hand);
    hand.context.wait_until(async move {
        Delay::from(TELL_AFTER).await;
        with(|memory| memory.telling.set(None));
        for shard in with(Memory::owes) {
            object::tell(&teller, shard).await;
        }
    });
}
