-- What each tool was last accepted as, and what is kept back until somebody accepts it. Times are microseconds since 1970.
CREATE TABLE accepted_tools (
    tool        TEXT PRIMARY KEY,
    definition  TEXT NOT NULL,
    accepted_by TEXT NOT NULL,
    accepted_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE kept_back_tools (
    tool       TEXT PRIMARY KEY,
    definition TEXT NOT NULL,
    since      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Calls whose callers come back for the answer.
CREATE TABLE tasks (
    id         TEXT PRIMARY KEY,
    principal  TEXT NOT NULL,
    tool       TEXT NOT NULL,
    digest     TEXT NOT NULL,
    arguments  TEXT NOT NULL,
    -- The last call that was made for it.
    call       TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('running', 'held', 'ended', 'cancelled')),
    approval   TEXT,
    result     TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    CHECK ((state = 'held') = (approval IS NOT NULL)),
    CHECK ((state = 'ended') = (result IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX tasks_by_principal ON tasks (principal);
CREATE INDEX tasks_by_end ON tasks (expires_at);
