-- What was answered to a request that its client named: the same request is not done twice.
CREATE TABLE kept_answers (
    principal  TEXT NOT NULL,
    key        TEXT NOT NULL,
    request    TEXT NOT NULL,
    call       TEXT NOT NULL,
    begun_at   INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    -- Both absent while it is being done.
    status     INTEGER,
    body       TEXT,
    PRIMARY KEY (principal, key),
    CHECK ((status IS NULL) = (body IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX kept_answers_by_end ON kept_answers (expires_at);
