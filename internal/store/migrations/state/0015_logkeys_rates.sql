-- +goose Up
-- Which keys of the log the ledger tells of; and what is counted in a window of time, for all replicas.

CREATE TABLE logkeys (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX logkeys_incident ON logkeys (incident, seq) WHERE incident <> '';
CREATE INDEX logkeys_state ON logkeys (state, seq) WHERE state <> '';
CREATE INDEX logkeys_key ON logkeys (key, seq) WHERE key <> '';
CREATE INDEX logkeys_due ON logkeys (due) WHERE due > 0;

CREATE TABLE rates (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX rates_incident ON rates (incident, seq) WHERE incident <> '';
CREATE INDEX rates_state ON rates (state, seq) WHERE state <> '';
CREATE INDEX rates_key ON rates (key, seq) WHERE key <> '';
CREATE INDEX rates_due ON rates (due) WHERE due > 0;
