-- +goose Up
-- What became of each playbook on each service and of what each agent asked for, and which looks back at runs are owed.

CREATE TABLE records (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX records_incident ON records (incident, seq) WHERE incident <> '';
CREATE INDEX records_state ON records (state, seq) WHERE state <> '';
CREATE INDEX records_key ON records (key, seq) WHERE key <> '';
CREATE INDEX records_due ON records (due) WHERE due > 0;
CREATE TABLE reviews (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX reviews_incident ON reviews (incident, seq) WHERE incident <> '';
CREATE INDEX reviews_state ON reviews (state, seq) WHERE state <> '';
CREATE INDEX reviews_key ON reviews (key, seq) WHERE key <> '';
CREATE INDEX reviews_due ON reviews (due) WHERE due > 0;
