//! Access tokens: who may call without bringing a key, and how much.
//!
//! Rules: a token is looked up before its call begins, so that one that was revoked or has expired
//! serves no further call; requests are counted when they are let in, exactly; tokens of text when an
//! answer has told them, so that the call that goes beyond a limit is the last one served. Days are
//! Google's, as everywhere in the pool.

use std::{collections::HashMap, time::Duration};

use crate::time::Mono;
use crate::{
    id::{Hashed, TokenId},
    limits::{LimitsRefused, parse_models},
    time::{Now, Wall, next_midnight},
    window::Window,
};

/// All access tokens of a pool.
#[derive(Debug, Default)]
pub struct Tokens {
    all: HashMap<TokenId, Token, Hashed>,
    /// Tokens whose use is to be written down.
    unwritten: Vec<TokenId>,
    day_ends: Wall,
}

#[derive(Debug)]
struct Token {
    record: TokenRecord,
    minute: Window,
    is_unwritten: bool,
}

/// A token as it is stored and told; of the token itself it holds nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// Its id.
    pub id: TokenId,
    /// When it was made.
    pub made: Wall,
    /// What it may.
    pub terms: Terms,
    /// What it did.
    pub used: Used,
}

/// What a token may; where nothing is said, there is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// What people call it.
    pub name: Box<str>,
    /// When it expires.
    pub expires: Option<Wall>,
    /// Requests in any sixty seconds.
    pub requests_per_minute: Option<u32>,
    /// Requests a day.
    pub requests_per_day: Option<u32>,
    /// Tokens of text in any sixty seconds.
    pub tokens_per_minute: Option<u32>,
    /// Tokens of text a day.
    pub tokens_per_day: Option<u32>,
    /// The only models it is for.
    pub models: Option<Box<[Box<str>]>>,
}

/// What a token did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// When the day ends that the next two are of.
    pub day_ends: Wall,
    /// Requests of that day.
    pub requests_today: u64,
    /// Tokens of text of that day.
    pub tokens_today: u64,
    /// Requests in all.
    pub requests: u64,
    /// Tokens of text in all.
    pub tokens: u64,
    /// The last request; none yet where it is 0.
    pub last: Wall,
}

/// A change of terms: what is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct TermsPatch {
    pub name: Option<String>,
    pub expires: Option<Option<Wall>>,
    pub requests_per_minute: Option<Option<u32>>,
    pub requests_per_day: Option<Option<u32>>,
    pub tokens_per_minute: Option<Option<u32>>,
    pub tokens_per_day: Option<Option<u32>>,
    pub models: Option<Option<Vec<String>>>,
}

impl TermsPatch {
    /// Applies the change whole, or says why it cannot be.
    pub fn apply(&self, terms: &mut Terms) -> Result<(), TermsRefused> {
        let mut new = terms.clone();
        if let Some(name) = &self.name {
            new.name = parse_name(name)?;
        }
        new.expires = self.expires.unwrap_or(new.expires);
        for (patch, limit) in [
            (self.requests_per_minute, &mut new.requests_per_minute),
            (self.requests_per_day, &mut new.requests_per_day),
            (self.tokens_per_minute, &mut new.tokens_per_minute),
            (self.tokens_per_day, &mut new.tokens_per_day),
        ] {
            *limit = patch.unwrap_or(*limit);
            if *limit == Some(0) {
                return Err(TermsRefused::NothingAllowed);
            }
        }
        if let Some(models) = &self.models {
            new.models = models.as_deref().map(parse_models).transpose()?;
        }
        *terms = new;
        Ok(())
    }
}

/// Reads what people call something: any script, on one line.
pub(crate) fn parse_name(text: &str) -> Result<Box<str>, TermsRefused> {
    let text = text.trim();
    let fits = (1..=MAX_NAME).contains(&text.chars().count());
    let plain = !text.chars().any(char::is_control);
    (fits && plain).then(|| text.into()).ok_or(TermsRefused::Name)
}

/// Why terms cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TermsRefused {
    /// None, too long, or of several lines.
    #[error("a name has one line of at most {MAX_NAME} characters")]
    Name,
    /// A limit of nothing.
    #[error("a limit is at least 1: revoke a token that is to do nothing")]
    NothingAllowed,
    /// The list of models.
    #[error("the list of models cannot be: at most 64 names, as Google spells them")]
    Models,
}

impl From<LimitsRefused> for TermsRefused {
    fn from(_: LimitsRefused) -> TermsRefused {
        TermsRefused::Models
    }
}

