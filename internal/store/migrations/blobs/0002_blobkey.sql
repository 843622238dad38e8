-- +goose Up
-- Keys of content that the state database keeps as ciphertext, each for one. They are made ahead, in blocks; erasing the
-- content is destroying its key.
CREATE TABLE blobkey (
    id TEXT PRIMARY KEY CHECK (id <> ''),
    key BYTEA NOT NULL CHECK (length(key) = 32)
);
