-- +goose Up
-- Who is logged in. The id is the digest of the token, never the token; the key is the name of the session.

CREATE TABLE sessions (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX sessions_incident ON sessions (incident, seq) WHERE incident <> '';
CREATE INDEX sessions_state ON sessions (state, seq) WHERE state <> '';
CREATE INDEX sessions_key ON sessions (key, seq) WHERE key <> '';
CREATE INDEX sessions_due ON sessions (due) WHERE due > 0;
