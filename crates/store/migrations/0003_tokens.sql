-- Who may come to the pool without a key of their own, and with a key that nobody knows.
--
-- Of a token and of an invite's code only keyed hashes are here; both were shown once, to whoever made
-- them. Names are people's own words, in any script.

CREATE TABLE tokens (
    id                  BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name                TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    made_at             INTEGER NOT NULL,
    -- NULL: no limit, wherever one is named.
    expires_at          INTEGER,
    requests_per_minute INTEGER CHECK (requests_per_minute >= 1),
    requests_per_day    INTEGER CHECK (requests_per_day >= 1),
    tokens_per_minute   INTEGER CHECK (tokens_per_minute >= 1),
    tokens_per_day      INTEGER CHECK (tokens_per_day >= 1),
    -- NULL: all models. Otherwise their names, one a line; '' is none at all.
    models              TEXT    CHECK (length(models) <= 16384),
    -- What was used, in all and on the day that ends then.
    day_ends            INTEGER NOT NULL DEFAULT 0,
    requests_today      INTEGER NOT NULL DEFAULT 0,
    tokens_today        INTEGER NOT NULL DEFAULT 0,
    requests            INTEGER NOT NULL DEFAULT 0,
    tokens              INTEGER NOT NULL DEFAULT 0,
    used_at             INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE invites (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name       TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    made_at    INTEGER NOT NULL,
    expires_at INTEGER,
    uses       INTEGER NOT NULL CHECK (uses >= 1),
    used       INTEGER NOT NULL DEFAULT 0 CHECK (used BETWEEN 0 AND uses)
) STRICT, WITHOUT ROWID;
