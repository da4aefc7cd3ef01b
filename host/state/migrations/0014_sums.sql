-- What settled uses come to in each minute, hour and day, so that a budget of a month does not read every use of the
-- month. The triggers keep the sums, in the transaction that changes the uses. `lasts` is how long a sum is about,
-- and `begins` when, in microseconds; `uses` counts its rows. An amount that is the greatest stays it: whatever is
-- more is over every budget that anybody has (`GREATEST` in `budgets/rows.rs`).
CREATE TABLE used_sums (
    principal TEXT NOT NULL,
    tool      TEXT NOT NULL,
    lasts     INTEGER NOT NULL,
    begins    INTEGER NOT NULL,
    provider  TEXT NOT NULL,
    own       INTEGER NOT NULL CHECK (own IN (0, 1)),
    uses      INTEGER NOT NULL CHECK (uses >= 0),
    calls     INTEGER NOT NULL CHECK (calls >= 0),
    cost      INTEGER NOT NULL CHECK (cost >= 0),
    tokens    INTEGER NOT NULL CHECK (tokens >= 0),
    requests  INTEGER NOT NULL CHECK (requests >= 0),
    bytes     INTEGER NOT NULL CHECK (bytes >= 0),
    PRIMARY KEY (principal, tool, lasts, begins, provider, own)
) STRICT, WITHOUT ROWID;
CREATE INDEX used_sums_of_principal ON used_sums (principal, lasts, begins);
CREATE INDEX used_sums_of_tool ON used_sums (tool, lasts, begins);
CREATE INDEX used_sums_of_nothing ON used_sums (uses) WHERE uses = 0;

CREATE TABLE sum_lengths (lasts INTEGER PRIMARY KEY) STRICT;
INSERT INTO sum_lengths VALUES (60000000), (3600000000), (86400000000);

-- Those that are not settled are few, and are read one by one.
CREATE INDEX uses_open ON uses (principal, tool, at) WHERE settled = 0;
CREATE INDEX uses_open_of_principal ON uses (principal, at) WHERE settled = 0;
CREATE INDEX uses_open_of_tool ON uses (tool, at) WHERE settled = 0;

-- Of what was used before: hours are made of minutes, and days of hours.
INSERT INTO used_sums
    SELECT principal, tool, 60000000, at - at % 60000000, provider, own, count(*), sum(provider = '' AND own = 1),
        min(9007199254740992, sum(min(cost, 9007199254740992))), min(9007199254740992, sum(min(tokens, 9007199254740992))), min(9007199254740992, sum(min(requests, 9007199254740992))), min(9007199254740992, sum(min(bytes, 9007199254740992)))
    FROM uses WHERE settled = 1 GROUP BY principal, tool, at - at % 60000000, provider, own;
INSERT INTO used_sums
    SELECT principal, tool, 3600000000, begins - begins % 3600000000, provider, own, sum(uses), sum(calls),
        min(9007199254740992, sum(cost)), min(9007199254740992, sum(tokens)), min(9007199254740992, sum(requests)), min(9007199254740992, sum(bytes))
    FROM used_sums WHERE lasts = 60000000 GROUP BY principal, tool, begins - begins % 3600000000, provider, own;
INSERT INTO used_sums
    SELECT principal, tool, 86400000000, begins - begins % 86400000000, provider, own, sum(uses), sum(calls),
        min(9007199254740992, sum(cost)), min(9007199254740992, sum(tokens)), min(9007199254740992, sum(requests)), min(9007199254740992, sum(bytes))
    FROM used_sums WHERE lasts = 3600000000 GROUP BY principal, tool, begins - begins % 86400000000, provider, own;

