//! Access tokens and invites, for a store that keeps them.

use crate::rows::{KeyRow, RowId};
use crate::{Answer, Inserted, Store};

/// A store that keeps access tokens and invites as well; the promises of [`Store`] hold for these too.
pub trait AdmissionStore: Store {
    /// Reads all of them.
    fn load_admissions(&self) -> Answer<Admissions>;

    /// Adds a token; false if one by this id is there.
    fn add_token(&self, token: TokenRow) -> Answer<bool>;

    /// Sets what a token may; false if there is no such token.
    fn set_token(&self, id: RowId, terms: TokenTerms) -> Answer<bool>;

    /// Sets what tokens used.
    fn set_tokens_used(&self, used: Vec<(RowId, TokenUsed)>) -> Answer<()>;

    /// Erases a token; false if there is none.
    fn erase_token(&self, id: RowId) -> Answer<bool>;

    /// Adds an invite; false if one by this id is there.
    fn add_invite(&self, invite: InviteRow) -> Answer<bool>;

    /// Erases an invite; false if there is none.
    fn erase_invite(&self, id: RowId) -> Answer<bool>;

    /// Adds a key as [`Store::insert`] does, and counts a use of an invite if it is stored. None, and
    /// nothing is stored, if the invite has no use left or is gone.
    fn insert_invited(
        &self,
        row: KeyRow,
        tombstone: RowId,
        invite: RowId,
    ) -> Answer<Option<Inserted>>;
}

/// All that is kept of who may come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Admissions {
    /// All tokens, in the order of their ids.
    pub tokens: Vec<TokenRow>,
    /// All invites, in the order of their ids.
    pub invites: Vec<InviteRow>,
}

/// One access token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// The keyed hash it is known by.
    pub id: RowId,
    /// When it was made.
    pub made_at: i64,
    /// What it may.
    pub terms: TokenTerms,
    /// What it used.
    pub used: TokenUsed,
}

/// What a token may; none: no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenTerms {
    /// What people call it; 1 to 100 characters.
    pub name: String,
    /// When it expires.
    pub expires_at: Option<i64>,
    /// Requests a minute.
    pub requests_per_minute: Option<u32>,
    /// Requests a day.
    pub requests_per_day: Option<u32>,
    /// Tokens of text a minute.
    pub tokens_per_minute: Option<u32>,
    /// Tokens of text a day.
    pub tokens_per_day: Option<u32>,
    /// The only models it is for.
    pub models: Option<Vec<String>>,
}

/// What a token used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenUsed {
    /// When the day ends that the next two are of.
    pub day_ends: i64,
    /// Requests of that day.
    pub requests_today: u64,
    /// Tokens of text of that day.
    pub tokens_today: u64,
    /// Requests in all.
    pub requests: u64,
    /// Tokens of text in all.
    pub tokens: u64,
    /// The last request; 0 for none.
    pub used_at: i64,
}

/// One invite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteRow {
    /// The keyed hash it is known by.
    pub id: RowId,
    /// What people call it; 1 to 100 characters.
    pub name: String,
    /// When it was made.
    pub made_at: i64,
    /// When it expires.
    pub expires_at: Option<i64>,
    /// How many keys it is for.
    pub uses: u32,
    /// How many joined with it.
    pub used: u32,
}
