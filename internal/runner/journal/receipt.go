package journal

import (
	"context"
	"database/sql"
	"errors"

	"github.com/writ-dev/writ"
)

// markReceipt is the newest receipt: its place in the chain as the value, its digest as the bytes.
const markReceipt = "receipt"

// A Link is a place in the chain of this journal's receipts. The zero Link stands before the first.
type Link struct {
	Seq    int64
	Digest writ.Digest
}

// Receipt returns the newest link of the chain.
func (j *Journal) Receipt(ctx context.Context) (Link, error) {
	var l Link
	var digest []byte
	err := j.db.QueryRowContext(ctx, `SELECT value, bytes FROM mark WHERE name = ?`, markReceipt).Scan(&l.Seq, &digest)
	if errors.Is(err, sql.ErrNoRows) {
		return Link{}, nil
	}
	if err != nil {
		return Link{}, opening(err)
	}
	if err := l.Digest.UnmarshalText(digest); err != nil {
		return Link{}, ErrDamaged
	}
	return l, nil
}

// setLink moves the chain on.
func setLink(ctx context.Context, tx *sql.Tx, l Link) error {
	if l.Seq == 0 {
		return nil
	}
	res, err := tx.ExecContext(ctx, `INSERT INTO mark (name, value, bytes) VALUES (?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value, bytes = excluded.bytes WHERE mark.value = excluded.value - 1`, markReceipt, l.Seq, []byte(l.Digest.String()))
	return one(res, err, writ.ErrConflict)
}
