-- +goose Up
-- Changes of the policy set that people are asked about, and the files of the sets that were proposed or in force.

CREATE TABLE policychanges (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX policychanges_incident ON policychanges (incident, seq) WHERE incident <> '';
CREATE INDEX policychanges_state ON policychanges (state, seq) WHERE state <> '';
CREATE INDEX policychanges_key ON policychanges (key, seq) WHERE key <> '';
CREATE INDEX policychanges_due ON policychanges (due) WHERE due > 0;

CREATE TABLE policyfiles (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX policyfiles_incident ON policyfiles (incident, seq) WHERE incident <> '';
CREATE INDEX policyfiles_state ON policyfiles (state, seq) WHERE state <> '';
CREATE INDEX policyfiles_key ON policyfiles (key, seq) WHERE key <> '';
CREATE INDEX policyfiles_due ON policyfiles (due) WHERE due > 0;

-- The plan of a playbook that is observed only ends as observed. As in 0011, the table is written anew.
ALTER TABLE plans RENAME TO plans_before;
CREATE TABLE plans (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('planning', 'refused', 'denied', 'waiting', 'ready', 'granted', 'rejected', 'expired', 'withdrawn', 'stale', 'done', 'observed')),
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
INSERT INTO plans (seq, id, incident, state, key, due, doc) SELECT seq, id, incident, state, key, due, doc FROM plans_before;
DROP TABLE plans_before;
CREATE INDEX plans_incident ON plans (incident, seq) WHERE incident <> '';
CREATE INDEX plans_state ON plans (state, seq);
CREATE INDEX plans_key ON plans (key, seq) WHERE key <> '';
CREATE INDEX plans_due ON plans (due) WHERE due > 0;