/// Why a token's call is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Nobody gave this token out, or it was revoked.
    Unknown,
    /// Its time is over.
    Expired,
    /// It is not for this model.
    Model,
    /// It has used what it may.
    Limit {
        /// Which limit.
        of: LimitOf,
        /// When there is room again.
        wait: Duration,
    },
}

/// A limit of a token's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum LimitOf {
    RequestsPerMinute,
    TokensPerMinute,
    RequestsPerDay,
    TokensPerDay,
}

impl LimitOf {
    /// What people and programs call it.
    pub fn name(self) -> &'static str {
        match self {
            LimitOf::RequestsPerMinute => "requests_per_minute",
            LimitOf::TokensPerMinute => "tokens_per_minute",
            LimitOf::RequestsPerDay => "requests_per_day",
            LimitOf::TokensPerDay => "tokens_per_day",
        }
    }

    /// Whether only another day helps.
    pub fn is_of_day(self) -> bool {
        matches!(self, LimitOf::RequestsPerDay | LimitOf::TokensPerDay)
    }
}

impl Tokens {
    /// Takes a token into the book; false where it has no room.
    pub fn add(&mut self, record: TokenRecord) -> bool {
        if self.all.len() >= MAX_TOKENS && !self.all.contains_key(&record.id) {
            return false;
        }
        let token = Token { record, minute: Window::EMPTY, is_unwritten: false };
        self.all.insert(token.record.id, token);
        true
    }

    /// Whether there is a token by this id.
    pub fn knows(&self, id: TokenId) -> bool {
        self.all.contains_key(&id)
    }

    /// One token.
    pub fn look(&self, id: TokenId) -> Option<&TokenRecord> {
        self.all.get(&id).map(|token| &token.record)
    }

    /// All tokens, in the order in which they were made.
    pub fn list(&self) -> Vec<&TokenRecord> {
        let mut all: Vec<_> = self.all.values().map(|token| &token.record).collect();
        all.sort_unstable_by_key(|record| (record.made, record.id));
        all
    }

    /// Changes what a token may; none where there is no such token.
    pub fn change(
        &mut self,
        id: TokenId,
        patch: &TermsPatch,
    ) -> Option<Result<TokenRecord, TermsRefused>> {
        let record = &mut self.all.get_mut(&id)?.record;
        Some(patch.apply(&mut record.terms).map(|()| record.clone()))
    }

    /// Takes a token out; it serves no further call.
    pub fn revoke(&mut self, id: TokenId) -> bool {
        self.all.remove(&id).is_some()
    }

    /// Whether a socket that was let in may stay open: its token is good, and has tokens of text left.
    pub fn may_go_on(&mut self, id: TokenId, now: Now) -> Result<(), Denied> {
        let day_ends = self.day_ends(now);
        self.all.get_mut(&id).ok_or(Denied::Unknown)?.has_text_left(day_ends, now)
    }

    /// Whether a call may be read at all: its token is good, and has something left.
    pub fn may_ask(&mut self, id: TokenId, now: Now) -> Result<(), Denied> {
        let day_ends = self.day_ends(now);
        self.all.get_mut(&id).ok_or(Denied::Unknown)?.has_room(day_ends, now)
    }

    /// Lets a call in, and counts it. A call that names no model is for none in particular.
    pub fn enter(&mut self, id: TokenId, model: Option<&str>, now: Now) -> Result<(), Denied> {
        let day_ends = self.day_ends(now);
        let token = self.all.get_mut(&id).ok_or(Denied::Unknown)?;
        token.has_room(day_ends, now)?;
        let models = token.record.terms.models.as_deref().unwrap_or_default();
        let limited = token.record.terms.models.is_some();
        let named = |model: &str| models.iter().any(|name| **name == *model);
        if limited && model.is_some_and(|model| !named(model)) {
            return Err(Denied::Model);
        }
        token.minute.add(1, 0, now.mono);
        let used = &mut token.record.used;
        used.requests_today = used.requests_today.saturating_add(1);
        used.requests = used.requests.saturating_add(1);
        used.last = now.wall;
        self.note(id);
        Ok(())
    }

