//! What contributors may do with their keys: set limits, and withdraw.

use std::collections::{HashSet, VecDeque};

use crate::{
    event::mark,
    id::{Hashed, KeyId, Slot, Tombstone},
    limits::{Limits, LimitsPatch, LimitsRefused},
    pool::{Pool, events::Notice},
    time::Now,
};

/// What became of a change of limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// These limits hold now.
    Limits(Limits),
    /// The key was withdrawn; its next call may prove it anew.
    MayRejoin,
    /// The key was withdrawn, and the change does not ask for it to come back.
    StaysWithdrawn,
    /// Nobody knows the key.
    Unknown,
    /// Such limits cannot be set.
    Refused(LimitsRefused),
}

/// A withdrawal: the key is out of the pool, its attempts under way may yet end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// The place it had: `leases` of it says how many attempts are under way.
    pub slot: Slot,
    /// Attempts under way now.
    pub leases: u32,
}

impl<S: Clone> Pool<S> {
    /// Changes a contributor's limits, or lets a withdrawn key come back.
    pub fn change(
        &mut self,
        id: KeyId,
        tombstone: Option<Tombstone>,
        patch: &LimitsPatch,
        now: Now,
    ) -> Changed {
        let Some(slot) = self.keys.find(id) else {
            return self.change_withdrawn(tombstone, patch);
        };
        let Some(key) = self.keys.get_mut(slot) else { return Changed::Unknown };
        if let Err(refused) = patch.apply(&mut key.apart.limits) {
            return Changed::Refused(refused);
        }
        let limits = key.apart.limits.clone();
        self.wake_at_day_end(slot, now);
        self.mark(slot, mark::LIMITS);
        self.sync(slot, now);
        Changed::Limits(limits)
    }

    /// Takes a key out of the pool: no attempt uses it any more, not even a retry under way.
    pub fn withdraw(&mut self, id: KeyId, tombstone: Tombstone, _: Now) -> Option<Withdrawal> {
        let slot = self.keys.find(id)?;
        let put_out = self.keys.get(slot).is_some_and(|key| key.is_put_out());
        self.drop_key(slot);
        self.tombstones.insert(tombstone);
        if put_out {
            // Whoever was put out must not come back by leaving first.
            self.tombstones.bar(tombstone);
        }
        self.events.notices.push_back(Notice::Withdrawn(id, tombstone));
        Some(Withdrawal { slot, leases: self.keys.leases(slot) })
    }

    /// Takes a key out whose secret cannot be read; nothing of it is stored or erased.
    pub fn leave_out(&mut self, id: KeyId) -> bool {
        let slot = self.keys.find(id);
        slot.into_iter().for_each(|slot| self.drop_key(slot));
        slot.is_some()
    }

    fn change_withdrawn(&mut self, tombstone: Option<Tombstone>, patch: &LimitsPatch) -> Changed {
        let Some(tombstone) = tombstone.filter(|one| self.tombstones.contains(*one)) else {
            return Changed::Unknown;
        };
        if patch.paused != Some(false) || self.tombstones.is_barred(tombstone) {
            return Changed::StaysWithdrawn;
        }
        self.tombstones.remove(tombstone);
        self.events.notices.push_back(Notice::Lifted(tombstone));
        Changed::MayRejoin
    }

    /// Removes a key and every trace of it in the rings.
    pub(super) fn drop_key(&mut self, slot: Slot) {
        self.count(slot, crate::key::Class::Nothing);
        self.leave_kin(slot);
        if self.keys.remove(slot).is_some() {
            self.clear_place(slot.at);
        }
    }
}

/// Keys that were withdrawn, oldest first.
#[derive(Debug, Default)]
pub(super) struct Tombstones {
    all: HashSet<[u8; 16], Hashed>,
    /// Those of keys that an operator had put out.
    barred: HashSet<[u8; 16], Hashed>,
    order: VecDeque<Tombstone>,
}

impl Tombstones {
    pub(super) fn contains(&self, tombstone: Tombstone) -> bool {
        self.all.contains(&tombstone.0)
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Keeps a key's contributor from lifting its tombstone.
    pub(super) fn bar(&mut self, tombstone: Tombstone) {
        if self.contains(tombstone) {
            self.barred.insert(tombstone.0);
        }
    }

    fn is_barred(&self, tombstone: Tombstone) -> bool {
        self.barred.contains(&tombstone.0)
    }

    pub(super) fn insert(&mut self, tombstone: Tombstone) {
        if !self.all.insert(tombstone.0) {
            return;
        }
        self.order.push_back(tombstone);
        while self.order.len() > MAX_TOMBSTONES {
            if let Some(oldest) = self.order.pop_front() {
                self.all.remove(&oldest.0);
                self.barred.remove(&oldest.0);
            }
        }
    }

    fn remove(&mut self, tombstone: Tombstone) {
        if self.all.remove(&tombstone.0) {
            self.order.retain(|one| *one != tombstone);
        }
    }
}

/// Tombstones kept: as many as keys can be. Beyond, the oldest is forgotten, and its app, if it
/// still calls, joins again.
const MAX_TOMBSTONES: usize = 1 << 20;
