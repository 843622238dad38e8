-- +goose Up
-- Off-ledger content that is kept here as ciphertext, so that it becomes durable with the entry that commits to it. The key
-- and with it the salt are in the database of blobs: without that one, or once the key is destroyed, a row says nothing.
CREATE TABLE sealed (
    commitment TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    class TEXT NOT NULL CHECK (class IN ('evidence', 'claim', 'plan', 'text')),
    size BIGINT NOT NULL CHECK (size >= 0),
    made BIGINT NOT NULL,
    keyid TEXT NOT NULL CHECK (keyid <> ''),
    box BYTEA NOT NULL
);
