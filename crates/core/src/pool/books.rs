//! What was used since it was last written down: by key, model and day.
//!
//! Rule: counting is a look into a small table, nothing else. The table is emptied by the
//! half-minute, unless what it was emptied of before still waits to be told; beyond its bound models are
//! not told apart.

use hashbrown::HashTable;

use crate::{
    call::{Exchange, Served},
    id::{KeyId, Slot},
    pool::Pool,
    time::{Now, Wall},
};

/// What a key gave and its bearer took, between two tellings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// The bearer's calls served with the own key.
    pub own_calls: u64,
    /// Tokens of those.
    pub own_tokens: u64,
    /// Others' calls served with this key.
    pub lent_calls: u64,
    /// Tokens of those.
    pub lent_tokens: u64,
    /// The bearer's calls served with others' keys.
    pub borrowed_calls: u64,
    /// Tokens of those.
    pub borrowed_tokens: u64,
    /// The bearer's calls that nobody served, through no fault of the bearer's.
    pub failed_calls: u64,
}

impl Amount {
    fn add(&mut self, more: &Amount) {
        self.own_calls += more.own_calls;
        self.own_tokens += more.own_tokens;
        self.lent_calls += more.lent_calls;
        self.lent_tokens += more.lent_tokens;
        self.borrowed_calls += more.borrowed_calls;
        self.borrowed_tokens += more.borrowed_tokens;
        self.failed_calls += more.failed_calls;
    }
}

/// An amount, and of what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// Whose key.
    pub id: KeyId,
    /// The end of the day.
    pub day_end: Wall,
    /// The model; empty where none was named.
    pub model: Box<str>,
    /// How much.
    pub amount: Amount,
}

/// An open account.
#[derive(Clone, Copy, Debug)]
struct Account {
    slot: Slot,
    lane: u16,
    day_end: Wall,
    amount: Amount,
}

impl Account {
    fn is(&self, slot: Slot, lane: u16, day_end: Wall) -> bool {
        (self.slot, self.lane, self.day_end) == (slot, lane, day_end)
    }
}

/// All that is not told yet.
#[derive(Debug, Default)]
pub(super) struct Books {
    open: HashTable<Account>,
    /// To be told.
    closed: Vec<Used>,
}

impl Books {
    /// The account of a key for what a lane serves, today. Where there is no room for one of its own, that
    /// of no model, of which a key has one a day.
    fn account(&mut self, slot: Slot, lane: u16, day_end: Wall) -> &mut Amount {
        let known = |lane| move |one: &Account| one.is(slot, lane, day_end);
        let full = self.open.len() >= MOST;
        let lane = match full && self.open.find(hash(slot, lane), known(lane)).is_none() {
            true => NO_LANE,
            false => lane,
        };
        let rehash = |one: &Account| hash(one.slot, one.lane);
        let entry = self.open.entry(hash(slot, lane), known(lane), rehash);
        let amount = Amount::default();
        &mut entry.or_insert(Account { slot, lane, day_end, amount }).into_mut().amount
    }

    /// Takes out an account of a key for what a lane serves, of whatever day.
    fn take(&mut self, slot: Slot, lane: u16) -> Option<Account> {
        let is = |one: &Account| (one.slot, one.lane) == (slot, lane);
        self.open.find_entry(hash(slot, lane), is).ok().map(|entry| entry.remove().0)
    }

    pub(super) fn has_closed(&self) -> bool {
        !self.closed.is_empty()
    }

    pub(super) fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    pub(super) fn next(&mut self) -> Option<Used> {
        let next = self.closed.pop();
        if next.is_none() && self.closed.capacity() > super::events::KEPT_ROOM {
            self.closed = Vec::new();
        }
        next
    }
}

impl<S: Clone> Pool<S> {
    /// Has what a key gave and took told with the next events.
    pub fn flush_usage_of(&mut self, id: KeyId) {
        let Some(slot) = self.keys.find(id) else { return };
        for lane in (0..self.lanes.len()).chain([NO_LANE]) {
            while let Some(account) = self.books.take(slot, lane) {
                self.close(account);
            }
        }
    }

    /// Has what all keys gave and took told with the next events.
    pub fn flush_usage(&mut self) {
        if self.books.closed.len() >= MOST {
            return;
        }
        let open = std::mem::take(&mut self.books.open);
        open.into_iter().for_each(|account| self.close(account));
    }

