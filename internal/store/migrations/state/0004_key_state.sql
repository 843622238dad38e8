-- +goose Up
-- What is asked for by key and state at once, where a key gets more rows for ever: the open incident of an alert that
-- comes again and again, and the unsettled runs of a service.
DROP INDEX incidents_key;
CREATE INDEX incidents_key ON incidents (key, state, seq) WHERE key <> '';
DROP INDEX runs_key;
CREATE INDEX runs_key ON runs (key, state, seq) WHERE key <> '';
