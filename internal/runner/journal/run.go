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

// A Run is one run that this runner has judged. State is running until its outcome is known (Conclude); the run has
// ended once its last entry is in the outbox (End).
type Run struct {
	ID         writ.RunID
	Assignment writ.AssignmentID
	Grant      writ.GrantID // empty when the bundle was refused before its grant could be believed
	GrantLeaf  writ.Digest  // leaf hash of the grant's entry; zero likewise
	Plan       writ.PlanID
	PlanDigest writ.Digest
	Incident   writ.IncidentID
	Log        string // origin of the ledger that its entries belong to
	State      writ.RunState
	Reason     writ.Reason
	Detail     string
	Applied    int
	Undone     int
	Unknown    int
	Started    time.Time
	Ended      time.Time // zero until the last entry is in the outbox
	Spent      bool      // it used its grant; read only
	Authority  []byte    // what its receipt will say of its grant; empty for none
}

// MaxRefusals bounds the refused runs whose entries the control plane has not taken yet: a control plane that sends
// rubbish and takes nothing must not fill the disk.
const MaxRefusals = 1000

// Spend records that the grant is used, now and for ever, together with the run that uses it. It is the commit point
// of a run: before it nothing has happened, after it the run has an end that the journal knows how to reach. A grant
// that was used before is refused with the reason spent. entries go into the outbox with it.
func (j *Journal) Spend(ctx context.Context, r Run, entries ...Entry) error {
	return j.write(ctx, fault.JournalSpent, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `INSERT INTO spent (grant_id, run, at) VALUES (?, ?, ?) ON CONFLICT (grant_id) DO NOTHING`,
			r.Grant, r.ID, millis(r.Started))
		if err := one(res, err, writ.Refuse(writ.ReasonSpent, "this grant was used before")); err != nil {
			return err
		}
		if err := putRun(ctx, tx, r); err != nil {
			return err
		}
		return post(ctx, tx, r.ID, entries)
	})
}

