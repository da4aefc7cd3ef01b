-- What proved an identity, and is taken back. The last id says whether anything was added since it was last read.
CREATE TABLE denied (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    target     TEXT NOT NULL UNIQUE,
    denial     TEXT NOT NULL,
    expires_at INTEGER
) STRICT;
CREATE INDEX denied_expires ON denied (expires_at) WHERE expires_at IS NOT NULL;

-- Static keys: never the key, only the hash of its random part. Times are microseconds since 1970.
CREATE TABLE api_keys (
    id         TEXT PRIMARY KEY,
    hash       TEXT NOT NULL,
    key        TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    ends_at    INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
