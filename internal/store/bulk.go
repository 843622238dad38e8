package store

import (
	"fmt"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

// bulk is how many rows go into one statement: beyond it the statement itself costs nothing any more.
const bulk = 64

// InsertAll is Insert for many rows, in their order. After an error nothing of the closure is kept.
func (tx *Tx) InsertAll(t Table, rows []Row) error {
	name, err := tx.writing(t)
	if err != nil {
		return err
	}
	for ; len(rows) >= bulk; rows = rows[bulk:] {
		args, ids := make([]any, 0, 7*bulk), make([]string, 0, bulk)
		for _, r := range rows[:bulk] {
			if err := r.check(t); err != nil {
				return err
			}
			seq, err := tx.w.nextSeq(tx.w)
			if err != nil {
				return fmt.Errorf("insert %s: %w", t, tx.note(err))
			}
			args, ids = append(args, r.ID, r.Incident, r.State, r.Key, r.Due, string(r.Doc), seq), append(ids, r.ID)
		}
		tx.w.wrote(t, ids...)
		n, err := tx.exec("INSERT INTO "+name+" ("+columns+") VALUES "+values(7)+" ON CONFLICT DO NOTHING", args...)
		if err == nil && n != bulk {
			err = errExists
		}
		if err != nil {
			tx.w.broken = err // some of the rows may be there
			return fmt.Errorf("insert %d rows of %s: %w", bulk, t, err)
		}
	}
	for _, r := range rows {
		if err := tx.Insert(t, r); err != nil {
			return err
		}
	}
	return nil
}

// AppendAll is Append for many leaves, in their order; the first of them gets index first. After an error nothing
// of the closure is kept.
func (tx *Tx) AppendAll(leaves [][]byte) (first int64, err error) {
	if err := tx.alive(); err != nil {
		return 0, err
	}
	if tx.w == nil {
		return 0, errReadOnly
	}
	first = tx.w.edge.Size()
	for ; len(leaves) >= bulk; leaves = leaves[bulk:] {
		args := make([]any, 0, 4*bulk)
		for _, leaf := range leaves[:bulk] {
			if len(leaf) == 0 || len(leaf) > writ.MaxLeaf {
				return 0, fmt.Errorf("%w: a leaf of %d bytes; 1 to %d are allowed", writ.ErrInvalid, len(leaf), writ.MaxLeaf)
			}
			index, hash := tx.w.edge.Size(), ledger.LeafHash(leaf)
			args = append(args, index, hash.Bytes(), joined(tx.w.edge.Append(hash)), leaf)
		}
		n, err := tx.exec("INSERT INTO entry (idx, hash, nodes, leaf) VALUES "+values(4)+" ON CONFLICT DO NOTHING", args...)
		if err == nil && n != bulk {
			err = errExists
		}
		if err != nil {
			tx.w.broken = err // some of the entries may be there
			return 0, fmt.Errorf("append %d entries from %d on: %w", bulk, first, err)
		}
	}
	for _, leaf := range leaves {
		if _, _, err := tx.Append(leaf); err != nil {
			return 0, err
		}
	}
	return first, nil
}

// values is the text of bulk rows of so many parameters.
func values(columns int) string {
	one := "(?" + strings.Repeat(", ?", columns-1) + ")"
	return one + strings.Repeat(", "+one, bulk-1)
}
