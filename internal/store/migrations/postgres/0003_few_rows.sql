-- +goose Up
-- What PostgreSQL is to think of the columns that rows are found by: that any value has few rows. Left to its own counting
-- it learns that nearly all runs have one state, expects the same of any other, and then reads the whole past in the order
-- of the primary key to find the three that are under way. SQLite, which counts nothing, takes the index.
ALTER TABLE incidents ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
ALTER TABLE evidence ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
ALTER TABLE proposals ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
ALTER TABLE plans ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
ALTER TABLE decisions ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
ALTER TABLE approvals ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
ALTER TABLE grants ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
ALTER TABLE runs ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
ALTER TABLE leases ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
ALTER TABLE freezes ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
ALTER TABLE assignments ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
ALTER TABLE reservations ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
ALTER TABLE idempotency ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
ALTER TABLE nonces ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
ALTER TABLE agentrecords ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
ALTER TABLE timeline ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
ALTER TABLE locks ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
ALTER TABLE attempts ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
ALTER TABLE slots ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
ALTER TABLE cells ALTER COLUMN incident SET (n_distinct = 100000), ALTER COLUMN state SET (n_distinct = 100000), ALTER COLUMN key SET (n_distinct = 100000);
