-- A key that an operator had put out stays out when its contributor withdraws it: then its contributor
-- alone cannot lift its tombstone.
ALTER TABLE tombstones ADD COLUMN barred INTEGER NOT NULL DEFAULT 0 CHECK (barred IN (0, 1));
