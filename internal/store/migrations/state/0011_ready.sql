-- +goose Up
-- A plan that is allowed and waits for the agent that holds its grant is ready. SQLite cannot change a CHECK, so the table
-- is written anew: a second for some hundred thousand plans.
ALTER TABLE plans RENAME TO plans_before;
CREATE TABLE plans (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('planning', 'refused', 'denied', 'waiting', 'ready', 'granted', 'rejected', 'expired', 'withdrawn', 'stale', 'done')),
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
