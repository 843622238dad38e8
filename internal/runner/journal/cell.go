package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/fault"
)

// Marks of the cell that the runner's processes share.
const (
	markInstance = "instance"
	markEpoch    = "cell_epoch"
)

// Instance returns the journal's own random name, empty while it has none.
func (j *Journal) Instance(ctx context.Context) (string, error) {
	var b []byte
	err := j.db.QueryRowContext(ctx, `SELECT bytes FROM mark WHERE name = ?`, markInstance).Scan(&b)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", opening(err)
	}
	return string(b), nil
}

// SetInstance gives the journal a new name, under which it has held no cell.
func (j *Journal) SetInstance(ctx context.Context, name string) error {
	return j.write(ctx, fault.JournalMark, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM mark WHERE name = ?`, markEpoch); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO mark (name, value, bytes) VALUES (?, 0, ?)
			ON CONFLICT (name) DO UPDATE SET bytes = excluded.bytes`, markInstance, []byte(name))
		return err
	})
}

// Epoch returns the last epoch under which a process of this journal held its cell; 0 for none.
func (j *Journal) Epoch(ctx context.Context) (int64, error) { return j.mark(ctx, markEpoch) }

// SetEpoch records the epoch under which this process holds the cell, before it does anything under it.
func (j *Journal) SetEpoch(ctx context.Context, epoch int64) error {
	return j.raise(ctx, markEpoch, epoch, nil, writ.ReasonFenced)
}

// TakeOver records a run that a process with another journal began, with its outcome as far as this one will ever know
// it, the leases that it must end, and the entries that say so. Its grant counts as spent here too. A run that was taken
// over already only gains the leases that are new; it reports whether there was anything new.
func (j *Journal) TakeOver(ctx context.Context, r Run, leases []Lease, entries ...Entry) (bool, error) {
	some := false
	err := j.write(ctx, fault.JournalLease, func(tx *sql.Tx) error {
		some = false
		var known int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM run WHERE id = ?`, r.ID).Scan(&known); err != nil {
			return err
		}
		if known > 0 { // this journal is an older copy, or left it: what the ledger tells of it counts
			var ended any
			if !r.Ended.IsZero() {
				ended = millis(r.Ended)
			}
			res, err := tx.ExecContext(ctx, `UPDATE run SET state = ?, reason = ?, detail = ?, applied = ?, undone = ?, unknown = ?, ended = ?
				WHERE id = ? AND (state = ? OR reason = ?)`, r.State, r.Reason, r.Detail, r.Applied, r.Undone, r.Unknown, ended,
				r.ID, writ.RunRunning, writ.ReasonFenced)
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			if some = n > 0; some {
				if err := post(ctx, tx, r.ID, entries); err != nil {
					return err
				}
			}
		}
		if known == 0 {
			some = true
			if _, err := tx.ExecContext(ctx, `INSERT INTO spent (grant_id, run, at) VALUES (?, ?, ?) ON CONFLICT (grant_id) DO NOTHING`,
				r.Grant, r.ID, millis(r.Started)); err != nil {
				return err
			}
			if err := putRun(ctx, tx, r); err != nil {
				return err
			}
			if err := post(ctx, tx, r.ID, entries); err != nil {
				return err
			}
		}
		for _, l := range leases {
			res, err := tx.ExecContext(ctx, `INSERT INTO lease (id, run, plan, target, name, entry, tier, steps, undo, ttl, made, expires, begun, probes)
				VALUES (?, ?, '', ?, ?, ?, ?, 'null', 0, 0, ?, ?, ?, 0) ON CONFLICT DO NOTHING`, l.ID, r.ID, l.Target, l.Name, l.Entry.String(),
				int(l.Tier), millis(l.Made), millis(l.Expires), null(l.Begun))
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			some = some || n > 0
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("take over run %s: %w", r.ID, err)
	}
	return some, nil
}

// Abandon records that another process owns a run: it is over for this journal, and the record of its end is the
// other's. writ.ErrConflict when the run has its outcome.
func (j *Journal) Abandon(ctx context.Context, id writ.RunID, why writ.Reason, detail string, at time.Time) error {
	return j.write(ctx, fault.JournalConcluded, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE run SET state = ?, reason = ?, detail = ?, ended = ? WHERE id = ? AND state = ?`,
			writ.RunUncertain, why, detail, millis(at), id, writ.RunRunning)
		return one(res, err, fmt.Errorf("%w: run %s has its outcome", writ.ErrConflict, id))
	})
}

// Post puts entries that belong to no run into the outbox.
func (j *Journal) Post(ctx context.Context, entries ...Entry) error {
	return j.write(ctx, fault.JournalMark, func(tx *sql.Tx) error { return post(ctx, tx, "", entries) })
}

// Names reports, for names of leases on a target, which of them belong to a lease of this journal that is not dead.
func (j *Journal) Names(ctx context.Context, target writ.Location) (map[string]bool, error) {
	alive, err := j.Alive(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, l := range alive {
		if l.Target == target {
			out[l.Name] = true
		}
	}
	return out, nil
}

// Adopt gives the reaper a credential that was found on a target and belongs to no run. A name that the journal knows
// as dead is a lease that came back: its own row is owed again. It returns the row's id.
func (j *Journal) Adopt(ctx context.Context, l Lease) (writ.LeaseID, error) {
	id := l.ID
	err := j.write(ctx, fault.JournalLease, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO lease (id, run, plan, target, name, entry, tier, steps, undo, ttl, made, expires, begun, probes)
			VALUES (?, '', '', ?, ?, ?, ?, 'null', 0, 0, ?, ?, ?, 0)
			ON CONFLICT (name) DO UPDATE SET plan = '', handle = NULL, revoking = NULL, revoked = NULL, power_gone = NULL, identity_gone = NULL
			WHERE lease.power_gone IS NOT NULL AND lease.identity_gone IS NOT NULL`, l.ID, l.Target, l.Name, l.Entry.String(),
			int(l.Tier), millis(l.Made), millis(l.Expires), null(l.Begun)); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT id FROM lease WHERE name = ?`, l.Name).Scan(&id)
	})
	return id, err
}
