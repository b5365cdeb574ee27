//! The statements, written once for every engine of SQLite's kind.
//!
//! Rule: each is right by itself, without reading before writing, so that an engine without
//! interactive transactions (D1 has batches only) can run the same ones in the same order.
//! Parameters are numbered; what they are is said at each.

pub mod admission;

/// Adds a key. 1 id, 2 sealed, 3 joined_at, 4 state, 5 reason, 6 changed_at, 7 paused, 8 borrow,
/// 9 lend_per_day, 10 lend_models, 11 tombstone. Changes no row if the key is there or withdrawn.
pub const INSERT_KEY: &str = "INSERT INTO keys (id, sealed, joined_at, state, reason, changed_at,
        paused, borrow, lend_per_day, lend_models)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10
    WHERE NOT EXISTS (SELECT 1 FROM tombstones WHERE id = ?11)
    ON CONFLICT (id) DO NOTHING";

/// As [`INSERT_KEY`], of many new keys at once, for a database that asks a price for each statement;
/// says which it stored. 1 a JSON list of lists: id, sealed and tombstone in hex; 2 joined_at.
pub const INSERT_KEYS: &str = "INSERT INTO keys (id, sealed, joined_at, state, changed_at)
    SELECT unhex(value ->> 0), unhex(value ->> 1), ?2, 'active', ?2 FROM json_each(?1)
        WHERE NOT EXISTS (SELECT 1 FROM tombstones WHERE id = unhex(value ->> 2))
    ON CONFLICT (id) DO NOTHING
    RETURNING id";

/// Of which of these keys there are tombstones. 1 as for [`INSERT_KEYS`].
pub const FIND_TOMBSTONES: &str = "SELECT tombstones.id AS id
    FROM json_each(?1) JOIN tombstones ON tombstones.id = unhex(value ->> 2)";

/// Whether there is a tombstone: one row or none. 1 tombstone.
pub const FIND_TOMBSTONE: &str = "SELECT 1 FROM tombstones WHERE id = ?1";

/// Sets a key's state. 1 id, 2 state, 3 reason, 4 at.
pub const SET_STATE: &str =
    "UPDATE keys SET state = ?2, reason = ?3, changed_at = ?4 WHERE id = ?1";

/// Sets what a contributor allows. 1 id, 2 paused, 3 borrow, 4 lend_per_day, 5 lend_models.
pub const SET_LIMITS: &str = "UPDATE keys SET paused = ?2, borrow = ?3, lend_per_day = ?4,
        lend_models = ?5
    WHERE id = ?1";

/// Puts one rest, if its key is there: after [`FORGET_COOLDOWNS`]. 1 key, 2 scope, 3 until, 4 why.
pub const PUT_COOLDOWN: &str = "INSERT INTO cooldowns (key_id, scope, until, why)
    SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM keys WHERE id = ?1)
    ON CONFLICT (key_id, scope) DO UPDATE SET until = excluded.until, why = excluded.why";

/// Forgets the rests of one key. 1 key.
pub const FORGET_COOLDOWNS: &str = "DELETE FROM cooldowns WHERE key_id = ?1";

/// Adds to one key's use, if it is there. 1 key, 2 day, 3 model, 4 lent calls, 5 lent tokens,
/// 6 borrowed calls, 7 borrowed tokens, 8 own calls, 9 own tokens, 10 failed calls, 11 [`LARGEST`].
pub const ADD_USAGE: &str = "INSERT INTO usage (key_id, day, model,
        lent_calls, lent_tokens, borrowed_calls, borrowed_tokens,
        own_calls, own_tokens, failed_calls)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 WHERE EXISTS (SELECT 1 FROM keys WHERE id = ?1)
    ON CONFLICT (key_id, day, model) DO UPDATE SET
        lent_calls = min(?11, lent_calls + excluded.lent_calls),
        lent_tokens = min(?11, lent_tokens + excluded.lent_tokens),
        borrowed_calls = min(?11, borrowed_calls + excluded.borrowed_calls),
        borrowed_tokens = min(?11, borrowed_tokens + excluded.borrowed_tokens),
        own_calls = min(?11, own_calls + excluded.own_calls),
        own_tokens = min(?11, own_tokens + excluded.own_tokens),
        failed_calls = min(?11, failed_calls + excluded.failed_calls)";

/// As [`ADD_USAGE`], of many keys at once, for a database that asks a price for each statement.
/// 1 a JSON list of lists, each in the order of the other's parameters 1 to 10 and the key in hex,
/// 2 [`LARGEST`].
pub const ADD_USAGES: &str = "INSERT INTO usage (key_id, day, model,
        lent_calls, lent_tokens, borrowed_calls, borrowed_tokens,
        own_calls, own_tokens, failed_calls)
    SELECT keys.id, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
        value ->> 7, value ->> 8, value ->> 9
        FROM json_each(?1) JOIN keys ON keys.id = unhex(value ->> 0) WHERE true
    ON CONFLICT (key_id, day, model) DO UPDATE SET
        lent_calls = min(?2, lent_calls + excluded.lent_calls),
        lent_tokens = min(?2, lent_tokens + excluded.lent_tokens),
        borrowed_calls = min(?2, borrowed_calls + excluded.borrowed_calls),
        borrowed_tokens = min(?2, borrowed_tokens + excluded.borrowed_tokens),
        own_calls = min(?2, own_calls + excluded.own_calls),
        own_tokens = min(?2, own_tokens + excluded.own_tokens),
        failed_calls = min(?2, failed_calls + excluded.failed_calls)";

