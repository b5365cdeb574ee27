//! What operators may do with keys, whoever contributed them.
//!
//! Rule: what an operator took out of service stays out until an operator takes it back: no call of
//! its bearer's, no probe and no verdict says otherwise, and it is not erased for having been out
//! long. Its bearer is served with it alone.

use crate::{
    call::Outcome,
    id::{KeyId, Slot},
    key::{Key, Reason, State},
    pool::{Pool, Withdrawal, probe::judge_probe, view::state_words},
    record::Me,
    time::{Mono, Now},
    verdict::Verdict,
};

/// Some of the keys, in the order of their places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// They, as their contributors see them.
    pub keys: Vec<Me>,
    /// Where the next ones begin, if there may be more.
    pub next: Option<u32>,
}

/// Which keys are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sought<'t> {
    /// Of this state alone.
    pub state: Option<&'t str>,
    /// With this in their id or in what is said of why they are out, in small letters.
    pub text: Option<&'t str>,
}

impl Sought<'_> {
    fn is_met_by<S>(self, key: &Key<S>, now: Now) -> bool {
        let (state, why) = state_words(key, now);
        let named = |text| holds(why, text) || key.id.shown(|id| id.contains(text));
        self.state.is_none_or(|wanted| wanted == state) && self.text.is_none_or(named)
    }
}

/// Whether a sentence of ours holds a text in small letters, however the sentence is written.
fn holds(sentence: &str, text: &str) -> bool {
    let mut parts = sentence.as_bytes().windows(text.len().max(1));
    text.is_empty() || parts.any(|part| part.eq_ignore_ascii_case(text.as_bytes()))
}

impl<S: Clone> Pool<S> {
    /// Keys from a place on, at most so many of those that are sought.
    ///
    /// No more places are looked at than one may while calls wait: a listing may be short, or
    /// empty, and yet go on.
    pub fn list(&self, from: u32, most: usize, sought: Sought<'_>, now: Now) -> Listing {
        let end = self.keys.places().min(from.saturating_add(LOOKS));
        let mut keys = Vec::new();
        for at in from..end {
            let Some((_, key)) = self.keys.at(at) else { continue };
            if !sought.is_met_by(key, now) {
                continue;
            }
            if keys.len() == most {
                return Listing { keys, next: Some(at) };
            }
            keys.extend(self.me(key.id, now));
        }
        Listing { keys, next: (end < self.keys.places()).then_some(end) }
    }

    /// Calls lent by all keys together, each since it joined: what one lent is its share of these.
    pub fn lent_calls(&self) -> u64 {
        self.keys.lent_calls()
    }

    /// Takes a key out of service; false if there is no such key.
    pub fn put_out(&mut self, id: KeyId, now: Now) -> bool {
        let Some(slot) = self.keys.find(id) else { return false };
        self.disable(slot, Reason::Operator, now);
        // What is held against many at once, and what a probe may say, is nothing to it any more.
        self.guard.forget(slot);
        if let Some(key) = self.keys.get_mut(slot) {
            key.apart.suspect = None;
            key.apart.probe.doubt = None;
        }
        true
    }

    /// Takes a key back into service, whoever or whatever took it out; false if there is none.
    pub fn put_back(&mut self, id: KeyId, now: Now) -> bool {
        let Some(slot) = self.keys.find(id) else { return false };
        if let Some(key) = self.keys.get_mut(slot).filter(|key| !key.is_active()) {
            key.apart.state = State::Active;
            self.revive(slot, now);
        }
        true
    }

    /// What Google is asked with about a key, when an operator wants to know now.
    pub fn secret(&self, id: KeyId) -> Option<(Slot, S)> {
        let slot = self.keys.find(id)?;
        self.keys.get(slot).map(|key| (slot, key.secret.clone()))
    }

    /// Takes note of what Google said then. An answer that says nothing of the key changes nothing,
    /// and so does any answer about a key that an operator took out of service.
    pub fn checked(&mut self, slot: Slot, outcome: Outcome<'_>, now: Now) -> Verdict {
        let verdict = judge_probe(outcome);
        let Some(key) = self.keys.get_mut(slot).filter(|key| !key.is_put_out()) else {
            return verdict;
        };
        let dead = match verdict {
            Verdict::KeyDead(reason) | Verdict::PerhapsDead(reason) => Some(reason),
            Verdict::Served => None,
            verdict if verdict.blames_quota() => None,
            _ => return verdict,
        };
        let probe = &mut key.apart.probe;
        if probe.asked.is_none() {
            // When it was asked is not known here, so it is no witness to what came since.
            (probe.asked, probe.at) = (Some(dead.unwrap_or(Reason::Invalid)), Mono(0));
        }
        self.probed(slot, outcome, now);
        verdict
    }

    /// Erases a key without a trace: its bearer's next call may bring it back. The driver erases it in
    /// the store, under the same lock: an event would come late, behind whoever brings it back.
    pub fn erase(&mut self, id: KeyId) -> Option<Withdrawal> {
        let slot = self.keys.find(id)?;
        self.drop_key(slot);
        Some(Withdrawal { slot, leases: self.keys.leases(slot) })
    }
}

/// Places looked at under one lock: some tens of microseconds, even where a text is looked for.
const LOOKS: u32 = 256;
