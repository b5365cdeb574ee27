//! Keys as they were stored, at the start.

use crate::{
    id::Tombstone,
    key::{Key, State},
    pool::Pool,
    record::KeyRecord,
    rest::{Cause, CooldownRecord, Reach, Scope},
    time::Now,
};

impl<S: Clone> Pool<S> {
    /// Takes a stored key in; its cooldowns and limits hold on. A key beyond the pool's size, or
    /// one that is there already, is left out.
    pub fn restore(&mut self, record: KeyRecord, secret: S, now: Now) -> bool {
        if self.keys.find(record.id).is_some() || !self.has_room() {
            return false;
        }
        let mut key = Key::new(record.id, secret, record.limits, record.added);
        if record.state != State::Active {
            key.apart.state = record.state;
        }
        key.usage = record.usage.into();
        let slot = self.keys.insert(key);
        for cooldown in record.cooldowns {
            self.restore_cooldown(slot, cooldown, now);
        }
        self.restore_learned(slot, &record.learned, now);
        self.wake_at_day_end(slot, now);
        self.sync(slot, now);
        if matches!(record.state, State::Disabled { .. }) {
            self.plan_for_restored(slot, now);
        }
        if let Some(key) = self.keys.get_mut(slot) {
            // What was just read need not be written.
            key.dirty &= !crate::event::mark::COOLDOWNS;
        }
        true
    }

    /// Takes a stored tombstone in.
    pub fn restore_tombstone(&mut self, tombstone: Tombstone) {
        self.tombstones.insert(tombstone);
    }

    /// A stored tombstone is of a key that an operator had put out.
    pub fn restore_barred(&mut self, tombstone: Tombstone) {
        self.tombstones.bar(tombstone);
    }

    fn restore_cooldown(&mut self, slot: crate::id::Slot, cooldown: CooldownRecord, now: Now) {
        let until = now.mono_at(cooldown.until);
        if until <= now.mono {
            return;
        }
        let reach = match cooldown.scope {
            Scope::Everything => Reach::Everything,
            Scope::Family(family) => Reach::Family(family),
            Scope::Lane { model, family, metered } => {
                Reach::Lane(self.lane(&model, family, metered, now))
            }
        };
        self.rest(slot, reach, cooldown.cause, until, now);
        if let (Reach::Lane(lane), Cause::LimitZero) = (reach, cooldown.cause) {
            self.bill(lane, now);
        }
    }
}
