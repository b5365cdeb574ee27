//! The pool.
#![allow(missing_docs, unused)]
use std::marker::PhantomData;
use crate::*;
use crate::wire::Failure;

pub struct Pool<S> { nothing: PhantomData<S> }
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why { /** A key wakes. */ Wake, /** A probe is due. */ Probe, /** A contributor's day ends. */ Day, /** A dead key is to be erased. */ Erase, /** A billed mark ends. */ Unbill, /** Counts are to be stored. */ Flush, /** Held verdicts are to be decided. */ Guard }
/// What became of a change of limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed { /** New limits hold. */ Limits(Limits), /** A withdrawn key may join again with its next call. */ MayRejoin, /** Nobody knows the key. */ Unknown, /** Not possible. */ Refused(LimitsRefused) }
/// A withdrawal under way: finished when `leases(slot)` is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withdrawal { pub slot: Slot, pub leases: u32 }

impl<S: Clone> Pool<S> {
    pub fn new(config: Config, seed: u64) -> Self { Pool { nothing: PhantomData } }
    // at start
    pub fn restore(&mut self, record: KeyRecord, secret: S, now: Now) {}
    pub fn restore_tombstone(&mut self, tombstone: Tombstone) {}
    // getters
    pub fn knows(&self, id: KeyId) -> bool { false }
    pub fn is_withdrawn(&self, tombstone: Tombstone) -> bool { false }
    pub fn key_count(&self) -> usize { 0 }
    pub fn summary(&self, now: Now) -> Summary { Summary::default() }
    pub fn metrics(&self) -> Metrics { Metrics::default() }
    pub fn me(&self, id: KeyId, now: Now) -> Option<Me> { None }
    pub fn leases(&self, slot: Slot) -> u32 { 0 }
    // an exchange's life
    pub fn begin(&mut self, call: Call<'_>, now: Now) -> Exchange { unimplemented!() }
    pub fn next(&mut self, x: &mut Exchange, now: Now) -> Step<S> { unimplemented!() }
    pub fn report(&mut self, x: &mut Exchange, outcome: Outcome<'_>, now: Now) -> After { unimplemented!() }
    /// After `Commit{admit:true}` or `Admit`, once the store has the key; false: the pool is full.
    pub fn admitted(&mut self, x: &mut Exchange, secret: S, now: Now) -> bool { unimplemented!() }
    /// An error met after the head: mid-stream, or a Live close frame.
    pub fn interrupted(&mut self, x: &mut Exchange, failure: &Failure, now: Now) -> Verdict { unimplemented!() }
    pub fn finish(&mut self, x: Exchange, end: End, now: Now) {}
    // commands
    pub fn change(&mut self, id: KeyId, tombstone: Option<Tombstone>, patch: &LimitsPatch, now: Now) -> Changed { Changed::Unknown }
    pub fn withdraw(&mut self, id: KeyId, tombstone: Tombstone, now: Now) -> Option<Withdrawal> { None }
    /// How a probe (`Event::Probe`) went.
    pub fn probed(&mut self, slot: Slot, outcome: Outcome<'_>, now: Now) {}
    /// Puts every unsaved count into the events; before the driver stops.
    pub fn flush(&mut self) {}
    // poll side
    pub fn poll_event(&mut self, now: Now) -> Option<Event<S>> { None }
    pub fn poll_timeout(&self) -> Option<(Mono, Why)> { None }
    pub fn handle_timeout(&mut self, now: Now) {}
}
