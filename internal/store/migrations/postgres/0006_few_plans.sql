-- +goose Up
-- As 0003, for the table that state migration 11 wrote anew.
ALTER TABLE plans ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
