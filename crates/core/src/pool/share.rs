//! Whose call may be served with what is left.
//!
//! Decided once an exchange, before its first key is chosen; [`crate::ledger`] has the rule.

use crate::{
    call::{Exchange, Guest, Share},
    id::{KeyId, Slot},
    ledger::Borrower,
    meter::Meter,
    pool::Pool,
    quota::Axis,
    time::Now,
};

impl<S: Clone> Pool<S> {
    /// What an exchange may claim; found out once.
    pub(super) fn share(&mut self, x: &mut Exchange, now: Now) -> Share {
        if let Some(share) = x.share {
            return share;
        }
        let share = self.claim(x, now);
        x.share = Some(share);
        share
    }

    /// Gives back what an exchange claimed that was not served: unless Google counted it all the
    /// same, which the own keys alone would have spent as well; or no key was left to try, for it was
    /// wanted then, and tomorrow is to be provided for it.
    pub(super) fn unclaim(&mut self, x: &Exchange, now: Now) {
        let Some(lane) = x.lane.filter(|lane| self.lanes.is_metered(*lane)) else { return };
        if let (Some(token), Some(Share::Borrows)) = (token(x), x.share) {
            self.ledger_mut(lane).unlent_to(token);
        }
        if x.guest == Some(Guest::Entitled) && x.share.is_some() {
            self.ledger_mut(lane).left_again();
        }
        let Some(own) = x.own else { return };
        match x.share {
            Some(Share::Entitled) if x.tries > 0 && x.spent.is_none() => {
                self.untake(own, lane, now);
            }
            Some(Share::Borrows) => self.unlend_to(own, lane, now),
            _ => {}
        }
    }

    fn untake(&mut self, own: Slot, lane: u16, now: Now) {
        let moment = self.moment(now);
        if let Some(taken) = self.meter(own, lane, now).map(Meter::untake) {
            self.ledger_mut(lane).untook(taken, moment);
        }
        self.book(own, lane, now);
        self.touch(own, now);
    }

    fn unlend_to(&mut self, own: Slot, lane: u16, now: Now) {
        if let Some(meter) = self.meter(own, lane, now) {
            meter.borrowed = meter.borrowed.saturating_sub(1);
        }
        self.ledger_mut(lane).unlent();
    }

    /// The own key serves, that is not lent: nothing of the pool's is used.
    pub(super) fn repay(&mut self, x: &mut Exchange, now: Now) {
        if x.share == Some(Share::Borrows) {
            self.unclaim(x, now);
            x.share = Some(Share::Entitled);
        }
    }

    /// The own key, for a call that nothing is left over for: if it is not lent, or if nobody knows
    /// what it can.
    pub(super) fn own_alone(&mut self, x: &Exchange, lane: u16, now: Now) -> Option<Slot> {
        let own = x.own.filter(|own| self.serves(x, *own, now))?;
        let apart = !self.lanes.at(lane).ring.contains(own.at);
        let told = |meter: &mut Meter| meter.allowance.limit(Axis::DayRequests).is_some();
        (apart || !self.meter(own, lane, now).is_some_and(told)).then_some(own)
    }

    /// A call that only the own key may serve is one that it alone would have served.
    pub(super) fn takes_own(&mut self, x: &Exchange, own: Slot, now: Now) {
        let Some(lane) = x.lane.filter(|lane| self.lanes.is_metered(*lane)) else { return };
        let moment = self.moment(now);
        let taken = self.meter(own, lane, now).and_then(|meter| meter.takes(None, moment));
        if let Some(taken) = taken {
            self.ledger_mut(lane).took(taken, moment);
        }
    }

    /// Whether it matters with whose key a lane's calls are served.
    pub(super) fn is_scarce(&mut self, lane: u16, now: Now) -> bool {
        let moment = self.moment(now);
        let beside = self.beside(lane);
        let ledger = self.ledger_mut(lane);
        ledger.is_bounded(beside) && ledger.is_scarce(ledger.left_over(beside, moment), moment)
    }

    /// Whether nothing is left of a lane's day, for nobody.
    pub(super) fn is_spent(&mut self, lane: u16, now: Now) -> bool {
        let moment = self.moment(now);
        let beside = self.beside(lane);
        let ledger = self.ledger_mut(lane);
        ledger.is_bounded(beside) && ledger.outlook(beside, moment).left == 0
    }

