-- +goose Up
-- Which tools of upstreams people have approved, and which of those are off.

CREATE TABLE pins (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX pins_incident ON pins (incident, seq) WHERE incident <> '';
CREATE INDEX pins_state ON pins (state, seq) WHERE state <> '';
CREATE INDEX pins_key ON pins (key, seq) WHERE key <> '';
CREATE INDEX pins_due ON pins (due) WHERE due > 0;
