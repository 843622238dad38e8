-- +goose Up
-- Which policy set is in force, for all replicas. One row.

CREATE TABLE policysets (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX policysets_incident ON policysets (incident, seq) WHERE incident <> '';
CREATE INDEX policysets_state ON policysets (state, seq) WHERE state <> '';
CREATE INDEX policysets_key ON policysets (key, seq) WHERE key <> '';
CREATE INDEX policysets_due ON policysets (due) WHERE due > 0;
