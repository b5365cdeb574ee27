//! Events that wait to be taken.

use std::collections::VecDeque;

use crate::{
    event::{ALARMS, Alarm, Event, mark},
    id::{KeyId, Slot, Tombstone},
    pool::Pool,
    time::Now,
};

/// What waits: marks on keys, and what is about keys that are gone.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// Keys with marks, each once.
    dirty: VecDeque<Slot>,
    /// About keys that are gone, in order.
    pub(super) notices: VecDeque<Notice>,
    /// Quotas of which something was learned.
    pub(super) quotas: VecDeque<u16>,
    /// Keys whose counts changed since they were stored, each once.
    pub(super) used: Vec<Slot>,
    pub(super) flush_planned: bool,
    alarms: [bool; ALARMS.len()],
}

#[derive(Debug)]
pub(super) enum Notice {
    Withdrawn(KeyId, Tombstone),
    Lifted(Tombstone),
    Erased(KeyId),
}

/// Keys that there is room for after a flood of them; a larger queue is given back when it is empty.
pub(super) const KEPT_ROOM: usize = 1 << 12;

impl Events {
    pub(super) fn alarm(&mut self, alarm: Alarm) {
        self.alarms[alarm as usize] = true;
    }

    fn take_alarm(&mut self) -> Option<Alarm> {
        let at = self.alarms.iter().position(|raised| *raised)?;
        self.alarms[at] = false;
        ALARMS.get(at).copied()
    }
}

impl<S: Clone> Pool<S> {
    /// The next thing to be stored, probed or told.
    pub fn poll_event(&mut self, now: Now) -> Option<Event<S>> {
        if let Some(alarm) = self.events.take_alarm() {
            return Some(Event::Alarm(alarm));
        }
        match self.events.notices.pop_front() {
            Some(Notice::Withdrawn(id, tombstone)) => {
                return Some(Event::Withdrawn { id, tombstone });
            }
            Some(Notice::Lifted(tombstone)) => return Some(Event::TombstoneLifted(tombstone)),
            Some(Notice::Erased(id)) => return Some(Event::Erase(id)),
            None => {}
        }
        while let Some(slot) = self.events.dirty.front().copied() {
            if let Some(event) = self.take_mark(slot, now) {
                return Some(event);
            }
            self.events.dirty.pop_front();
        }
        if self.events.dirty.capacity() > KEPT_ROOM {
            self.events.dirty = VecDeque::new();
        }
        self.books.next().map(Event::Usage).or_else(|| self.take_quota())
    }

    /// What an event says could not be done: it is told again, as it is by then. So whatever waits for a
    /// store waits here, where it cannot overflow.
    pub fn untold(&mut self, event: &Event<S>, now: Now) {
        match event {
            Event::State { id, .. } => self.mark_id(*id, mark::STATE),
            Event::Cooldowns { id, .. } => self.mark_id(*id, mark::COOLDOWNS),
            Event::Limits { id, .. } => self.mark_id(*id, mark::LIMITS),
            Event::Learned { id, .. } => self.mark_id(*id, mark::LEARNED),
            Event::Probe { id, .. } => self.mark_id(*id, mark::PROBE),
            Event::Usage(used) => self.note_again(used, now),
            Event::Quota { scope, .. } => self.mark_quota_of(scope),
            Event::Withdrawn { id, tombstone } => {
                self.events.notices.push_back(Notice::Withdrawn(*id, *tombstone));
            }
            Event::TombstoneLifted(tombstone) => {
                self.events.notices.push_back(Notice::Lifted(*tombstone));
            }
            Event::Erase(id) => self.events.notices.push_back(Notice::Erased(*id)),
            Event::Alarm(alarm) => self.events.alarm(*alarm),
        }
    }

    fn mark_id(&mut self, id: KeyId, marks: u8) {
        if let Some(slot) = self.keys.find(id) {
            self.mark(slot, marks);
        }
    }

    /// Whether there is anything to be stored, probed or told.
    pub fn has_events(&self) -> bool {
        let Events { dirty, notices, quotas, alarms, .. } = &self.events;
        let none = dirty.is_empty() && notices.is_empty() && quotas.is_empty();
        !none || self.books.has_closed() || alarms.contains(&true)
    }

    /// Whether a key's erasure is among what is to be stored.
    pub fn is_leaving(&self, id: KeyId) -> bool {
        let erases = |notice: &Notice| matches!(notice, Notice::Withdrawn(of, _) if *of == id);
        self.events.notices.iter().any(erases)
    }

    /// Whether there are counts that wait for their half-minute; [`Pool::flush`] does not.
    pub fn has_counts(&self) -> bool {
        !self.events.used.is_empty() || self.books.has_open()
    }

    /// Marks a key: its events are made when they are taken.
    pub(super) fn mark(&mut self, slot: Slot, marks: u8) {
        let Some(key) = self.keys.get_mut(slot) else { return };
        if key.dirty == 0 {
            self.events.dirty.push_back(slot);
        }
        key.dirty |= marks;
    }

    fn take_mark(&mut self, slot: Slot, now: Now) -> Option<Event<S>> {
        let key = self.keys.get_mut(slot)?;
        let lowest = key.dirty & key.dirty.wrapping_neg();
        key.dirty &= !lowest;
        let id = key.id;
        Some(match lowest {
            mark::STATE => Event::State { id, state: key.apart.state },
            mark::LIMITS => Event::Limits { id, limits: key.apart.limits.clone() },
            // Nobody asks any more.
            mark::PROBE if key.apart.probe.asked.is_none() => return self.take_mark(slot, now),
            mark::PROBE => Event::Probe { slot, id, secret: key.secret.clone() },
            mark::COOLDOWNS => Event::Cooldowns { id, cooldowns: self.cooldowns(slot, now) },
            mark::LEARNED => {
                let (day, facts) = self.learned(slot, now);
                Event::Learned { id, day, facts }
            }
            _ => return None,
        })
    }
}
