//! Keys of one project.
//!
//! Quotas are the project's, so one key of it, the head, keeps the accounts of all; the others know
//! who it is. Most keys are alone and know of nobody.

use crate::{id::Slot, key::Kin, meter::Meter, pool::Pool, time::Now};

impl<S: Clone> Pool<S> {
    /// The key that keeps the accounts of a key's project.
    pub(super) fn head(&self, slot: Slot) -> Slot {
        match self.keys.get(slot).and_then(|key| key.apart.kin.as_deref()) {
            Some(Kin::Of(head)) if self.keys.get(*head).is_some() => *head,
            _ => slot,
        }
    }

    /// All keys of a key's project that are known, itself among them.
    pub(super) fn family_of(&self, slot: Slot) -> Vec<Slot> {
        let head = self.head(slot);
        let mut all = vec![head];
        if let Some(Kin::Heads(others)) =
            self.keys.get(head).and_then(|key| key.apart.kin.as_deref())
        {
            all.extend(others.iter().copied());
        }
        all
    }

    /// What was spent elsewhere was spent by another key of the project, which is known to be one now.
    pub(super) fn make_whole(&mut self, slot: Slot, now: Now) {
        let head = self.head(slot);
        let Some(key) = self.keys.get_mut(head) else { return };
        key.meters.iter_mut().for_each(Meter::clear_elsewhere);
        self.book_all(head, now);
    }

    /// Does something to all keys of a project.
    pub(super) fn of_project(&mut self, slot: Slot, mut act: impl FnMut(&mut Self, Slot)) {
        // Most keys are alone, and have no list to be made.
        if self.keys.get(slot).is_some_and(|key| key.apart.kin.is_none()) {
            return act(self, slot);
        }
        for slot in self.family_of(slot) {
            act(self, slot);
        }
    }

    /// Makes two keys' projects one.
    pub(super) fn unite(&mut self, a: Slot, b: Slot, now: Now) {
        let (head, other) = (self.head(a), self.head(b));
        let joining = self.family_of(other);
        if head == other || self.family_of(head).len() + joining.len() > MAX_FAMILY {
            return;
        }
        self.unbook(other);
        let Some(key) = self.keys.get_mut(other) else { return };
        let meters = std::mem::take(&mut key.meters);
        for slot in &joining {
            if let Some(key) = self.keys.get_mut(*slot) {
                key.apart.kin = Some(Box::new(Kin::Of(head)));
            }
        }
        self.siblings += 1;
        let Some(key) = self.keys.get_mut(head) else { return };
        match key.apart.kin.as_deref_mut() {
            Some(Kin::Heads(others)) => others.extend(joining),
            _ => key.apart.kin = Some(Box::new(Kin::Heads(joining))),
        }
        // What is booked is of what was taken, which changes now.
        self.unbook(head);
        for meter in meters {
            let lane = meter.lane;
            if self.keys.meter(head, lane).is_some()
                && let Some(mine) = self.meter(head, lane, now)
            {
                mine.merge(meter);
            } else if let Some(key) = self.keys.get_mut(head) {
                key.open(meter);
            }
        }
        self.book_all(head, now);
    }

    /// A key leaves: its project's accounts go to another of its keys.
    pub(super) fn leave_kin(&mut self, slot: Slot) {
        let Some(key) = self.keys.get_mut(slot) else { return };
        match key.apart.kin.take().map(|kin| *kin) {
            None => self.unbook(slot),
            Some(Kin::Of(head)) => {
                self.siblings = self.siblings.saturating_sub(1);
                let Some(key) = self.keys.get_mut(head) else { return };
                if let Some(Kin::Heads(others)) = key.apart.kin.as_deref_mut() {
                    others.retain(|one| *one != slot);
                }
            }
            Some(Kin::Heads(others)) => self.hand_over(slot, others),
        }
    }

    fn hand_over(&mut self, slot: Slot, mut others: Vec<Slot>) {
        let Some(heir) = others.pop() else { return self.unbook(slot) };
        let Some(key) = self.keys.get_mut(slot) else { return };
        let meters = std::mem::take(&mut key.meters);
        for other in &others {
            if let Some(key) = self.keys.get_mut(*other) {
                key.apart.kin = Some(Box::new(Kin::Of(heir)));
            }
        }
        self.siblings = self.siblings.saturating_sub(1);
        let Some(key) = self.keys.get_mut(heir) else { return };
        key.meters = meters;
        key.apart.kin = (!others.is_empty()).then(|| Box::new(Kin::Heads(others)));
        self.mark_family(heir);
    }

    /// A project spent more than its limit allows: its keys are of several.
    pub(super) fn part(&mut self, head: Slot, now: Now) {
        let family = self.family_of(head);
        if family.len() < 2 {
            return;
        }
        self.unbook(head);
        self.mark_family(head);
        for slot in &family {
            if let Some(key) = self.keys.get_mut(*slot) {
                key.apart.kin = None;
            }
        }
        self.siblings = self.siblings.saturating_sub(family.len() as u32 - 1);
        self.book_all(head, now);
    }
}

/// Keys of one project: Google allows some hundreds.
const MAX_FAMILY: usize = 1024;
