-- +goose Up
-- One text for SQLite and PostgreSQL: TEXT, BIGINT (epoch milliseconds for times), BYTEA, CHECK, partial indexes.

CREATE TABLE incidents (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'resolved')),
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX incidents_incident ON incidents (incident, seq) WHERE incident <> '';
CREATE INDEX incidents_state ON incidents (state, seq);
CREATE INDEX incidents_key ON incidents (key, seq) WHERE key <> '';
CREATE UNIQUE INDEX incidents_open ON incidents (key) WHERE state = 'open';
CREATE INDEX incidents_due ON incidents (due) WHERE due > 0;

CREATE TABLE evidence (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX evidence_incident ON evidence (incident, seq) WHERE incident <> '';
CREATE INDEX evidence_state ON evidence (state, seq) WHERE state <> '';
CREATE INDEX evidence_key ON evidence (key, seq) WHERE key <> '';
CREATE INDEX evidence_due ON evidence (due) WHERE due > 0;

CREATE TABLE proposals (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX proposals_incident ON proposals (incident, seq) WHERE incident <> '';
CREATE INDEX proposals_state ON proposals (state, seq) WHERE state <> '';
CREATE INDEX proposals_key ON proposals (key, seq) WHERE key <> '';
CREATE INDEX proposals_due ON proposals (due) WHERE due > 0;

CREATE TABLE plans (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('planning', 'refused', 'denied', 'waiting', 'granted', 'rejected', 'expired', 'withdrawn', 'stale', 'done')),
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX plans_incident ON plans (incident, seq) WHERE incident <> '';
CREATE INDEX plans_state ON plans (state, seq);
CREATE INDEX plans_key ON plans (key, seq) WHERE key <> '';
CREATE INDEX plans_due ON plans (due) WHERE due > 0;

CREATE TABLE decisions (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX decisions_incident ON decisions (incident, seq) WHERE incident <> '';
CREATE INDEX decisions_state ON decisions (state, seq) WHERE state <> '';
CREATE INDEX decisions_key ON decisions (key, seq) WHERE key <> '';
CREATE INDEX decisions_due ON decisions (due) WHERE due > 0;

CREATE TABLE approvals (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX approvals_incident ON approvals (incident, seq) WHERE incident <> '';
CREATE INDEX approvals_state ON approvals (state, seq) WHERE state <> '';
CREATE INDEX approvals_key ON approvals (key, seq) WHERE key <> '';
CREATE INDEX approvals_due ON approvals (due) WHERE due > 0;

CREATE TABLE grants (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX grants_incident ON grants (incident, seq) WHERE incident <> '';
CREATE INDEX grants_state ON grants (state, seq) WHERE state <> '';
CREATE INDEX grants_key ON grants (key, seq) WHERE key <> '';
CREATE INDEX grants_due ON grants (due) WHERE due > 0;

CREATE TABLE runs (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('granted', 'running', 'succeeded', 'undone', 'failed', 'refused', 'uncertain', 'expired')),
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX runs_incident ON runs (incident, seq) WHERE incident <> '';
CREATE INDEX runs_state ON runs (state, seq);
CREATE INDEX runs_key ON runs (key, seq) WHERE key <> '';
CREATE INDEX runs_due ON runs (due) WHERE due > 0;

CREATE TABLE leases (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX leases_incident ON leases (incident, seq) WHERE incident <> '';
CREATE INDEX leases_state ON leases (state, seq) WHERE state <> '';
CREATE INDEX leases_key ON leases (key, seq) WHERE key <> '';
CREATE INDEX leases_due ON leases (due) WHERE due > 0;

CREATE TABLE freezes (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX freezes_incident ON freezes (incident, seq) WHERE incident <> '';
CREATE INDEX freezes_state ON freezes (state, seq) WHERE state <> '';
CREATE INDEX freezes_key ON freezes (key, seq) WHERE key <> '';
CREATE INDEX freezes_due ON freezes (due) WHERE due > 0;

CREATE TABLE assignments (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX assignments_incident ON assignments (incident, seq) WHERE incident <> '';
CREATE INDEX assignments_state ON assignments (state, seq) WHERE state <> '';
CREATE INDEX assignments_key ON assignments (key, seq) WHERE key <> '';
CREATE INDEX assignments_due ON assignments (due) WHERE due > 0;

CREATE TABLE reservations (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX reservations_incident ON reservations (incident, seq) WHERE incident <> '';
CREATE INDEX reservations_state ON reservations (state, seq) WHERE state <> '';
CREATE INDEX reservations_key ON reservations (key, seq) WHERE key <> '';
CREATE INDEX reservations_due ON reservations (due) WHERE due > 0;

CREATE TABLE idempotency (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL CHECK (key <> ''),
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX idempotency_incident ON idempotency (incident, seq) WHERE incident <> '';
CREATE INDEX idempotency_state ON idempotency (state, seq) WHERE state <> '';
CREATE UNIQUE INDEX idempotency_key ON idempotency (key);
CREATE INDEX idempotency_due ON idempotency (due) WHERE due > 0;

CREATE TABLE nonces (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL CHECK (key <> ''),
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX nonces_incident ON nonces (incident, seq) WHERE incident <> '';
CREATE INDEX nonces_state ON nonces (state, seq) WHERE state <> '';
CREATE UNIQUE INDEX nonces_key ON nonces (key);
CREATE INDEX nonces_due ON nonces (due) WHERE due > 0;

CREATE TABLE agentrecords (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX agentrecords_incident ON agentrecords (incident, seq) WHERE incident <> '';
CREATE INDEX agentrecords_state ON agentrecords (state, seq) WHERE state <> '';
CREATE INDEX agentrecords_key ON agentrecords (key, seq) WHERE key <> '';
CREATE INDEX agentrecords_due ON agentrecords (due) WHERE due > 0;

CREATE TABLE timeline (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX timeline_incident ON timeline (incident, seq) WHERE incident <> '';
CREATE INDEX timeline_state ON timeline (state, seq) WHERE state <> '';
CREATE INDEX timeline_key ON timeline (key, seq) WHERE key <> '';
CREATE INDEX timeline_due ON timeline (due) WHERE due > 0;

-- Entry i keeps its leaf, its RFC 6962 leaf hash and the roots of the subtrees that it completes, lowest first, 32 bytes
-- each: every stored hash of the tree stands in exactly one place and is never rewritten.
CREATE TABLE entry (
    idx BIGINT PRIMARY KEY CHECK (idx >= 0),
    hash BYTEA NOT NULL UNIQUE CHECK (length(hash) = 32),
    nodes BYTEA CHECK (length(nodes) % 32 = 0),
    leaf BYTEA NOT NULL CHECK (length(leaf) BETWEEN 1 AND 65535)
);

CREATE TABLE checkpoint (
    size BIGINT PRIMARY KEY CHECK (size > 0),
    note TEXT NOT NULL
);

CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counter (name, value) VALUES ('seq', 0);
