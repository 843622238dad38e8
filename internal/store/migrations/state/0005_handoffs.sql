-- +goose Up
-- Which agent passed which incident on to which.

CREATE TABLE handoffs (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX handoffs_incident ON handoffs (incident, seq) WHERE incident <> '';
CREATE INDEX handoffs_state ON handoffs (state, seq) WHERE state <> '';
CREATE INDEX handoffs_key ON handoffs (key, seq) WHERE key <> '';
CREATE INDEX handoffs_due ON handoffs (due) WHERE due > 0;
