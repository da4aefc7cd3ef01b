-- Tokens beside micro-dollars.
ALTER TABLE reservations ADD COLUMN reserved_tokens INTEGER NOT NULL DEFAULT 0 CHECK (reserved_tokens >= 0);
ALTER TABLE reservations ADD COLUMN settled_tokens INTEGER CHECK (settled_tokens >= 0);

-- What was counted towards a switch since it was last lifted.
CREATE TABLE counted (
    target TEXT PRIMARY KEY,
    count  INTEGER NOT NULL
) STRICT;
