-- What operators granted and imposed for a time. Times are microseconds since the Unix epoch, UTC.
-- Nothing here is of SQLite alone: the same statements serve PostgreSQL.

CREATE TABLE approvals (
    name TEXT NOT NULL PRIMARY KEY,
    agent TEXT NOT NULL,
    hosts TEXT NOT NULL,
    reason TEXT NOT NULL,
    ticket TEXT,
    request_id TEXT,
    made_by TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    until_at BIGINT NOT NULL,
    ended_at BIGINT,
    ended_by TEXT
);

CREATE INDEX approvals_made ON approvals (made_at);

CREATE TABLE quarantines (
    id TEXT NOT NULL PRIMARY KEY,
    agent TEXT NOT NULL,
    policy TEXT,
    rule TEXT,
    reason TEXT NOT NULL,
    made_by TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    until_at BIGINT,
    ended_at BIGINT,
    ended_by TEXT
);

CREATE INDEX quarantines_made ON quarantines (made_at);

CREATE TABLE sightings (
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    seen_at BIGINT NOT NULL,
    ended_at BIGINT,
    PRIMARY KEY (name, digest)
);

CREATE TABLE looks (
    id BIGINT NOT NULL PRIMARY KEY,
    looked_at BIGINT NOT NULL
);

INSERT INTO looks (id, looked_at) VALUES (1, 0);