/// Puts what was learned of one key, if it is there. 1 key, 2 day, 3 facts.
pub const PUT_LEARNED: &str = "INSERT INTO learned (key_id, day, facts)
    SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM keys WHERE id = ?1)
    ON CONFLICT (key_id) DO UPDATE SET day = excluded.day, facts = excluded.facts";

/// As [`PUT_LEARNED`], of many keys at once, for a database that asks a price for each statement.
/// 1 a JSON list of lists, each in the order of the other's parameters and the key in hex.
pub const PUT_ALL_LEARNED: &str = "INSERT INTO learned (key_id, day, facts)
    SELECT keys.id, value ->> 1, value ->> 2
        FROM json_each(?1) JOIN keys ON keys.id = unhex(value ->> 0) WHERE true
    ON CONFLICT (key_id) DO UPDATE SET day = excluded.day, facts = excluded.facts";

/// Puts what was learned of one quota. 1 part, 2 scope, 3 day, 4 facts.
pub const PUT_QUOTA: &str = "INSERT INTO quotas (part, scope, day, facts) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (part, scope) DO UPDATE SET day = excluded.day, facts = excluded.facts";

/// As [`PUT_QUOTA`], of many quotas at once. 1 a JSON list of lists, each in the order of the other's
/// parameters.
pub const PUT_ALL_QUOTAS: &str = "INSERT INTO quotas (part, scope, day, facts)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?1) WHERE true
    ON CONFLICT (part, scope) DO UPDATE SET day = excluded.day, facts = excluded.facts";

/// Forgets what was learned of keys and not used since. 1 first day that is kept.
pub const FORGET_LEARNED: &str = "DELETE FROM learned WHERE day < ?1";

/// Forgets what was learned of quotas and not used since. 1 first day that is kept.
pub const FORGET_QUOTAS: &str = "DELETE FROM quotas WHERE day < ?1";

/// Leaves a tombstone, if the key is there: before [`ERASE_KEY`]. One that an operator put out is
/// barred by it. 1 key, 2 tombstone, 3 at.
pub const BURY: &str = "INSERT INTO tombstones (id, at, barred)
    SELECT ?2, ?3, coalesce(reason = 'operator', 0) FROM keys WHERE id = ?1
    ON CONFLICT (id) DO NOTHING";

/// Erases a key with all that refers to it: its use, its rests, what was learned of it. 1 key.
pub const ERASE_KEY: &str = "DELETE FROM keys WHERE id = ?1";

/// As [`ERASE_KEY`], of many keys at once. 1 a JSON list of their ids in hex.
pub const ERASE_KEYS: &str =
    "DELETE FROM keys WHERE id IN (SELECT unhex(value) FROM json_each(?1))";

/// Leaves a tombstone of a key that may not be there. 1 tombstone, 2 at, 3 barred.
pub const REMEMBER: &str = "INSERT INTO tombstones (id, at, barred) VALUES (?1, ?2, ?3)
    ON CONFLICT (id) DO UPDATE SET barred = max(barred, excluded.barred)";

/// Takes a tombstone away, unless its key is barred. 1 tombstone.
pub const LIFT: &str = "DELETE FROM tombstones WHERE id = ?1 AND barred = 0";

/// Erases keys disabled too long ago and names them; not those that an operator put out, for they
/// would come back. 1 before, 2 how many at most.
pub const SWEEP_KEYS: &str = "DELETE FROM keys WHERE id IN (
        SELECT id FROM keys WHERE state = 'disabled' AND reason <> 'operator' AND changed_at < ?1
        ORDER BY changed_at LIMIT ?2)
    RETURNING id";

/// Sums up old days in day 0: before [`DROP_DAYS`], in one transaction. 1 first day that is kept,
/// 2 [`LARGEST`].
pub const SUM_DAYS: &str = "INSERT INTO usage (key_id, day, model,
        lent_calls, lent_tokens, borrowed_calls, borrowed_tokens,
        own_calls, own_tokens, failed_calls)
    SELECT key_id, 0, model, min(?2, sum(lent_calls)), min(?2, sum(lent_tokens)),
        min(?2, sum(borrowed_calls)), min(?2, sum(borrowed_tokens)),
        min(?2, sum(own_calls)), min(?2, sum(own_tokens)), min(?2, sum(failed_calls))
    FROM usage WHERE day > 0 AND day < ?1 GROUP BY key_id, model
    ON CONFLICT (key_id, day, model) DO UPDATE SET
        lent_calls = min(?2, lent_calls + excluded.lent_calls),
        lent_tokens = min(?2, lent_tokens + excluded.lent_tokens),
        borrowed_calls = min(?2, borrowed_calls + excluded.borrowed_calls),
        borrowed_tokens = min(?2, borrowed_tokens + excluded.borrowed_tokens),
        own_calls = min(?2, own_calls + excluded.own_calls),
        own_tokens = min(?2, own_tokens + excluded.own_tokens),
        failed_calls = min(?2, failed_calls + excluded.failed_calls)";

