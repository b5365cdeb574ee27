//! Access tokens and invites in the store's words, and back.

use potluck_core::invites::InviteRecord;
use potluck_core::tokens::{Terms, TokenRecord, Used};
use potluck_core::{InviteId, TokenId, Wall};
use potluck_store::admission as store;

/// A token for the store.
pub fn token(record: &TokenRecord) -> store::TokenRow {
    store::TokenRow {
        id: record.id.0,
        made_at: record.made.0,
        terms: terms(&record.terms),
        used: used(&record.used),
    }
}

/// What a token may, for the store.
pub fn terms(terms: &Terms) -> store::TokenTerms {
    let models = terms.models.as_ref();
    store::TokenTerms {
        name: terms.name.to_string(),
        expires_at: terms.expires.map(|at| at.0),
        requests_per_minute: terms.requests_per_minute,
        requests_per_day: terms.requests_per_day,
        tokens_per_minute: terms.tokens_per_minute,
        tokens_per_day: terms.tokens_per_day,
        models: models.map(|named| named.iter().map(|name| name.to_string()).collect()),
    }
}

/// What a token used, for the store.
pub fn used(used: &Used) -> store::TokenUsed {
    store::TokenUsed {
        day_ends: used.day_ends.0,
        requests_today: used.requests_today,
        tokens_today: used.tokens_today,
        requests: used.requests,
        tokens: used.tokens,
        used_at: used.last.0,
    }
}

/// A token from the store.
pub fn stored_token(row: store::TokenRow) -> TokenRecord {
    let store::TokenRow { terms, used, .. } = row;
    TokenRecord {
        id: TokenId(row.id),
        made: Wall(row.made_at),
        terms: Terms {
            name: terms.name.into(),
            expires: terms.expires_at.map(Wall),
            requests_per_minute: terms.requests_per_minute,
            requests_per_day: terms.requests_per_day,
            tokens_per_minute: terms.tokens_per_minute,
            tokens_per_day: terms.tokens_per_day,
            models: terms.models.map(|named| named.into_iter().map(Into::into).collect()),
        },
        used: Used {
            day_ends: Wall(used.day_ends),
            requests_today: used.requests_today,
            tokens_today: used.tokens_today,
            requests: used.requests,
            tokens: used.tokens,
            last: Wall(used.used_at),
        },
    }
}

/// An invite for the store.
pub fn invite(record: &InviteRecord) -> store::InviteRow {
    store::InviteRow {
        id: record.id.0,
        name: record.name.to_string(),
        made_at: record.made.0,
        expires_at: record.expires.map(|at| at.0),
        uses: record.uses,
        used: record.used,
    }
}

/// An invite from the store.
pub fn stored_invite(row: store::InviteRow) -> InviteRecord {
    InviteRecord {
        id: InviteId(row.id),
        name: row.name.into(),
        made: Wall(row.made_at),
        expires: row.expires_at.map(Wall),
        uses: row.uses,
        used: row.used,
    }
}
