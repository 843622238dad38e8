-- +goose Up
-- As 0003, for tables that came later.
ALTER TABLE logkeys ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
ALTER TABLE rates ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
