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

// Marks only ever rise: they are what a runner remembers against a control plane that shows it the past.
const (
	markHead  = "ledger_head"
	markFeed  = "feed_epoch"
	markTrust = "trust_version"
)

// Head returns the newest ledger checkpoint that was checked, nil when there is none.
func (j *Journal) Head(ctx context.Context) ([]byte, error) { return j.markBytes(ctx, markHead) }

func (j *Journal) markBytes(ctx context.Context, name string) ([]byte, error) {
	var b []byte
	err := j.db.QueryRowContext(ctx, `SELECT bytes FROM mark WHERE name = ?`, name).Scan(&b)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, opening(err)
	}
	return b, nil
}

// SetHead records a checkpoint that was checked and proved to extend the one before.
func (j *Journal) SetHead(ctx context.Context, head []byte) error {
	return j.write(ctx, fault.JournalMark, func(tx *sql.Tx) error { return setHead(ctx, tx, head) })
}

func setHead(ctx context.Context, tx *sql.Tx, head []byte) error {
	if len(head) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO mark (name, value, bytes) VALUES (?, 0, ?)
		ON CONFLICT (name) DO UPDATE SET bytes = excluded.bytes`, markHead, head)
	return err
}

// FeedEpoch returns the highest epoch of a feed that this runner has seen; 0 for none.
func (j *Journal) FeedEpoch(ctx context.Context) (int64, error) { return j.mark(ctx, markFeed) }

// Feed returns the signed feed of the highest epoch that this runner has seen, nil for none.
func (j *Journal) Feed(ctx context.Context) ([]byte, error) { return j.markBytes(ctx, markFeed) }

// KeepFeed records an epoch that was seen, with the first feed of it; a lower one than recorded is refused with
// feed_rollback.
func (j *Journal) KeepFeed(ctx context.Context, epoch int64, signed []byte) error {
	return j.raise(ctx, markFeed, epoch, signed, writ.ReasonFeedRollback)
}

// TrustVersion returns the highest version of the trust file that this runner has used; 0 for none.
func (j *Journal) TrustVersion(ctx context.Context) (int64, error) { return j.mark(ctx, markTrust) }

// RaiseTrustVersion records a version in use; a lower one than recorded is refused with ceiling_rollback.
func (j *Journal) RaiseTrustVersion(ctx context.Context, version int64) error {
	return j.raise(ctx, markTrust, version, nil, writ.ReasonTrustRollback)
}

func (j *Journal) mark(ctx context.Context, name string) (int64, error) {
	var v int64
	err := j.db.QueryRowContext(ctx, `SELECT value FROM mark WHERE name = ?`, name).Scan(&v)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, opening(err)
	}
	return v, nil
}

// raise writes nothing when the mark already has the value.
func (j *Journal) raise(ctx context.Context, name string, value int64, bytes []byte, lower writ.Reason) error {
	seen, err := j.mark(ctx, name)
	switch {
	case err != nil:
		return err
	case value < seen:
		return writ.Refuse(lower, fmt.Sprintf("%d was shown after %d", value, seen))
	case value == seen:
		return nil
	}
	return j.write(ctx, fault.JournalMark, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO mark (name, value, bytes) VALUES (?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value, bytes = excluded.bytes WHERE excluded.value > mark.value`, name, value, bytes)
		return err
	})
}

// UseProof records the identifier of a holder's proof until expires, after which the proof is void by its own time. A
// proof that was used before is refused with proof_replayed.
func (j *Journal) UseProof(ctx context.Context, jti string, expires time.Time) error {
	return j.write(ctx, fault.JournalProof, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `INSERT INTO proof (jti, expires) VALUES (?, ?) ON CONFLICT (jti) DO NOTHING`, jti, millis(expires))
		return one(r, err, writ.Refuse(writ.ReasonPresentedTwice, "this proof of possession was used before"))
	})
}

// Prune forgets what nothing can ask for any more: proofs that have expired at now, and, when they are older than
// keep, plans that no run of this runner names and ended runs with nothing left to deliver or revoke, with their
// plans, events, entries and leases. Spent grants are never forgotten.
func (j *Journal) Prune(ctx context.Context, now time.Time, keep time.Duration) error {
	before := millis(now.Add(-keep))
	const done = `SELECT id FROM run WHERE ended IS NOT NULL AND ended < ?
		AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.run = run.id AND outbox.state = 'waiting')
		AND NOT EXISTS (SELECT 1 FROM lease WHERE lease.run = run.id AND (power_gone IS NULL OR identity_gone IS NULL))`
	return j.write(ctx, fault.JournalPruned, func(tx *sql.Tx) error {
		for _, s := range []struct {
			sql string
			arg int64
		}{
			{`DELETE FROM proof WHERE expires < ?`, millis(now)},
			{`DELETE FROM event WHERE run IN (` + done + `)`, before},
			{`DELETE FROM lease WHERE run IN (` + done + `)`, before},
			{`DELETE FROM outbox WHERE run IN (` + done + `)`, before},
			{`DELETE FROM run WHERE id IN (` + done + `)`, before},
			{`DELETE FROM lease WHERE run = '' AND power_gone IS NOT NULL AND identity_gone IS NOT NULL AND made < ?`, before},
			{`DELETE FROM plan WHERE not_after < ? AND NOT EXISTS (SELECT 1 FROM run WHERE run.plan = plan.id)`, before},
		} {
			if _, err := tx.ExecContext(ctx, s.sql, s.arg); err != nil {
				return err
			}
		}
		return nil
	})
}
