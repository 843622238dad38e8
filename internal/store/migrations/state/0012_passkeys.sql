-- +goose Up
-- Which passkeys people have enrolled. The id follows from the credential's: one that was enrolled before, and be it removed
-- since, is not enrolled again. The key is the digest of the person's identity.

CREATE TABLE passkeys (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE CHECK (id <> ''),
    incident TEXT NOT NULL,
    state TEXT NOT NULL,
    key TEXT NOT NULL,
    due BIGINT NOT NULL CHECK (due >= 0),
    doc TEXT NOT NULL CHECK (doc <> '')
);
CREATE INDEX passkeys_incident ON passkeys (incident, seq) WHERE incident <> '';
CREATE INDEX passkeys_state ON passkeys (state, seq) WHERE state <> '';
CREATE INDEX passkeys_key ON passkeys (key, seq) WHERE key <> '';
CREATE INDEX passkeys_due ON passkeys (due) WHERE due > 0;
