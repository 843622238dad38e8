-- +goose Up
-- What people are to be told, and what is known of the channels that tell them.

CREATE TABLE notices (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX notices_incident ON notices (incident, seq) WHERE incident <> '';
CREATE INDEX notices_state ON notices (state, seq) WHERE state <> '';
CREATE INDEX notices_key ON notices (key, seq) WHERE key <> '';
CREATE INDEX notices_due ON notices (due) WHERE due > 0;
CREATE TABLE channels (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX channels_incident ON channels (incident, seq) WHERE incident <> '';
CREATE INDEX channels_state ON channels (state, seq) WHERE state <> '';
CREATE INDEX channels_key ON channels (key, seq) WHERE key <> '';
CREATE INDEX channels_due ON channels (due) WHERE due > 0;
