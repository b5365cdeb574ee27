-- What a key's bearer used of it without the pool, and what nobody served. The days before are not
-- known to have had any.
ALTER TABLE usage ADD COLUMN own_calls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN own_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE usage ADD COLUMN failed_calls INTEGER NOT NULL DEFAULT 0;
