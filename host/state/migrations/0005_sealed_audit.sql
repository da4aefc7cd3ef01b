-- Every link is sealed with the key of this host; what was there before is sealed when the key is made.
DROP TRIGGER audit_is_not_changed;
DROP TRIGGER audit_is_not_cut;
ALTER TABLE audit ADD COLUMN seal TEXT;
-- The host that a call was opened by is part of its record from here on.
UPDATE audit SET host = NULL;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit WHEN OLD.seal IS NOT NULL BEGIN SELECT RAISE(ABORT, 'the audit trail is not changed'); END;

-- How far links were removed after their time, and the signed checkpoint that stands for them.
CREATE TABLE audit_removed (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    through    INTEGER NOT NULL,
    checkpoint TEXT NOT NULL
) STRICT;
CREATE TRIGGER audit_is_not_cut BEFORE DELETE ON audit WHEN OLD.sequence > coalesce((SELECT through FROM audit_removed), 0) BEGIN SELECT RAISE(ABORT, 'the audit trail is not cut'); END;
