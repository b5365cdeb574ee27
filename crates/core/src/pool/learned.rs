//! What was learned of quotas: told to the store, and taken in at the start.
//!
//! Rule: an account is taken in with the day that it is of, and only then is the present day begun.
//! So counts of another day are dropped and habits learned from them, as if the pool had run on.

use crate::{
    event::{Event, mark},
    id::{Slot, seeded},
    key::Key,
    learned::{MAX_ACCOUNTS, Words, text},
    ledger::Ledger,
    meter::{BELIEVED_FOR_DAYS, Elsewhere, Kept, Meter},
    pool::Pool,
    rest::{Reach, Scope},
    time::Now,
};

impl<S: Clone> Pool<S> {
    /// Takes in what was learned of a quota by all keys together. Quotas first, then keys: what a
    /// key spent is of a quota that is known. What does not read is left out.
    pub fn restore_quota(&mut self, scope: &str, facts: &str, now: Now) {
        let today = self.today(now);
        let Some(scope) = Scope::parse(scope).filter(|_| is_recent(facts, today)) else { return };
        let Some(lane) = self.lane_of(scope, now).filter(|lane| self.is_home(*lane)) else {
            return;
        };
        for line in facts.lines() {
            match Words::of(line, ALIAS, 1).and_then(|mut words| words.lane()) {
                Some(alias) => self.restore_alias(lane, alias, now),
                None => self.lanes.at_mut(lane).ledger.recall(line),
            }
        }
        self.lanes.at_mut(lane).ledger.turn(today);
    }

    /// What is to be kept of a key's quotas: a text, and the last day it is of.
    pub(super) fn learned(&self, slot: Slot, now: Now) -> (u32, Box<str>) {
        let Some(key) = self.keys.get(slot) else { return (0, "".into()) };
        let said = if self.is_guess(slot) { GUESS } else { PROJECT };
        let project = self.project_name(slot).map(|name| format!("{said} {name:016x}"));
        let mut meters: Vec<&Meter> = key.meters.iter().collect();
        meters.sort_by_key(|meter| std::cmp::Reverse(meter.recency()));
        let accounts = meters.iter().filter_map(|meter| {
            let reach = Reach::Lane(meter.lane);
            let counted = |rest: &crate::rest::Rest| rest.reach == reach && rest.told < rest.until;
            meter.line(&self.plain_scope(meter.lane)?, key.rests.iter().any(counted), now)
        });
        let elsewhere = meters.iter().take(MAX_ACCOUNTS);
        let elsewhere =
            elsewhere.filter_map(|meter| meter.elsewhere_line(&self.plain_scope(meter.lane)?));
        let lines = accounts.take(MAX_ACCOUNTS).chain(project).chain(elsewhere);
        let day = meters.first().map_or_else(|| self.today(now), |meter| meter.recency().0);
        (day, text(lines))
    }

    /// Takes in what was kept of a key's quotas, and with whom it shares them.
    pub(super) fn restore_learned(&mut self, slot: Slot, facts: &str, now: Now) {
        let today = self.today(now);
        let elsewhere = Elsewhere::read(facts);
        for line in facts.lines() {
            if let Some(kept) = Kept::read(line, &elsewhere, today, now) {
                self.restore_account(slot, kept, now);
                continue;
            }
            for said in [PROJECT, GUESS] {
                let word = Words::of(line, said, 1).and_then(|mut words| words.word());
                let name = word.and_then(|name| u64::from_str_radix(name, 16).ok());
                if let Some(name) = name {
                    self.restore_kin(slot, name, now);
                    self.guess((said == GUESS).then_some(slot));
                }
            }
        }
    }

    /// The next quota of which something was learned, if it was put among the events.
    pub(super) fn take_quota(&mut self) -> Option<Event<S>> {
        loop {
            let lane = self.events.quotas.pop_front()?;
            let Some(scope) = self.plain_scope(lane).filter(|_| self.is_home(lane)) else {
                continue;
            };
            let at = self.lanes.at(lane);
            let (day, mut lines) = at.ledger.lines();
            let aliases = at.aliases.iter().filter_map(|alias| self.plain_scope(*alias));
            lines.extend(aliases.map(|alias| format!("{ALIAS} {alias}")));
            let (scope, facts) = (scope.to_string().into(), text(lines.into_iter()));
            return Some(Event::Quota { scope, day, facts });
        }
    }

    /// Puts quotas among the events of which something was learned.
    pub(super) fn flush_quotas(&mut self) {
        for lane in 0..self.lanes.len() {
            let ledger = &mut self.lanes.at_mut(lane).ledger;
            if std::mem::take(&mut ledger.changed) {
                self.mark_quota(lane);
            }
        }
    }

