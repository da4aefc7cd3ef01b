-- Who asked, until when it can be answered, and whether it is about a capability for a time: found without reading
-- every question.
ALTER TABLE approvals ADD COLUMN principal TEXT NOT NULL DEFAULT '';
ALTER TABLE approvals ADD COLUMN open_until INTEGER NOT NULL DEFAULT 0;
ALTER TABLE approvals ADD COLUMN access INTEGER NOT NULL DEFAULT 0;
UPDATE approvals SET principal = coalesce(json_extract(filing, '$.principal'), ''), open_until = expires_at;
CREATE INDEX approvals_principal ON approvals (principal, state);

-- What people were told, and through what. `turn` is the step of the chain, from 1.
CREATE TABLE approval_tellings (
    approval TEXT NOT NULL REFERENCES approvals (id),
    teller   TEXT NOT NULL,
    turn     INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    next_at  INTEGER NOT NULL,
    told_at  INTEGER,
    PRIMARY KEY (approval, teller, turn)
) STRICT, WITHOUT ROWID;

-- Links in messages: by the digest of what stands in them, once each.
CREATE TABLE approval_links (
    digest     TEXT PRIMARY KEY,
    approval   TEXT NOT NULL REFERENCES approvals (id),
    person     TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER
) STRICT, WITHOUT ROWID;

-- Answers that came signed from elsewhere: the same one does not count twice.
CREATE TABLE approval_answers_seen (
    signature TEXT PRIMARY KEY,
    at        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
