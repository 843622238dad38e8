-- +goose Up
-- As 0003, for tables that came later or were written anew.
ALTER TABLE policychanges ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
ALTER TABLE policyfiles ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
ALTER TABLE plans ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
