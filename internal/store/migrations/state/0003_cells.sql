-- +goose Up
-- Which process works for a runner.

CREATE TABLE cells (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX cells_incident ON cells (incident, seq) WHERE incident <> '';
CREATE INDEX cells_state ON cells (state, seq) WHERE state <> '';
CREATE INDEX cells_key ON cells (key, seq) WHERE key <> '';
CREATE INDEX cells_due ON cells (due) WHERE due > 0;