    fn claim(&mut self, x: &Exchange, now: Now) -> Share {
        let Some(lane) = x.lane.filter(|lane| self.lanes.is_metered(*lane)) else {
            return Share::Entitled;
        };
        if x.guest == Some(Guest::Entitled) {
            let moment = self.moment(now);
            self.ledger_mut(lane).took_in(moment);
            return Share::Entitled;
        }
        if self.takes(x, lane, now) {
            return Share::Entitled;
        }
        let borrower = match x.guest {
            Some(Guest::Token) => {
                let borrowed = token(x).map(|token| self.ledger_mut(lane).borrowed_by(token));
                Borrower::Token { borrowed: borrowed.unwrap_or(0) }
            }
            Some(_) => Borrower::Guest,
            None => self.borrower(x.own, lane, now),
        };
        if let Some(meter) = x.own.and_then(|own| self.meter(own, lane, now))
            && !std::mem::replace(&mut meter.asked, true)
        {
            self.ledger_mut(lane).joins(borrower);
        }
        self.borrow(x, lane, borrower, now)
    }

    /// Whether the own keys alone would serve a call; then it is taken from what is theirs.
    fn takes(&mut self, x: &Exchange, lane: u16, now: Now) -> bool {
        let Some(own) = x.own.filter(|own| self.brings(*own, lane, now)) else { return false };
        let moment = self.moment(now);
        let likely = self.ledger_mut(lane).day_limit();
        let Some(meter) = self.meter(own, lane, now) else { return false };
        let limit = meter.own_day().or(likely);
        let Some(taken) = meter.takes(limit, moment) else { return false };
        let settles = meter.settles();
        self.ledger_mut(lane).took(taken, moment);
        if settles {
            self.book(own, lane, now);
        }
        self.touch(own, now);
        true
    }

    /// What a key may spend a day, as far as it is known or likely.
    fn day_limit(&mut self, slot: Slot, lane: u16, now: Now) -> Option<u32> {
        let told = self.meter(slot, lane, now).and_then(|meter| meter.own_day());
        told.or_else(|| self.lanes.at(self.lanes.at(lane).quota).ledger.day_limit())
    }

    /// Who borrows, by the own key.
    pub(super) fn borrower(&mut self, own: Option<Slot>, lane: u16, now: Now) -> Borrower {
        let Some(own) = own.filter(|own| self.brings(*own, lane, now)) else {
            return Borrower::Nobody;
        };
        let weight = self.day_limit(own, lane, now).unwrap_or(1);
        let meter = self.meter(own, lane, now);
        let (borrowed, taken) = meter.map_or((0, 0), |meter| (meter.borrowed, meter.taken));
        Borrower::Brings { borrowed, weight, ahead: taken < weight }
    }

    /// Whether a key is of use to others on a lane: lent there, and not closed to it.
    fn brings(&self, own: Slot, lane: u16, now: Now) -> bool {
        let at = self.lanes.place(lane);
        self.keys.get(own).is_some_and(|key| {
            let closed = key.rest(at, now.mono).is_some_and(|rest| !rest.cause.is_quota());
            let lane = self.lanes.at(lane);
            let lends = key.apart.limits.lend_per_day != Some(0) && !key.apart.limits.paused;
            key.is_active() && lends && !closed && lane.terms.allow(&key.apart.limits, &lane.model)
        })
    }

    fn borrow(&mut self, x: &Exchange, lane: u16, borrower: Borrower, now: Now) -> Share {
        let moment = self.moment(now);
        let beside = self.beside(lane);
        let ledger = self.ledger_mut(lane);
        if !ledger.lends(borrower, beside, moment) {
            return Share::Nothing;
        }
        match token(x) {
            Some(token) => ledger.lent_to(token),
            None => ledger.lent(),
        }
        if let Some(meter) = x.own.and_then(|own| self.meter(own, lane, now)) {
            meter.borrowed = meter.borrowed.saturating_add(1);
        }
        Share::Borrows
    }
}

/// The access token that a call came with.
fn token(x: &Exchange) -> Option<KeyId> {
    x.bearer.filter(|_| x.guest == Some(Guest::Token))
}
