-- What each admitted call uses, by provider, and for every tool that it is charged to: `own` is the tool that was
-- called, the others wait for it. The row of no provider is always there, and counts against rates.
-- Until a call is settled the amounts are set aside, and `spent_…` of them counts as used although nobody settles
-- them. Times are microseconds since 1970, costs micro-dollars.
CREATE TABLE uses (
    call           TEXT NOT NULL,
    tool           TEXT NOT NULL,
    provider       TEXT NOT NULL,
    principal      TEXT NOT NULL,
    own            INTEGER NOT NULL CHECK (own IN (0, 1)),
    at             INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    settled        INTEGER NOT NULL CHECK (settled IN (0, 1)),
    cost           INTEGER NOT NULL CHECK (cost >= 0),
    tokens         INTEGER NOT NULL CHECK (tokens >= 0),
    requests       INTEGER NOT NULL CHECK (requests >= 0),
    bytes          INTEGER NOT NULL CHECK (bytes >= 0),
    spent_cost     INTEGER NOT NULL CHECK (spent_cost >= 0),
    spent_tokens   INTEGER NOT NULL CHECK (spent_tokens >= 0),
    spent_requests INTEGER NOT NULL CHECK (spent_requests >= 0),
    spent_bytes    INTEGER NOT NULL CHECK (spent_bytes >= 0),
    PRIMARY KEY (call, tool, provider)
) STRICT, WITHOUT ROWID;
CREATE INDEX uses_of_both ON uses (principal, tool, at);
CREATE INDEX uses_of_principal ON uses (principal, at);
CREATE INDEX uses_of_tool ON uses (tool, at);
CREATE INDEX uses_at ON uses (at);
INSERT INTO uses SELECT call, tool, '', principal, 1, at, expires_at, settled IS NOT NULL,
    coalesce(settled, reserved), CASE WHEN settled IS NULL THEN reserved_tokens ELSE coalesce(settled_tokens, 0) END, 0, 0,
    0, 0, 0, 0 FROM reservations;
DROP TABLE reservations;

-- What left every window, added up: it counts in total.
CREATE TABLE used_before (
    principal TEXT NOT NULL,
    tool      TEXT NOT NULL,
    provider  TEXT NOT NULL,
    own       INTEGER NOT NULL CHECK (own IN (0, 1)),
    calls     INTEGER NOT NULL CHECK (calls >= 0),
    cost      INTEGER NOT NULL CHECK (cost >= 0),
    tokens    INTEGER NOT NULL CHECK (tokens >= 0),
    requests  INTEGER NOT NULL CHECK (requests >= 0),
    bytes     INTEGER NOT NULL CHECK (bytes >= 0),
    PRIMARY KEY (principal, tool, provider, own)
) STRICT, WITHOUT ROWID;

-- The limits that the last call of each principal and tool was held to, for people who ask how much is left.
CREATE TABLE held_to (
    principal TEXT NOT NULL,
    tool      TEXT NOT NULL,
    limits    TEXT NOT NULL,
    since     INTEGER NOT NULL,
    PRIMARY KEY (principal, tool)
) STRICT, WITHOUT ROWID;

-- Who may use a credential of somebody else, and until when. No tool is the empty text.
CREATE TABLE credential_grants (
    credential TEXT NOT NULL,
    party      TEXT NOT NULL,
    tool       TEXT NOT NULL,
    by         TEXT NOT NULL,
    reason     TEXT NOT NULL,
    since      INTEGER NOT NULL,
    ends_at    INTEGER NOT NULL,
    PRIMARY KEY (credential, party, tool)
) STRICT, WITHOUT ROWID;

CREATE INDEX approvals_expiry ON approvals (expires_at);