    fn close(&mut self, Account { slot, lane, day_end, amount }: Account) {
        // What a key that is gone has used is gone with it.
        let Some(key) = self.keys.get(slot) else { return };
        let model = match lane {
            NO_LANE => Box::default(),
            lane => self.lanes.at(lane).model.clone(),
        };
        self.books.closed.push(Used { id: key.id, day_end, model, amount });
    }

    /// Counts in the account of a key for what an exchange asks for.
    pub(super) fn note_use(
        &mut self,
        slot: Slot,
        lane: Option<u16>,
        now: Now,
        count: impl FnOnce(&mut Amount),
    ) {
        let day_end = self.day_end(now);
        count(self.books.account(slot, lane.unwrap_or(NO_LANE), day_end));
        self.touch(slot, now);
    }

    /// What was told could not be stored, and is told again.
    pub(super) fn note_again(&mut self, used: &Used, now: Now) {
        let Some(slot) = self.keys.find(used.id) else { return };
        let lane = self.lane_named(&used.model).unwrap_or(NO_LANE);
        self.books.account(slot, lane, used.day_end).add(&used.amount);
        self.touch(slot, now);
    }

    fn lane_named(&self, model: &str) -> Option<u16> {
        self.lanes.all().find(|(_, lane)| *lane.model == *model).map(|(at, _)| at)
    }

    /// A call was served: counts it for both sides.
    pub(super) fn count_served(&mut self, x: &Exchange, slot: Slot, now: Now) {
        let own = x.own == Some(slot);
        self.keys.count_served(slot, own);
        self.note_use(slot, x.lane, now, |amount| match own {
            true => amount.own_calls += 1,
            false => amount.lent_calls += 1,
        });
        if let Some(borrower) = x.own.filter(|_| !own) {
            self.count_borrowed(borrower, x.lane, (1, 0), now);
        }
    }

    /// It took so many tokens.
    pub(super) fn count_tokens(&mut self, x: &Exchange, slot: Slot, tokens: u64, now: Now) {
        if tokens == 0 || x.served != Some(Served::Slot(slot)) {
            return;
        }
        let own = x.own == Some(slot);
        if let Some(key) = self.keys.get_mut(slot) {
            key.usage.took(own, tokens);
        }
        self.note_use(slot, x.lane, now, |amount| match own {
            true => amount.own_tokens += tokens,
            false => amount.lent_tokens += tokens,
        });
        if let Some(borrower) = x.own.filter(|_| !own) {
            self.count_borrowed(borrower, x.lane, (0, tokens), now);
        }
    }

    /// The model that an exchange asks for; empty where none is named.
    pub fn model_of(&self, x: &Exchange) -> Box<str> {
        x.lane.map(|lane| self.lanes.at(lane).model.clone()).unwrap_or_default()
    }

    /// Another part of the pool served this bearer: here the loan is only told.
    pub fn borrowed_elsewhere(&mut self, id: KeyId, model: &str, tokens: u64, now: Now) {
        let Some(slot) = self.keys.find(id) else { return };
        self.count_borrowed(slot, self.lane_named(model), (1, tokens), now);
    }

    /// A call of a bearer's was served by nobody. What never served may be no model at all, but whatever
    /// a caller wrote.
    pub(super) fn count_failed(&mut self, x: &Exchange, now: Now) {
        if let Some(own) = x.own {
            let lane = x.lane.filter(|lane| self.lanes.at(*lane).served);
            self.note_use(own, lane, now, |amount| amount.failed_calls += 1);
        }
    }

    fn count_borrowed(
        &mut self,
        borrower: Slot,
        lane: Option<u16>,
        (calls, tokens): (u32, u64),
        now: Now,
    ) {
        if let Some(key) = self.keys.get_mut(borrower) {
            key.usage.borrowed(calls, tokens);
        }
        self.note_use(borrower, lane, now, |amount| {
            amount.borrowed_calls += u64::from(calls);
            amount.borrowed_tokens += tokens;
        });
    }
}

fn hash(slot: Slot, lane: u16) -> u64 {
    let mixed = (u64::from(slot.at) << 16 | u64::from(lane)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 32
}

/// Of no model.
const NO_LANE: u16 = u16::MAX;
/// Open accounts: some megabytes. As many keys and models are in use within half a minute where
/// some thousand calls a second are spread evenly over as many keys.
const MOST: usize = 1 << 16;
