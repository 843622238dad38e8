-- +goose Up
-- Keys of runners, and open invitations. The id of a key is its fingerprint, of an invitation the digest of its code,
-- never the code; the key is the runner's id.

CREATE TABLE enrolments (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX enrolments_incident ON enrolments (incident, seq) WHERE incident <> '';
CREATE INDEX enrolments_state ON enrolments (state, seq) WHERE state <> '';
CREATE INDEX enrolments_key ON enrolments (key, seq) WHERE key <> '';
CREATE INDEX enrolments_due ON enrolments (due) WHERE due > 0;