CREATE TRIGGER uses_begun AFTER INSERT ON uses WHEN NEW.settled = 1 BEGIN
    INSERT INTO used_sums
        SELECT NEW.principal, NEW.tool, lasts, NEW.at - NEW.at % lasts, NEW.provider, NEW.own, 1,
            NEW.provider = '' AND NEW.own = 1, min(9007199254740992, NEW.cost), min(9007199254740992, NEW.tokens),
            min(9007199254740992, NEW.requests), min(9007199254740992, NEW.bytes)
        FROM sum_lengths WHERE true
        ON CONFLICT DO UPDATE SET uses = uses + 1, calls = calls + excluded.calls,
            cost = min(9007199254740992, cost + excluded.cost),
            tokens = min(9007199254740992, tokens + excluded.tokens),
            requests = min(9007199254740992, requests + excluded.requests),
            bytes = min(9007199254740992, bytes + excluded.bytes);
END;

CREATE TRIGGER uses_settled AFTER UPDATE ON uses WHEN NEW.settled = 1 BEGIN
    INSERT INTO used_sums
        SELECT NEW.principal, NEW.tool, lasts, NEW.at - NEW.at % lasts, NEW.provider, NEW.own, 1,
            NEW.provider = '' AND NEW.own = 1, min(9007199254740992, NEW.cost), min(9007199254740992, NEW.tokens),
            min(9007199254740992, NEW.requests), min(9007199254740992, NEW.bytes)
        FROM sum_lengths WHERE true
        ON CONFLICT DO UPDATE SET uses = uses + 1, calls = calls + excluded.calls,
            cost = min(9007199254740992, cost + excluded.cost),
            tokens = min(9007199254740992, tokens + excluded.tokens),
            requests = min(9007199254740992, requests + excluded.requests),
            bytes = min(9007199254740992, bytes + excluded.bytes);
END;

CREATE TRIGGER uses_changed BEFORE UPDATE ON uses WHEN OLD.settled = 1 BEGIN
    INSERT INTO used_sums
        SELECT OLD.principal, OLD.tool, lasts, OLD.at - OLD.at % lasts, OLD.provider, OLD.own, 1,
            OLD.provider = '' AND OLD.own = 1, min(9007199254740992, OLD.cost), min(9007199254740992, OLD.tokens),
            min(9007199254740992, OLD.requests), min(9007199254740992, OLD.bytes)
        FROM sum_lengths WHERE true
        ON CONFLICT DO UPDATE SET uses = uses - 1, calls = calls - excluded.calls,
            cost = CASE WHEN cost = 9007199254740992 THEN cost ELSE cost - excluded.cost END,
            tokens = CASE WHEN tokens = 9007199254740992 THEN tokens ELSE tokens - excluded.tokens END,
            requests = CASE WHEN requests = 9007199254740992 THEN requests ELSE requests - excluded.requests END,
            bytes = CASE WHEN bytes = 9007199254740992 THEN bytes ELSE bytes - excluded.bytes END;
END;

CREATE TRIGGER uses_over BEFORE DELETE ON uses WHEN OLD.settled = 1 BEGIN
    INSERT INTO used_sums
        SELECT OLD.principal, OLD.tool, lasts, OLD.at - OLD.at % lasts, OLD.provider, OLD.own, 1,
            OLD.provider = '' AND OLD.own = 1, min(9007199254740992, OLD.cost), min(9007199254740992, OLD.tokens),
            min(9007199254740992, OLD.requests), min(9007199254740992, OLD.bytes)
        FROM sum_lengths WHERE true
        ON CONFLICT DO UPDATE SET uses = uses - 1, calls = calls - excluded.calls,
            cost = CASE WHEN cost = 9007199254740992 THEN cost ELSE cost - excluded.cost END,
            tokens = CASE WHEN tokens = 9007199254740992 THEN tokens ELSE tokens - excluded.tokens END,
            requests = CASE WHEN requests = 9007199254740992 THEN requests ELSE requests - excluded.requests END,
            bytes = CASE WHEN bytes = 9007199254740992 THEN bytes ELSE bytes - excluded.bytes END;
    DELETE FROM used_sums WHERE uses = 0;
END;
