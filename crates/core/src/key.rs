//! One key of the pool: its state, limits, rests and counts.

use crate::{
    id::{KeyId, Slot},
    lane::Place,
    limits::Limits,
    meter::Meter,
    rare::{Rare, Usual},
    rest::{Cause, Reach, Rest, UNNAMED_MEMORY, UNNAMED_STEPS},
    time::{Mono, Wall},
    usage::Counts,
};

/// A key and everything known of it.
#[derive(Debug)]
pub(crate) struct Key<S> {
    pub(crate) id: KeyId,
    pub(crate) secret: S,
    pub(crate) apart: Rare<Apart>,
    pub(crate) added: Wall,
    pub(crate) rests: Rare<Vec<Rest>>,
    /// Its project's accounts, unless another key of the project keeps them.
    pub(crate) meters: Box<[Meter]>,
    pub(crate) usage: Counts,
    /// Attempts under way whose head is not there yet.
    pub(crate) leases: u32,
    /// Which events are waiting to be taken.
    pub(crate) dirty: u8,
    pub(crate) used: bool,
    pub(crate) erase_queued: bool,
    pub(crate) class: Class,
}

/// What sets few keys apart from all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Apart {
    pub(crate) limits: Limits,
    pub(crate) state: State,
    /// Held back by the everyone-at-once guard: chosen only when nobody else can serve.
    pub(crate) suspect: Option<Reason>,
    /// Other keys of its project, as far as any are known.
    pub(crate) kin: Option<Box<Kin>>,
    /// The wake-up that is queued for the end of a day whose loan is used up.
    pub(crate) day_wake: Mono,
    pub(crate) probe: Probe,
}

impl Usual for Apart {
    const USUAL: &'static Apart = &Apart {
        limits: Limits::USUAL,
        state: State::Active,
        suspect: None,
        kin: None,
        day_wake: Mono::NEVER,
        probe: Probe { failures: 0, asked: None, cleared: 0, doubt: None, at: Mono::NEVER },
    };
}

impl Default for Apart {
    fn default() -> Self {
        Self::USUAL.clone()
    }
}

impl Usual for Vec<Rest> {
    const USUAL: &'static Vec<Rest> = &Vec::new();
}

impl<S> Key<S> {
    /// Whether anything of it stands in a ledger.
    pub(crate) fn is_booked(&self) -> bool {
        self.meters.iter().any(|meter| meter.booked.counts)
    }

    pub(crate) fn new(id: KeyId, secret: S, limits: Limits, added: Wall) -> Self {
        let mut apart = Rare::<Apart>::default();
        if limits != Limits::USUAL {
            apart.limits = limits;
        }
        Key {
            id,
            secret,
            apart,
            added,
            rests: Rare::default(),
            meters: Box::default(),
            usage: Counts::default(),
            leases: 0,
            dirty: 0,
            used: false,
            erase_queued: false,
            class: Class::Nothing,
        }
    }

    /// Adds an account, and says where it is. There is no room kept for more: most have one.
    pub(crate) fn open(&mut self, meter: Meter) -> usize {
        let mut meters = std::mem::take(&mut self.meters).into_vec();
        meters.reserve_exact(1);
        meters.push(meter);
        self.meters = meters.into_boxed_slice();
        self.meters.len() - 1
    }

    /// Takes in an account of its project's: into the one of the same quota, if there is one.
    pub(crate) fn take_in(&mut self, meter: Meter) {
        match self.meters.iter_mut().find(|mine| mine.lane == meter.lane) {
            Some(mine) => mine.merge(meter),
            None => drop(self.open(meter)),
        }
    }

    /// Takes out the account of a quota.
    pub(crate) fn close(&mut self, quota: u16) -> Option<Meter> {
        let at = self.meters.iter().position(|meter| meter.lane == quota)?;
        let mut meters = std::mem::take(&mut self.meters).into_vec();
        let closed = meters.remove(at);
        self.meters = meters.into_boxed_slice();
        Some(closed)
    }

    pub(crate) fn is_active(&self) -> bool {
        self.apart.state == State::Active
    }

    /// Whether an operator took it out of service.
    pub(crate) fn is_put_out(&self) -> bool {
        matches!(self.apart.state, State::Disabled { reason: Reason::Operator, .. })
    }

    /// Whether others may be served with the key at all now, rests apart.
    pub(crate) fn is_lent(&self, now: Wall) -> bool {
        let apart = &*self.apart;
        self.is_active() && apart.suspect.is_none() && !apart.limits.paused && !self.lent_out(now)
    }

    /// When every rest that covers this lane will be over.
    pub(crate) fn rested_at(&self, place: Place, now: Mono) -> Mono {
        self.rest(place, now).map_or(now, |rest| rest.until)
    }

