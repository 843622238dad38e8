package store

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

// Receipts is Receipt for several entries: all are proved under one checkpoint, with one consistency proof, in the order
// of the indexes. No index gives no receipt.
func (s *Store) Receipts(ctx context.Context, indexes []int64, from int64) ([]ledger.Receipt, error) {
	if len(indexes) == 0 {
		return nil, nil
	}
	last := slices.Max(indexes)
	if least := slices.Min(indexes); least < 0 {
		return nil, fmt.Errorf("%w: entry %d", writ.ErrNotFound, least)
	}
	whole, err := s.Receipt(ctx, last, from) // what covers the last one covers all
	if err != nil {
		return nil, err
	}
	size, err := sizeOf(whole.Checkpoint)
	if err != nil {
		return nil, err
	}
	out := make([]ledger.Receipt, len(indexes))
	err = s.View(ctx, func(tx *Tx) error {
		for i, index := range indexes {
			out[i] = whole
			if index == last {
				continue
			}
			leaf, err := leafAt(tx.conn, index)
			if err != nil {
				return err
			}
			out[i].Index, out[i].Leaf = index, ledger.LeafHash(leaf)
			if out[i].Proof, err = ledger.ProveInclusion(index, size, nodes{tx.conn}); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// sizeOf reads the size in a checkpoint of this store's own, which was verified when it was signed.
func sizeOf(note []byte) (int64, error) {
	lines := bytes.SplitN(note, []byte("\n"), 3)
	if len(lines) < 3 {
		return 0, fmt.Errorf("%w: a checkpoint of less than three lines", writ.ErrUnavailable)
	}
	return strconv.ParseInt(string(lines[1]), 10, 64)
}

// Look is Find on the newest committed state, outside of any snapshot: one statement, for what is looked at after each
// commit.
func (s *Store) Look(ctx context.Context, t Table, f Filter) (rows []Row, err error) {
	err = s.readers.with(ctx, func(c conn) error {
		tx := &Tx{conn: c}
		defer func() { tx.over = true }()
		rows, err = tx.Find(t, f)
		return err
	})
	return rows, err
}
