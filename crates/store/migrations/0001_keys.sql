-- Contributed keys and what is remembered about them.
--
-- Portable between SQLite and D1: no pragmas, no triggers, no functions that only one of them has.
-- Times are milliseconds since 1970 (UTC), days are whole days since 1970-01-01 as the pool counts
-- them; every integer stays below 2^53, because D1 hands numbers over as JavaScript does.

-- Facts about this data as a whole. 'vault_check' tells which master key sealed the rows.
CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- One row a key. The id is a keyed hash; the key itself is only in "sealed", bound to its row.
CREATE TABLE keys (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    sealed       BLOB    NOT NULL CHECK (length(sealed) BETWEEN 1 AND 4096),
    joined_at    INTEGER NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('active', 'disabled')),
    reason       TEXT    CHECK (length(reason) <= 200),
    changed_at   INTEGER NOT NULL,
    paused       INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
    borrow       INTEGER NOT NULL DEFAULT 1 CHECK (borrow IN (0, 1)),
    -- NULL: no limit.
    lend_per_day INTEGER CHECK (lend_per_day >= 0),
    -- NULL: whatever is free of charge. Otherwise model names, one a line; '' is none at all.
    lend_models  TEXT    CHECK (length(lend_models) <= 16384),
    CHECK ((state = 'disabled') = (reason IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX keys_disabled ON keys (changed_at) WHERE state = 'disabled';

-- Rests that outlive a restart. The scope is the pool's own word for what rests: a model and a kind
-- of call, a kind of call, or all.
CREATE TABLE cooldowns (
    key_id BLOB    NOT NULL REFERENCES keys (id) ON DELETE CASCADE ON UPDATE CASCADE,
    scope  TEXT    NOT NULL CHECK (length(scope) <= 256),
    until  INTEGER NOT NULL,
    why    TEXT    NOT NULL CHECK (length(why) <= 200),
    PRIMARY KEY (key_id, scope)
) STRICT, WITHOUT ROWID;

-- What a key gave and its contributor took. Day 0 holds the sum of days no longer kept apart.
CREATE TABLE usage (
    key_id          BLOB    NOT NULL REFERENCES keys (id) ON DELETE CASCADE ON UPDATE CASCADE,
    day             INTEGER NOT NULL CHECK (day >= 0),
    model           TEXT    NOT NULL CHECK (length(model) <= 256),
    lent_calls      INTEGER NOT NULL,
    lent_tokens     INTEGER NOT NULL,
    borrowed_calls  INTEGER NOT NULL,
    borrowed_tokens INTEGER NOT NULL,
    PRIMARY KEY (key_id, day, model)
) STRICT, WITHOUT ROWID;

CREATE INDEX usage_day ON usage (day);

-- Withdrawn keys, by a hash that is not their former id, so that they do not join again unasked.
CREATE TABLE tombstones (
    id BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
