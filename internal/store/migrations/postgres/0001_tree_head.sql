-- +goose Up
-- PostgreSQL only, beside the tables that both engines have: the one row that every transaction takes FOR UPDATE before
-- it looks at anything else. SQLite has one writer, and needs none.
CREATE TABLE tree_head (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    origin TEXT NOT NULL CHECK (origin <> ''),
    size BIGINT NOT NULL CHECK (size >= 0),
    root BYTEA NOT NULL CHECK (length(root) = 32),
    seq BIGINT NOT NULL CHECK (seq >= 0),
    commits BIGINT NOT NULL CHECK (commits >= 0)
);