/// Drops the days that were summed up. 1 first day that is kept.
pub const DROP_DAYS: &str = "DELETE FROM usage WHERE day > 0 AND day < ?1";

/// All keys.
pub const ALL_KEYS: &str = "SELECT id, sealed, joined_at, state, reason, changed_at,
        paused, borrow, lend_per_day, lend_models
    FROM keys ORDER BY id";

/// All rests.
pub const ALL_COOLDOWNS: &str = "SELECT key_id, scope, until, why
    FROM cooldowns ORDER BY key_id, scope";

/// Use by days. 1 first day.
pub const USAGE_SINCE: &str = "SELECT key_id, day, model,
        lent_calls, lent_tokens, borrowed_calls, borrowed_tokens,
        own_calls, own_tokens, failed_calls
    FROM usage WHERE day >= ?1 ORDER BY key_id, day, model";

/// The same, no more than so many rows. 1 first day, 2 how many at most.
pub const USAGE_OF_EACH: &str = "SELECT key_id, day, model,
        lent_calls, lent_tokens, borrowed_calls, borrowed_tokens,
        own_calls, own_tokens, failed_calls
    FROM usage WHERE day >= ?1 ORDER BY key_id, day, model LIMIT ?2";

/// Use of each key in all. 1 [`LARGEST`]. The columns have names, as D1 hands rows over by name.
pub const USAGE_TOTALS: &str = "SELECT key_id,
        min(?1, sum(lent_calls)) AS lent_calls, min(?1, sum(lent_tokens)) AS lent_tokens,
        min(?1, sum(borrowed_calls)) AS borrowed_calls,
        min(?1, sum(borrowed_tokens)) AS borrowed_tokens,
        min(?1, sum(own_calls)) AS own_calls, min(?1, sum(own_tokens)) AS own_tokens,
        min(?1, sum(failed_calls)) AS failed_calls
    FROM usage GROUP BY key_id ORDER BY key_id";

/// Use of one key by days. 1 first day, 2 key.
pub const USAGE_OF: &str = "SELECT key_id, day, model,
        lent_calls, lent_tokens, borrowed_calls, borrowed_tokens,
        own_calls, own_tokens, failed_calls
    FROM usage WHERE day >= ?1 AND key_id = ?2 ORDER BY day, model";

/// Use of all keys together by days. 1 first day, 2 [`LARGEST`]. Of no key: sixteen zeros.
pub const USAGE_OF_ALL: &str = "SELECT zeroblob(16) AS key_id, day, model,
        min(?2, sum(lent_calls)) AS lent_calls, min(?2, sum(lent_tokens)) AS lent_tokens,
        min(?2, sum(borrowed_calls)) AS borrowed_calls,
        min(?2, sum(borrowed_tokens)) AS borrowed_tokens,
        min(?2, sum(own_calls)) AS own_calls, min(?2, sum(own_tokens)) AS own_tokens,
        min(?2, sum(failed_calls)) AS failed_calls
    FROM usage WHERE day >= ?1 GROUP BY day, model ORDER BY day, model";

/// What was learned of keys.
pub const ALL_LEARNED: &str = "SELECT key_id, day, facts FROM learned ORDER BY key_id";

/// What was learned of quotas.
pub const ALL_QUOTAS: &str = "SELECT part, scope, day, facts FROM quotas ORDER BY part, scope";

/// All tombstones.
pub const ALL_TOMBSTONES: &str = "SELECT id, at FROM tombstones ORDER BY id";

/// Tombstones of keys that are barred.
pub const ALL_BARRED: &str = "SELECT id FROM tombstones WHERE barred = 1 ORDER BY id";

/// The vault's check value: one row or none.
pub const READ_CHECK: &str = "SELECT value FROM meta WHERE name = 'vault_check'";

/// Sets the vault's check value. 1 value.
pub const WRITE_CHECK: &str = "INSERT INTO meta (name, value) VALUES ('vault_check', ?1)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value";

/// Seals a row anew, under another id or the same. 1 former id, 2 id, 3 sealed.
pub const RESEAL: &str = "UPDATE keys SET id = ?2, sealed = ?3 WHERE id = ?1";

/// Some seals. 1 the id they are behind, 2 how many at most.
pub const SEALS_AFTER: &str = "SELECT id, sealed FROM keys WHERE id > ?1 ORDER BY id LIMIT ?2";

/// Counters stop here: the largest whole number that D1 hands over without losing digits. Sums of
/// a thousand such counters still fit 64 bits, so that no addition overflows.
pub const LARGEST: u64 = (1 << 53) - 1;

/// Keys erased by one sweep: some milliseconds of work, so that others are not kept waiting.
pub const SWEEP_KEYS_AT_MOST: u32 = 500;

/// How a state is spelled.
pub const ACTIVE: &str = "active";
/// How a state is spelled.
pub const DISABLED: &str = "disabled";
