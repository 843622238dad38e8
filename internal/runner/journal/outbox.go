package journal

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/fault"
	"github.com/writ-dev/writ/internal/ledger"
)

// An Entry is a sealed ledger entry on its way to the control plane.
type Entry struct {
	Seq   int64 // given by the outbox: its place in the run's order, from 1
	Leaf  []byte
	Needs writ.Digest // leaf hash of the entry it tells of; it is void when that one was refused. Zero for none
}

// post puts entries at the end of the run's outbox.
func post(ctx context.Context, tx *sql.Tx, run writ.RunID, entries []Entry) error {
	for _, e := range entries {
		var last, gone int64
		if err := tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(seq), 0) FROM outbox WHERE run = ?`, run).Scan(&last); err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM outbox WHERE run = ? AND hash = ? AND state = 'void'`,
			run, e.Needs.String()).Scan(&gone); err != nil {
			return err
		}
		state := "waiting"
		if gone > 0 {
			state = "void"
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO outbox (run, seq, hash, leaf, needs, state) VALUES (?, ?, ?, ?, ?, ?)`,
			run, last+1, ledger.LeafHash(e.Leaf).String(), e.Leaf, e.Needs.String(), state); err != nil {
			return err
		}
	}
	return nil
}

// Waiting returns at most limit entries of the run that the control plane has not acknowledged, in order.
func (j *Journal) Waiting(ctx context.Context, run writ.RunID, limit int) ([]Entry, error) {
	rows, err := j.query(ctx, `SELECT seq, leaf FROM outbox WHERE run = ? AND state = 'waiting' ORDER BY seq LIMIT ?`, run, limit)
	if err != nil {
		return nil, opening(err)
	}
	defer rows.Close()
	var out []Entry
	for rows.Next() {
		var e Entry
		if err := rows.Scan(&e.Seq, &e.Leaf); err != nil {
			return nil, opening(err)
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

// Owing returns the runs with entries that wait, in no particular order.
func (j *Journal) Owing(ctx context.Context) ([]writ.RunID, error) {
	rows, err := j.query(ctx, `SELECT DISTINCT run FROM outbox WHERE state = 'waiting'`)
	if err != nil {
		return nil, opening(err)
	}
	defer rows.Close()
	var out []writ.RunID
	for rows.Next() {
		var id writ.RunID
		if err := rows.Scan(&id); err != nil {
			return nil, opening(err)
		}
		out = append(out, id)
	}
	return out, rows.Err()
}

// Proved is what one run has got acknowledged: its waiting entries up to Seq, and the events that follow from it.
type Proved struct {
	Run    writ.RunID
	Seq    int64
	Events []Event
}

// Delivered records what the control plane proved and that the checked head moved with it, in one transaction.
func (j *Journal) Delivered(ctx context.Context, head []byte, proved ...Proved) error {
	return j.write(ctx, fault.JournalProved, func(tx *sql.Tx) error {
		for _, p := range proved {
			if _, err := tx.ExecContext(ctx, `UPDATE outbox SET state = 'delivered' WHERE run = ? AND seq <= ? AND state = 'waiting'`, p.Run, p.Seq); err != nil {
				return err
			}
			if err := log(ctx, tx, p.Run, p.Events); err != nil {
				return err
			}
		}
		return setHead(ctx, tx, head)
	})
}

// Void records that the control plane refused an entry: it, and waiting entries that only tell of it, or of one that
// does, will not be sent again. A lease that was announced by it, and for which minting has not begun, is forgotten with it.
func (j *Journal) Void(ctx context.Context, run writ.RunID, seq int64) error {
	return j.write(ctx, fault.JournalVoid, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `UPDATE outbox SET state = 'void' WHERE run = ? AND seq = ? AND state = 'waiting'`, run, seq)
		if err := one(r, err, fmt.Errorf("%w: entry %d of run %s does not wait", writ.ErrConflict, seq, run)); err != nil {
			return err
		}
		// After a crash the outcome of a step may wait with its intent, and the intent with the lease that is refused.
		_, err = tx.ExecContext(ctx, `WITH RECURSIVE gone (hash) AS (SELECT hash FROM outbox WHERE run = ? AND seq = ?
			UNION SELECT o.hash FROM outbox o JOIN gone ON o.needs = gone.hash WHERE o.run = ?)
			UPDATE outbox SET state = 'void' WHERE run = ? AND state = 'waiting' AND needs IN (SELECT hash FROM gone)`, run, seq, run, run)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM lease WHERE run = ? AND begun IS NULL
			AND entry = (SELECT hash FROM outbox WHERE run = ? AND seq = ?)`, run, run, seq)
		return err
	})
}
