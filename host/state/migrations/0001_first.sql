-- The audit trail: a hash chain of canonical records. Nothing changes or leaves.
CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY,
    at       TEXT NOT NULL,
    kind     TEXT NOT NULL,
    call     TEXT,
    host     TEXT,
    record   TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash     TEXT NOT NULL
) STRICT;
CREATE INDEX audit_call ON audit (call) WHERE call IS NOT NULL;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit trail is not changed'); END;
CREATE TRIGGER audit_is_not_cut BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit trail is not cut'); END;

-- Questions to people, and what became of them. Times are microseconds since 1970.
CREATE TABLE approvals (
    id         TEXT PRIMARY KEY,
    digest     TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('open', 'approved', 'denied', 'spent')),
    filing     TEXT NOT NULL,
    answers    TEXT NOT NULL,
    filed_at   INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX approvals_digest ON approvals (digest, state);

-- One row a call that was admitted: it counts against rates, and holds what was set aside.
-- `settled` is what the call cost in the end; until then it is absent. Micro-dollars.
CREATE TABLE reservations (
    call       TEXT PRIMARY KEY,
    principal  TEXT NOT NULL,
    tool       TEXT NOT NULL,
    at         INTEGER NOT NULL,
    reserved   INTEGER NOT NULL CHECK (reserved >= 0),
    settled    INTEGER CHECK (settled >= 0),
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX reservations_window ON reservations (principal, tool, at);

CREATE TABLE switches (
    target     TEXT PRIMARY KEY,
    reason     TEXT NOT NULL,
    by         TEXT NOT NULL,
    since      INTEGER NOT NULL,
    expires_at INTEGER
) STRICT;
