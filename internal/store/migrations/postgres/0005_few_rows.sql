-- +goose Up
-- As 0003, for the tables that came later.
ALTER TABLE notices ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
ALTER TABLE channels ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
ALTER TABLE people ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
ALTER TABLE enrolments ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
ALTER TABLE breakglass ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
