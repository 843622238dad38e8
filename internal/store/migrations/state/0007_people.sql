-- +goose Up
-- What issuers say of people's teams. The id is the digest of the identity.

CREATE TABLE people (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX people_incident ON people (incident, seq) WHERE incident <> '';
CREATE INDEX people_state ON people (state, seq) WHERE state <> '';
CREATE INDEX people_key ON people (key, seq) WHERE key <> '';
CREATE INDEX people_due ON people (due) WHERE due > 0;
