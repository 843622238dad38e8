package store

import (
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

// Append adds a leaf, which ledger.Seal made or ledger.Open accepted, and returns its index and leaf hash. It returns
// ErrConflict when the same leaf is in the log already; IndexOf then tells where. The index is final once Update has
// returned nil.
func (tx *Tx) Append(leaf []byte) (index int64, hash writ.Digest, err error) {
	if err := tx.alive(); err != nil {
		return 0, writ.Digest{}, err
	}
	switch {
	case tx.w == nil:
		return 0, writ.Digest{}, errReadOnly
	case len(leaf) == 0 || len(leaf) > writ.MaxLeaf:
		return 0, writ.Digest{}, fmt.Errorf("%w: a leaf of %d bytes; 1 to %d are allowed", writ.ErrInvalid, len(leaf), writ.MaxLeaf)
	}
	before := tx.w.edge.Clone()
	index, hash = before.Size(), ledger.LeafHash(leaf)
	completed := joined(tx.w.edge.Append(hash))
	n, err := tx.exec("INSERT INTO entry (idx, hash, nodes, leaf) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", index, hash.Bytes(), completed, leaf)
	if err == nil && n == 0 {
		err = errExists
	}
	if err != nil {
		tx.w.edge = before
		return 0, writ.Digest{}, fmt.Errorf("append entry %d: %w", index, err)
	}
	return index, hash, nil
}

// Head returns the number of entries, with those that this closure has appended.
func (tx *Tx) Head() (size int64) {
	if tx.w != nil {
		return tx.w.edge.Size()
	}
	tx.asks()
	return tx.size
}

// Leaf returns the stored bytes of one entry, or ErrNotFound.
func (tx *Tx) Leaf(index int64) ([]byte, error) {
	leaves, err := tx.Leaves(index, 1)
	switch {
	case err != nil:
		return nil, err
	case len(leaves) == 0:
		return nil, fmt.Errorf("%w: entry %d", writ.ErrNotFound, index)
	}
	return leaves[0], nil
}

// Leaves returns up to limit leaves from an index on, at most MaxRows.
func (tx *Tx) Leaves(from int64, limit int) (leaves [][]byte, err error) {
	if err := tx.alive(); err != nil {
		return nil, err
	}
	if from < 0 || limit < 0 {
		return nil, fmt.Errorf("%w: entries from %d, %d of them", writ.ErrInvalid, from, limit)
	}
	tx.asks()
	err = tx.conn.query("SELECT leaf FROM entry WHERE idx >= ? ORDER BY idx LIMIT ?", func(rows row) error {
		var leaf []byte
		if err := rows.Scan(&leaf); err != nil {
			return err
		}
		leaves = append(leaves, leaf)
		return nil
	}, from, min(limit, MaxRows))
	if err != nil {
		return nil, fmt.Errorf("entries from %d: %w", from, tx.note(err))
	}
	return leaves, nil
}

// IndexOf returns the index of the entry with this leaf hash, or ErrNotFound.
func (tx *Tx) IndexOf(hash writ.Digest) (index int64, err error) {
	if err := tx.alive(); err != nil {
		return 0, err
	}
	tx.asks()
	index = -1
	err = tx.conn.query("SELECT idx FROM entry WHERE hash = ?", func(rows row) error { return rows.Scan(&index) }, hash.Bytes())
	switch {
	case err != nil:
		return 0, fmt.Errorf("entry %s: %w", hash, tx.note(err))
	case index < 0:
		return 0, fmt.Errorf("%w: no entry %s", writ.ErrNotFound, hash)
	}
	return index, nil
}