    /// Puts a quota among the events.
    pub(super) fn mark_quota(&mut self, lane: u16) {
        if !self.events.quotas.contains(&lane) {
            self.events.quotas.push_back(lane);
        }
    }

    /// Puts the quota of a scope, as it was told, among the events.
    pub(super) fn mark_quota_of(&mut self, scope: &str) {
        let is = |lane: &u16| self.plain_scope(*lane).is_some_and(|own| own.to_string() == scope);
        if let Some(lane) = (0..self.lanes.len()).find(is) {
            self.mark_quota(lane);
        }
    }

    /// Notes that it changed which keys are of one project: each keeps its project's name.
    pub(super) fn mark_family(&mut self, slot: Slot) {
        self.family_of(slot).into_iter().for_each(|slot| self.mark(slot, mark::LEARNED));
    }

    /// What a key's project is called, if other keys of it are known: a hash of the id, itself a
    /// keyed hash, of the key that keeps its accounts.
    pub(super) fn project_name(&self, slot: Slot) -> Option<u64> {
        self.keys.get(slot)?.apart.kin.as_ref()?;
        let head = self.keys.get(self.head(slot))?;
        Some(seeded(NAMES, &head.id.0))
    }

    fn restore_account(&mut self, slot: Slot, Kept { scope, mut meter, counted }: Kept, now: Now) {
        let Some(lane) = self.lane_of(scope, now) else { return };
        let quota = self.lanes.at(lane).quota;
        let today = self.today(now);
        let ledger = &mut self.lanes.at_mut(quota).ledger;
        ledger.turn(today);
        if meter.was_told() {
            ledger.tiers.recall(&meter.allowance);
        }
        let asked = meter.asked.then(|| ledger.weight_of(meter.own_day()));
        ledger.recall_account(meter.taken, meter.borrowed, asked);
        let spent = meter.spent_its_day();
        meter.lane = quota;
        let booked = self.keys.get(slot).is_some_and(Key::is_booked);
        self.unbook(slot);
        let Some(key) = self.keys.get_mut(slot) else { return };
        key.take_in(meter);
        if booked {
            self.book_all(slot, now);
        }
        if spent {
            self.weigh(slot, quota, now);
        }
        if let Some(key) = self.keys.get_mut(slot).filter(|_| counted) {
            key.make_counted(Reach::Lane(quota));
        }
    }

    fn restore_alias(&mut self, home: u16, alias: Scope, now: Now) {
        if let Some(alias) = self.lane_of(alias, now).filter(|alias| self.is_home(*alias)) {
            self.lanes.share(alias, home);
            self.fill(alias, now);
        }
    }

    /// The lane of a scope that was kept, which is in use; none where lanes have run out.
    fn lane_of(&mut self, scope: Scope, now: Now) -> Option<u16> {
        let Scope::Lane { model, family, metered } = scope else { return None };
        let lane = self.lane(&model, family, metered, now);
        self.lanes.at_mut(lane).pinned = true;
        self.lanes.is_metered(lane).then_some(lane)
    }

    fn is_home(&self, lane: u16) -> bool {
        self.lanes.at(lane).quota == lane
    }

    /// What a lane is called where it is kept: overflow lanes are of no model, and a name that
    /// breaks a line is none of Google's.
    fn plain_scope(&self, lane: u16) -> Option<Scope> {
        let plain = !self.lanes.at(lane).model.contains(char::is_control);
        (plain && self.lanes.is_metered(lane)).then(|| self.scope(Reach::Lane(lane)))
    }

    /// A key that shared its quotas with others shares them again, once one of those is there.
    fn restore_kin(&mut self, slot: Slot, name: u64, now: Now) {
        match self.projects.get(name).filter(|known| self.keys.get(*known).is_some()) {
            Some(known) => {
                self.unite(known, slot, now);
                // Another key may keep the accounts now, whose name is to be kept by all.
                if self.project_name(slot) != Some(name) {
                    self.mark_family(slot);
                }
            }
            None => self.projects.insert(name, slot),
        }
    }
}

/// Whether a quota was used lately: a model that is gone takes no lane.
fn is_recent(facts: &str, today: u32) -> bool {
    let day = Ledger::last_use(facts);
    day.is_some_and(|day| today.saturating_sub(day) <= BELIEVED_FOR_DAYS)
}

/// The facts' names.
const PROJECT: &str = "project";
const GUESS: &str = "guess";
const ALIAS: &str = "alias";
/// Makes the names of projects others than any other hash of an id.
const NAMES: u64 = 0x51c3_07be_6a2d_94f7;