    /// The rest that keeps the key from this lane now, the longest if there are several.
    pub(crate) fn rest(&self, place: Place, now: Mono) -> Option<&Rest> {
        let covers = |rest: &&Rest| match rest.reach {
            Reach::Lane(at) => at == place.lane || at == place.quota,
            Reach::Family(at) => at == place.family,
            Reach::Everything => true,
        };
        self.rests.iter().filter(covers).filter(|rest| rest.until > now).max_by_key(|r| r.until)
    }

    /// Whether the key itself could serve this lane now, whoever asks.
    pub(crate) fn can_serve(&self, place: Place, now: Mono) -> bool {
        self.is_active() && self.rest(place, now).is_none()
    }

    /// Whether today's loan is used up.
    pub(crate) fn lent_out(&self, now: Wall) -> bool {
        let limit = self.apart.limits.lend_per_day;
        limit.is_some_and(|limit| {
            limit == 0 || (now < self.usage.day_end && self.usage.lent_today >= limit)
        })
    }

    /// The class in the census.
    pub(crate) fn class_at(&self, now: Mono) -> Class {
        match self.apart.state {
            State::Disabled { .. } => Class::Disabled,
            State::Active if self.apart.limits.paused => Class::Paused,
            State::Active if self.apart.suspect.is_some() => Class::Held,
            State::Active if self.rests_whole(now) => Class::Resting,
            State::Active => Class::Serving,
        }
    }

    pub(crate) fn rests_whole(&self, now: Mono) -> bool {
        self.rests.iter().any(|rest| rest.reach == Reach::Everything && rest.until > now)
    }

    /// Whether some family of methods rests.
    pub(crate) fn rests_somewhere(&self, now: Mono) -> bool {
        self.rests.iter().any(|rest| matches!(rest.reach, Reach::Family(_)) && rest.until > now)
    }

    /// Notes a rest, one per reach: the later end wins. Whether it is a new cooldown.
    pub(crate) fn put_rest(&mut self, reach: Reach, cause: Cause, until: Mono, now: Mono) -> bool {
        let fresh = self.put(reach, cause, until, now);
        if let Some(rest) = self.rest_of(reach) {
            rest.told = rest.told.max(until);
        }
        fresh
    }

    /// Notes a rest by the pool's own count. Whether it is a new cooldown.
    pub(crate) fn put_counted(
        &mut self,
        reach: Reach,
        cause: Cause,
        until: Mono,
        now: Mono,
    ) -> bool {
        self.put(reach, cause, until, now)
    }

    fn put(&mut self, reach: Reach, cause: Cause, until: Mono, now: Mono) -> bool {
        let known = self.rest_of(reach);
        let Some(rest) = known else {
            let (told, queued) = (Mono(0), Mono::NEVER);
            self.rests.reserve_exact(1);
            self.rests.push(Rest { reach, cause, step: 0, told, until, queued });
            return true;
        };
        let fresh = rest.until <= now;
        if fresh || rest.until < until {
            let step = if fresh { 0 } else { rest.step };
            *rest = Rest { cause, until, step, ..*rest };
        }
        fresh
    }

    /// Takes back what the pool's own count added to a rest; whether there was anything.
    pub(crate) fn uncount(&mut self, reach: Reach, now: Mono) -> bool {
        let counted = |rest: &&mut Rest| rest.until > now && rest.told < rest.until;
        let Some(rest) = self.rest_of(reach).filter(counted) else { return false };
        rest.until = rest.told.max(now);
        true
    }

    /// Notes an unnamed quota: one step per window, however many answers speak of it.
    pub(crate) fn put_unnamed(&mut self, lane: u16, now: Mono) -> bool {
        let reach = Reach::Lane(lane);
        let old = self.rests.iter().find(|rest| rest.reach == reach).copied();
        if old.is_some_and(|rest| rest.until > now) {
            return false;
        }
        let recent =
            |rest: &Rest| rest.cause == Cause::Unnamed && now.since(rest.until) < UNNAMED_MEMORY;
        let step = old.filter(recent).map_or(0, |rest| rest.step + 1);
        let step = step.min(UNNAMED_STEPS.len() as u8 - 1);
        let until = now + UNNAMED_STEPS[usize::from(step)];
        self.put_rest(reach, Cause::Unnamed, until, now);
        if let Some(rest) = self.rest_of(reach) {
            rest.step = step;
        }
        true
    }

    /// Notes of a rest that was kept that the pool's own count made it.
    pub(crate) fn make_counted(&mut self, reach: Reach) {
        let same = |rest: &&mut Rest| rest.reach == reach;
        self.rests.iter_mut().filter(same).for_each(|rest| rest.told = Mono(0));
    }