// Refuse records a run that was refused before its grant was spent, with the entries that say so. writ.ErrBusy when
// MaxRefusals are waiting.
func (j *Journal) Refuse(ctx context.Context, r Run, entries ...Entry) error {
	return j.write(ctx, fault.JournalRefused, func(tx *sql.Tx) error {
		var waiting int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM outbox JOIN run ON run.id = outbox.run
			WHERE outbox.state = 'waiting' AND run.state = ?`, writ.RunRefused).Scan(&waiting); err != nil {
			return err
		}
		if waiting >= MaxRefusals {
			return fmt.Errorf("%w: %d refusals wait to be delivered", writ.ErrBusy, waiting)
		}
		if err := putRun(ctx, tx, r); err != nil {
			return err
		}
		return post(ctx, tx, r.ID, entries)
	})
}

func putRun(ctx context.Context, tx *sql.Tx, r Run) error {
	var ended any
	if !r.Ended.IsZero() {
		ended = millis(r.Ended)
	}
	res, err := tx.ExecContext(ctx, `INSERT INTO run (id, assignment, grant_id, grant_leaf, plan, plan_digest, incident, log, state,
		reason, detail, applied, undone, unknown, started, ended, authority) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO NOTHING`, r.ID, r.Assignment, r.Grant, r.GrantLeaf.String(), r.Plan, r.PlanDigest.String(), r.Incident, r.Log,
		r.State, r.Reason, r.Detail, r.Applied, r.Undone, r.Unknown, millis(r.Started), ended, r.Authority)
	return one(res, err, fmt.Errorf("%w: run %s is already there", writ.ErrConflict, r.ID))
}

const runColumns = `id, assignment, grant_id, grant_leaf, plan, plan_digest, incident, log, state, reason, detail, applied, undone,
	unknown, started, ended, authority, EXISTS (SELECT 1 FROM spent WHERE spent.grant_id = run.grant_id AND spent.run = run.id)`

// Run returns one run; writ.ErrNotFound when this runner never judged it.
func (j *Journal) Run(ctx context.Context, id writ.RunID) (Run, error) {
	r, err := scanRun(j.db.QueryRowContext(ctx, `SELECT `+runColumns+` FROM run WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Run{}, fmt.Errorf("%w: run %s", writ.ErrNotFound, id)
	}
	return r, err
}

// Unended returns the runs that have not ended, oldest first.
func (j *Journal) Unended(ctx context.Context) ([]Run, error) {
	rows, err := j.query(ctx, `SELECT `+runColumns+` FROM run WHERE ended IS NULL ORDER BY started, id`)
	if err != nil {
		return nil, opening(err)
	}
	defer rows.Close()
	var out []Run
	for rows.Next() {
		r, err := scanRun(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

func scanRun(row interface{ Scan(...any) error }) (Run, error) {
	var r Run
	var leaf, digest string
	var started int64
	var ended sql.NullInt64
	err := row.Scan(&r.ID, &r.Assignment, &r.Grant, &leaf, &r.Plan, &digest, &r.Incident, &r.Log, &r.State, &r.Reason, &r.Detail,
		&r.Applied, &r.Undone, &r.Unknown, &started, &ended, &r.Authority, &r.Spent)
	if errors.Is(err, sql.ErrNoRows) {
		return Run{}, err
	}
	if err != nil {
		return Run{}, opening(err)
	}
	for text, to := range map[string]*writ.Digest{leaf: &r.GrantLeaf, digest: &r.PlanDigest} {
		if text == "" {
			continue
		}
		if *to, err = writ.ParseDigest(text); err != nil {
			return Run{}, fmt.Errorf("%w: run %s: %v", ErrDamaged, r.ID, err)
		}
	}
	r.Started, r.Ended = instant(started), maybe(ended)
	return r, nil
}

// SpentPlans returns the plans of the runs that began since.
func (j *Journal) SpentPlans(ctx context.Context, since time.Time) ([]writ.PlanID, error) {
	rows, err := j.query(ctx, `SELECT run.plan FROM spent JOIN run ON run.id = spent.run WHERE spent.at > ? ORDER BY spent.at`, millis(since))
	if err != nil {
		return nil, opening(err)
	}
	defer rows.Close()
	var out []writ.PlanID
	for rows.Next() {
		var id writ.PlanID
		if err := rows.Scan(&id); err != nil {
			return nil, opening(err)
		}
		out = append(out, id)
	}
	return out, rows.Err()
}

// SpentSince returns how many grants were used after t.
func (j *Journal) SpentSince(ctx context.Context, t time.Time) (int, error) {
	var n int
	if err := j.db.QueryRowContext(ctx, `SELECT count(*) FROM spent WHERE at > ?`, millis(t)).Scan(&n); err != nil {
		return 0, opening(err)
	}
	return n, nil
}

// Conclude records the outcome of a run. The outcome of a run is set once; writ.ErrConflict afterwards.
func (j *Journal) Conclude(ctx context.Context, r Run) error {
	return j.write(ctx, fault.JournalConcluded, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE run SET state = ?, reason = ?, detail = ?, applied = ?, undone = ?, unknown = ?
			WHERE id = ? AND state = ?`, r.State, r.Reason, r.Detail, r.Applied, r.Undone, r.Unknown, r.ID, writ.RunRunning)
		return one(res, err, fmt.Errorf("%w: run %s has its outcome", writ.ErrConflict, r.ID))
	})
}

// End records that a concluded run has nothing more to do, with its last entries. A receipt among them moves the chain of
// receipts on to link; the zero Link leaves it. writ.ErrConflict when it has ended.
func (j *Journal) End(ctx context.Context, id writ.RunID, at time.Time, link Link, last ...Entry) error {
	return j.write(ctx, fault.JournalEnded, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE run SET ended = ? WHERE id = ? AND ended IS NULL AND state <> ?`, millis(at), id, writ.RunRunning)
		if err := one(res, err, fmt.Errorf("%w: run %s has ended or has no outcome", writ.ErrConflict, id)); err != nil {
			return err
		}
		if err := setLink(ctx, tx, link); err != nil {
			return err
		}
		return post(ctx, tx, id, last)
	})
}