    /// A call has ended that used so many tokens of text.
    pub fn spent(&mut self, id: TokenId, tokens: u64, now: Now) {
        let day_ends = self.day_ends(now);
        let Some(token) = self.all.get_mut(&id).filter(|_| tokens > 0) else { return };
        token.turn(day_ends);
        token.minute.add(0, u32::try_from(tokens).unwrap_or(u32::MAX), now.mono);
        let used = &mut token.record.used;
        used.tokens_today = used.tokens_today.saturating_add(tokens);
        used.tokens = used.tokens.saturating_add(tokens);
        self.note(id);
    }

    /// Uses that are to be written down, all of them: what is used meanwhile is for the next time.
    pub fn take_unwritten(&mut self) -> Vec<(TokenId, Used)> {
        let taken = std::mem::take(&mut self.unwritten);
        let used = |id: TokenId| {
            let token = self.all.get_mut(&id)?;
            token.is_unwritten = false;
            Some((id, token.record.used))
        };
        taken.into_iter().filter_map(used).collect()
    }

    /// A use could not be written: it is told again.
    pub fn untold(&mut self, id: TokenId) {
        self.note(id);
    }

    fn note(&mut self, id: TokenId) {
        if let Some(token) = self.all.get_mut(&id).filter(|token| !token.is_unwritten) {
            token.is_unwritten = true;
            self.unwritten.push(id);
        }
    }

    /// The end of the present day, looked up once a day.
    fn day_ends(&mut self, now: Now) -> Wall {
        let left = self.day_ends.0.saturating_sub(now.wall.0);
        if !(1..=LONGEST_DAY_MS).contains(&left) {
            self.day_ends = next_midnight(now.wall);
        }
        self.day_ends
    }
}

impl Token {
    fn turn(&mut self, day_ends: Wall) {
        let used = &mut self.record.used;
        if used.day_ends != day_ends {
            (used.day_ends, used.requests_today, used.tokens_today) = (day_ends, 0, 0);
        }
    }

    fn is_over(&self, now: Wall) -> bool {
        self.record.terms.expires.is_some_and(|expires| expires <= now)
    }

    fn has_room(&mut self, day_ends: Wall, now: Now) -> Result<(), Denied> {
        self.has_text_left(day_ends, now)?;
        let (terms, used) = (&self.record.terms, &self.record.used);
        if is_spent(terms.requests_per_day, used.requests_today) {
            return Err(day_limit(LimitOf::RequestsPerDay, day_ends, now));
        }
        let most = terms.requests_per_minute;
        let fits = |requests: u32| most.is_none_or(|most| requests < most);
        let at = self.minute.fits_at(now.mono, |requests, _| fits(requests));
        minute_limit(LimitOf::RequestsPerMinute, at, now)
    }

    /// Whether it is good, and may take more text, whatever it has asked.
    fn has_text_left(&mut self, day_ends: Wall, now: Now) -> Result<(), Denied> {
        self.turn(day_ends);
        self.minute.turn(now.mono);
        if self.is_over(now.wall) {
            return Err(Denied::Expired);
        }
        let (terms, used) = (&self.record.terms, &self.record.used);
        if is_spent(terms.tokens_per_day, used.tokens_today) {
            return Err(day_limit(LimitOf::TokensPerDay, day_ends, now));
        }
        let most = terms.tokens_per_minute;
        let fits = |tokens: u32| most.is_none_or(|most| tokens < most);
        let at = self.minute.fits_at(now.mono, |_, tokens| fits(tokens));
        minute_limit(LimitOf::TokensPerMinute, at, now)
    }
}

fn is_spent(limit: Option<u32>, used: u64) -> bool {
    limit.is_some_and(|most| used >= most.into())
}

fn day_limit(of: LimitOf, day_ends: Wall, now: Now) -> Denied {
    Denied::Limit { of, wait: now.mono_at(day_ends).since(now.mono) }
}

/// `at`: when the minute has room again, if it ever has.
fn minute_limit(of: LimitOf, at: Option<Mono>, now: Now) -> Result<(), Denied> {
    match at {
        Some(at) if at <= now.mono => Ok(()),
        at => Err(Denied::Limit { of, wait: at.map_or(A_MINUTE, |at| at.since(now.mono)) }),
    }
}

/// The most tokens a pool has: some megabytes, and more than anybody hands out by name.
pub const MAX_TOKENS: usize = 10_000;
/// The longest name, in characters.
pub const MAX_NAME: usize = 100;
/// Days have up to 25 hours; a cached midnight farther away shows that the clock was set back.
const LONGEST_DAY_MS: i64 = 25 * 3600 * 1000;
const A_MINUTE: Duration = Duration::from_secs(60);

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
