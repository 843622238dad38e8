-- +goose Up
-- Off-ledger content with its salt. An erased blob keeps its commitment and loses content and salt.
CREATE TABLE blob (
    commitment TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    class TEXT NOT NULL CHECK (class IN ('evidence', 'claim', 'plan', 'text')),
    size BIGINT NOT NULL CHECK (size >= 0),
    made BIGINT NOT NULL,
    erased BIGINT NOT NULL CHECK (erased >= 0),
    salt BYTEA,
    content BYTEA,
    CHECK ((erased = 0 AND length(salt) = 32 AND content IS NOT NULL) OR (erased > 0 AND salt IS NULL AND content IS NULL))
);
