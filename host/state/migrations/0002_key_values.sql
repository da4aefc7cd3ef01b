-- What tools remember. `space` is one component for one caller under one capability.
CREATE TABLE key_values (
    space TEXT NOT NULL,
    key   TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (space, key)
) STRICT, WITHOUT ROWID;
