-- What the pool learned of quotas, so that a restart does not have it learned anew on callers' time.
--
-- The facts are texts that the pool's core alone reads. The day is the last one that they are of: what
-- nobody used for months is forgotten by it.

-- Of one key: limits that Google named, what of the day is spent, what its contributor usually wants,
-- and by a hash with which keys it shares all that.
CREATE TABLE learned (
    key_id BLOB    NOT NULL PRIMARY KEY
        REFERENCES keys (id) ON DELETE CASCADE ON UPDATE CASCADE,
    day    INTEGER NOT NULL CHECK (day >= 0),
    facts  TEXT    NOT NULL CHECK (length(facts) <= 8192)
) STRICT, WITHOUT ROWID;

-- Of one quota, of all contributors together: when in the day calls come. The part is a pool's that is
-- split over several objects; the scope is the pool's own word, as a cooldown's.
CREATE TABLE quotas (
    part  INTEGER NOT NULL CHECK (part >= 0),
    scope TEXT    NOT NULL CHECK (length(scope) <= 256),
    day   INTEGER NOT NULL CHECK (day >= 0),
    facts TEXT    NOT NULL CHECK (length(facts) <= 8192),
    PRIMARY KEY (part, scope)
) STRICT, WITHOUT ROWID;
