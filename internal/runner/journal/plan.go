package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/fault"
)

// A Plan is one plan that this runner made, with everything that stays on the runner.
type Plan struct {
	ID       writ.PlanID
	Digest   writ.Digest
	Bytes    []byte // canonical
	Prepared []connector.Prepared
	Scope    []writ.Location // what the connector was told to stay in
	Entry    []byte          // the sealed plan entry
	NotAfter int64           // seconds since the epoch, the end of its window
}

// prepared is connector.Prepared as it is stored.
type prepared struct {
	Step     writ.Step `json:"step"`
	Salt     []byte    `json:"salt"`
	Body     []byte    `json:"body,omitempty"`
	Preimage []byte    `json:"preimage,omitempty"`
}

// PutPlan keeps a plan for ever known by its id; writ.ErrConflict when the id is taken.
func (j *Journal) PutPlan(ctx context.Context, p Plan) error {
	rows := make([]prepared, 0, len(p.Prepared))
	for _, s := range p.Prepared {
		rows = append(rows, prepared{s.Step, s.Salt[:], s.Body, s.Preimage})
	}
	steps, err := json.Marshal(rows)
	if err != nil {
		return fmt.Errorf("%w: plan %s: %v", writ.ErrInvalid, p.ID, err)
	}
	scope, err := json.Marshal(p.Scope)
	if err != nil {
		return fmt.Errorf("%w: plan %s: %v", writ.ErrInvalid, p.ID, err)
	}
	return j.write(ctx, fault.JournalPlan, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `INSERT INTO plan (id, digest, bytes, prepared, scope, entry, not_after)
			VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
			p.ID, p.Digest.String(), p.Bytes, steps, string(scope), p.Entry, p.NotAfter*1000)
		return one(r, err, fmt.Errorf("%w: plan %s is already there", writ.ErrConflict, p.ID))
	})
}

// Plan returns a plan; writ.ErrNotFound when this runner never made it, or forgot it (Prune).
func (j *Journal) Plan(ctx context.Context, id writ.PlanID) (Plan, error) {
	p := Plan{ID: id}
	var digest, scope string
	var steps []byte
	err := j.db.QueryRowContext(ctx, `SELECT digest, bytes, prepared, scope, entry, not_after / 1000 FROM plan WHERE id = ?`, id).
		Scan(&digest, &p.Bytes, &steps, &scope, &p.Entry, &p.NotAfter)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Plan{}, fmt.Errorf("%w: plan %s", writ.ErrNotFound, id)
	case err != nil:
		return Plan{}, opening(err)
	}
	damaged := func(err error) (Plan, error) { return Plan{}, fmt.Errorf("%w: plan %s: %v", ErrDamaged, id, err) }
	if p.Digest, err = writ.ParseDigest(digest); err != nil {
		return damaged(err)
	}
	if err := json.Unmarshal([]byte(scope), &p.Scope); err != nil {
		return damaged(err)
	}
	var rows []prepared
	if err := json.Unmarshal(steps, &rows); err != nil {
		return damaged(err)
	}
	for _, r := range rows {
		s := connector.Prepared{Step: r.Step, Body: r.Body, Preimage: r.Preimage}
		if copy(s.Salt[:], r.Salt) != writ.SaltSize || len(r.Salt) != writ.SaltSize {
			return damaged(errors.New("a salt is cut short"))
		}
		p.Prepared = append(p.Prepared, s)
	}
	if !writ.DigestOf(p.Bytes).Equal(p.Digest) {
		return damaged(errors.New("the bytes do not have the digest"))
	}
	return p, nil
}

// one demands that a statement changed exactly one row, and returns none otherwise.
func one(r sql.Result, err, none error) error {
	if err != nil {
		return err
	}
	n, err := r.RowsAffected()
	if err != nil {
		return err
	}
	if n != 1 {
		return none
	}
	return nil
}
