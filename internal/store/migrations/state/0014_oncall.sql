-- +goose Up
-- Who is on call, who has handed their turn to whom, and how much each person has answered.

-- Who holds the turns of a group that an on-call source knows. The id is the group's name.
CREATE TABLE oncall (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX oncall_incident ON oncall (incident, seq) WHERE incident <> '';
CREATE INDEX oncall_state ON oncall (state, seq) WHERE state <> '';
CREATE INDEX oncall_key ON oncall (key, seq) WHERE key <> '';
CREATE INDEX oncall_due ON oncall (due) WHERE due > 0;

-- Turns that people have handed to others. The key is the group; due is when the turn goes back by itself, and later when the
-- row is forgotten.
CREATE TABLE delegations (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX delegations_incident ON delegations (incident, seq) WHERE incident <> '';
CREATE INDEX delegations_state ON delegations (state, seq) WHERE state <> '';
CREATE INDEX delegations_key ON delegations (key, seq) WHERE key <> '';
CREATE INDEX delegations_due ON delegations (due) WHERE due > 0;

-- What people have answered lately, to warn them when it becomes too much. The key is the digest of the person's identity, the
-- state the repair that was asked for; due is when it no longer counts.
CREATE TABLE answers (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX answers_incident ON answers (incident, seq) WHERE incident <> '';
CREATE INDEX answers_state ON answers (state, seq) WHERE state <> '';
CREATE INDEX answers_key ON answers (key, seq) WHERE key <> '';
CREATE INDEX answers_due ON answers (due) WHERE due > 0;
