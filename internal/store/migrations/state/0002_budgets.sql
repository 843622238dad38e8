-- +goose Up
-- Objects that a run is writing: the id is the object, so that there is one writer.
CREATE TABLE locks (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX locks_incident ON locks (incident, seq) WHERE incident <> '';
CREATE INDEX locks_state ON locks (state, seq) WHERE state <> '';
CREATE INDEX locks_key ON locks (key, seq) WHERE key <> '';
CREATE INDEX locks_due ON locks (due) WHERE due > 0;

-- Runs on objects within the window in which they count.
CREATE TABLE attempts (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX attempts_incident ON attempts (incident, seq) WHERE incident <> '';
CREATE INDEX attempts_state ON attempts (state, seq) WHERE state <> '';
CREATE INDEX attempts_key ON attempts (key, seq) WHERE key <> '';
CREATE INDEX attempts_due ON attempts (due) WHERE due > 0;

-- Plans that are being worked out or wait for people, by service.
CREATE TABLE slots (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX slots_incident ON slots (incident, seq) WHERE incident <> '';
CREATE INDEX slots_state ON slots (state, seq) WHERE state <> '';
CREATE INDEX slots_key ON slots (key, seq) WHERE key <> '';
CREATE INDEX slots_due ON slots (due) WHERE due > 0;
