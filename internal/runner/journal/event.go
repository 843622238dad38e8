package journal

import (
	"context"
	"database/sql"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/fault"
)

// An Event is one line of a run's write-ahead log. The runner gives kinds and data their meaning; a run's events are
// numbered from 1 without gaps.
type Event struct {
	Seq  int64
	Kind string
	Step int // from 1; 0 when it is about no step
	Data []byte
	At   time.Time
}

// Append writes events and the sealed entries that tell of them, in one transaction.
func (j *Journal) Append(ctx context.Context, run writ.RunID, events []Event, entries ...Entry) error {
	return j.write(ctx, opOf(events), func(tx *sql.Tx) error {
		if err := log(ctx, tx, run, events); err != nil {
			return err
		}
		return post(ctx, tx, run, entries)
	})
}

// opOf names the write of events for a test's faults, by the first of them.
func opOf(events []Event) fault.Op {
	if !fault.On || len(events) == 0 {
		return fault.JournalCheck
	}
	switch events[0].Kind {
	case "sealed":
		return fault.JournalIntent
	case "outcome":
		return fault.JournalEffect
	case "undo":
		return fault.JournalUndo
	case "undone":
		return fault.JournalUndone
	}
	return fault.JournalTurned
}

func log(ctx context.Context, tx *sql.Tx, run writ.RunID, events []Event) error {
	for _, e := range events {
		if _, err := tx.ExecContext(ctx, `INSERT INTO event (run, seq, kind, step, data, at)
			VALUES (?, (SELECT COALESCE(MAX(seq), 0) + 1 FROM event WHERE run = ?), ?, ?, ?, ?)`,
			run, run, e.Kind, e.Step, e.Data, millis(e.At)); err != nil {
			return err
		}
	}
	return nil
}

// Events returns the events of a run in order.
func (j *Journal) Events(ctx context.Context, run writ.RunID) ([]Event, error) {
	rows, err := j.query(ctx, `SELECT seq, kind, step, data, at FROM event WHERE run = ? ORDER BY seq`, run)
	if err != nil {
		return nil, opening(err)
	}
	defer rows.Close()
	var out []Event
	for rows.Next() {
		var e Event
		var at int64
		if err := rows.Scan(&e.Seq, &e.Kind, &e.Step, &e.Data, &at); err != nil {
			return nil, opening(err)
		}
		e.At = instant(at)
		out = append(out, e)
	}
	return out, rows.Err()
}
