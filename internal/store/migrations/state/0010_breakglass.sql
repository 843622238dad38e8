-- +goose Up
-- Break-glass: who asked for what, what became of it, and which review is owed.

CREATE TABLE breakglass (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX breakglass_incident ON breakglass (incident, seq) WHERE incident <> '';
CREATE INDEX breakglass_state ON breakglass (state, seq) WHERE state <> '';
CREATE INDEX breakglass_key ON breakglass (key, seq) WHERE key <> '';
CREATE INDEX breakglass_due ON breakglass (due) WHERE due > 0;
