-- +goose Up
-- Each of the newest transactions with a mark of its own, by which a process whose connection was cut in a commit finds
-- out whether that commit is there. The number of the transaction does not tell: after a crash it is given out again.
CREATE TABLE commit_mark (
    commits BIGINT PRIMARY KEY CHECK (commits > 0),
    mark TEXT NOT NULL CHECK (mark <> '')
);
