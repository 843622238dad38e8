-- +goose Up
-- As 0003, for a table that came later.
ALTER TABLE pins ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