    /// Forgets rests of one cause, so that the key may serve at once.
    pub(crate) fn lift(&mut self, lifted: impl Fn(&Rest) -> bool) {
        if !self.rests.is_empty() {
            self.rests.retain(|rest| !lifted(rest));
        }
        if self.rests.is_empty() {
            self.rests.clear();
        }
    }

    /// The rest of one reach; at most one has it.
    pub(crate) fn rest_of(&mut self, reach: Reach) -> Option<&mut Rest> {
        let at = self.rests.iter().position(|rest| rest.reach == reach)?;
        self.rests.get_mut(at)
    }

    /// Forgets how often an unnamed quota was met here: it serves again. A rest that still runs
    /// (own calls go out meanwhile) stays until its wake-up.
    pub(crate) fn settle(&mut self, lane: u16, now: Mono) {
        if !self.rests.is_empty() {
            let over = |rest: &Rest| rest.cause == Cause::Unnamed && rest.until <= now;
            self.lift(|rest| rest.reach == Reach::Lane(lane) && over(rest));
        }
    }
}

/// Which keys share a project with this one, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kin {
    /// Another key keeps the project's accounts.
    Of(Slot),
    /// This key keeps them for these, too.
    Heads(Vec<Slot>),
}

/// The life of a key in the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// In service, though it may rest for some models.
    Active,
    /// Out until its bearer, or a probe, proves it again.
    Disabled {
        /// Why.
        reason: Reason,
        /// Since when.
        since: Wall,
    },
}

/// Why a key is out, or may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Google does not know the key: invalid, expired or deleted.
    Invalid,
    /// The key's project is suspended.
    Suspended,
    /// Google refused the key as a credential.
    Unauthenticated,
    /// Google holds the key for leaked.
    Leaked,
    /// The key's project has been denied access.
    Denied,
    /// The Gemini API is not enabled in the key's project.
    ServiceDisabled,
    /// The key's restrictions shut the pool out.
    Blocked,
    /// The key's project is unusable.
    Project,
    /// An operator took it out of service.
    Operator,
}

impl Reason {
    /// The name that the store keeps.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Invalid => "invalid",
            Reason::Suspended => "suspended",
            Reason::Unauthenticated => "unauthenticated",
            Reason::Leaked => "leaked",
            Reason::Denied => "denied",
            Reason::ServiceDisabled => "service-disabled",
            Reason::Blocked => "blocked",
            Reason::Project => "project",
            Reason::Operator => "operator",
        }
    }

    /// Reads a stored name.
    pub fn parse(name: &str) -> Option<Reason> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// In a contributor's words.
    pub fn words(self) -> &'static str {
        match self {
            Reason::Invalid => "Google says that the key is invalid, expired or deleted",
            Reason::Suspended => "Google has suspended the key's project",
            Reason::Unauthenticated => "Google refuses the key as a credential",
            Reason::Leaked => "Google holds the key for leaked",
            Reason::Denied => "Google has denied the key's project access",
            Reason::ServiceDisabled => "the Gemini API is not enabled in the key's project",
            Reason::Blocked => "the key's restrictions do not admit calls from here",
            Reason::Project => "the key's project is disabled or has no billing",
            Reason::Operator => "the operator has taken the key out of service",
        }
    }

    /// Whether asking Google about the key again could only do harm.
    pub(crate) fn is_final(self) -> bool {
        matches!(self, Reason::Leaked | Reason::Suspended | Reason::Operator)
    }

    /// All of them.
    pub const ALL: [Reason; 9] = [
        Reason::Invalid,
        Reason::Suspended,
        Reason::Unauthenticated,
        Reason::Leaked,
        Reason::Denied,
        Reason::ServiceDisabled,
        Reason::Blocked,
        Reason::Project,
        Reason::Operator,
    ];
}

/// Where the census counts a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Not counted yet.
    Nothing,
    Serving,
    Resting,
    Held,
    Paused,
    Disabled,
}

/// How far the probing of a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    /// Probes in a row that found the key dead, or found nothing out.
    pub(crate) failures: u8,
    /// The doubt that the probe under way is to settle; a dead key's reason otherwise.
    pub(crate) asked: Option<Reason>,
    /// Probes in a row that found nothing wrong with a doubtful key.
    pub(crate) cleared: u8,
    /// The doubt to ask about again.
    pub(crate) doubt: Option<Reason>,
    /// When the next probe is due, or the one under way given up.
    pub(crate) at: Mono,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_read_what_they_wrote() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.name()), Some(reason));
        }
        assert_eq!(Reason::parse("none"), None);
    }
}
