-- No index on last_used: every call changes it, and in a table of some keys a scan is cheaper.
CREATE TABLE api_keys (
  id        INTEGER PRIMARY KEY,
  key       TEXT NOT NULL UNIQUE,
  last_used INTEGER NOT NULL
)
