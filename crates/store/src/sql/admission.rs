//! The statements about access tokens and invites.

/// Adds a token. 1 id, 2 name, 3 made_at, 4 expires_at, 5 requests_per_minute, 6 requests_per_day,
/// 7 tokens_per_minute, 8 tokens_per_day, 9 models. Changes no row if it is there.
pub const INSERT_TOKEN: &str = "INSERT INTO tokens (id, name, made_at, expires_at,
        requests_per_minute, requests_per_day, tokens_per_minute, tokens_per_day, models)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
    ON CONFLICT (id) DO NOTHING";

/// Sets what a token may. Parameters as of [`INSERT_TOKEN`], without the third.
pub const SET_TOKEN: &str = "UPDATE tokens SET name = ?2, expires_at = ?3,
        requests_per_minute = ?4, requests_per_day = ?5,
        tokens_per_minute = ?6, tokens_per_day = ?7, models = ?8
    WHERE id = ?1";

/// Sets what a token used. 1 id, 2 day_ends, 3 requests_today, 4 tokens_today, 5 requests,
/// 6 tokens, 7 used_at.
pub const SET_TOKEN_USED: &str = "UPDATE tokens SET day_ends = ?2, requests_today = ?3,
        tokens_today = ?4, requests = ?5, tokens = ?6, used_at = ?7
    WHERE id = ?1";

/// Erases a token. 1 id.
pub const ERASE_TOKEN: &str = "DELETE FROM tokens WHERE id = ?1";

/// All tokens.
pub const ALL_TOKENS: &str = "SELECT id, name, made_at, expires_at,
        requests_per_minute, requests_per_day, tokens_per_minute, tokens_per_day, models,
        day_ends, requests_today, tokens_today, requests, tokens, used_at
    FROM tokens ORDER BY id";

/// Adds an invite. 1 id, 2 name, 3 made_at, 4 expires_at, 5 uses. Changes no row if it is there.
pub const INSERT_INVITE: &str = "INSERT INTO invites (id, name, made_at, expires_at, uses)
    VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (id) DO NOTHING";

/// Whether a key is there: one row or none. 1 key.
pub const FIND_KEY: &str = "SELECT 1 FROM keys WHERE id = ?1";

/// Counts a use of an invite, if it has one left: before its key is added, in one transaction with
/// it. 1 id.
pub const USE_INVITE: &str = "UPDATE invites SET used = used + 1 WHERE id = ?1 AND used < uses";

/// Takes a use back whose key is to stay out. 1 id.
pub const UNUSE_INVITE: &str = "UPDATE invites SET used = used - 1 WHERE id = ?1 AND used > 0";

/// Erases an invite. 1 id.
pub const ERASE_INVITE: &str = "DELETE FROM invites WHERE id = ?1";

/// All invites.
pub const ALL_INVITES: &str = "SELECT id, name, made_at, expires_at, uses, used
    FROM invites ORDER BY id";
