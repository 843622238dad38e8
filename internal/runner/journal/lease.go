package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/fault"
)

// A Lease is one credential that was, or was about to be, minted. It is dead when both power and identity were seen
// refused; until then the runner owes its revocation.
type Lease struct {
	ID           writ.LeaseID
	Run          writ.RunID
	Plan         writ.PlanID
	Target       writ.Location
	Name         string      // on the target, never used again
	Entry        writ.Digest // leaf hash of its ledger entry
	Tier         writ.Tier
	Steps        []int // of the plan, from 0: what it is good for
	Undo         bool
	TTL          time.Duration
	Made         time.Time // when this row was written, together with its announcement
	Begun        time.Time // when minting was about to begin; zero: nothing can have been minted
	Expires      time.Time
	Handle       []byte    // what revokes and probes it; erased when it is dead
	Revoking     time.Time // first attempt to revoke
	Revoked      time.Time
	PowerGone    time.Time
	IdentityGone time.Time
	Probes       int
}

// Dead reports whether power and identity were both seen refused.
func (l Lease) Dead() bool { return !l.PowerGone.IsZero() && !l.IdentityGone.IsZero() }

// PutLease records a lease in the transaction that puts its announcement into the outbox, with the events that go with
// it. If minting follows at once, its Begun is set already.
func (j *Journal) PutLease(ctx context.Context, l Lease, events []Event, entries ...Entry) error {
	steps, err := json.Marshal(l.Steps)
	if err != nil {
		return fmt.Errorf("%w: lease %s: %v", writ.ErrInvalid, l.ID, err)
	}
	op := fault.JournalLease
	if len(events) > 0 {
		op = opOf(events)
	}
	return j.write(ctx, op, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `INSERT INTO lease (id, run, plan, target, name, entry, tier, steps, undo, ttl, made, expires, begun, probes)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT DO NOTHING`, l.ID, l.Run, l.Plan, l.Target, l.Name, l.Entry.String(),
			int(l.Tier), string(steps), bit(l.Undo), l.TTL.Milliseconds(), millis(l.Made), millis(l.Expires), null(l.Begun))
		if err := one(r, err, fmt.Errorf("%w: lease %s is already there", writ.ErrConflict, l.Name)); err != nil {
			return err
		}
		if err := log(ctx, tx, l.Run, events); err != nil {
			return err
		}
		return post(ctx, tx, l.Run, entries)
	})
}

// Minting records that something may be minted under the lease's name from here on. writ.ErrConflict when its end has
// begun: then nothing may be minted any more.
func (j *Journal) Minting(ctx context.Context, id writ.LeaseID, at time.Time) error {
	return j.write(ctx, fault.JournalMinting, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `UPDATE lease SET begun = COALESCE(begun, ?) WHERE id = ? AND revoking IS NULL`, millis(at), id)
		return one(r, err, fmt.Errorf("%w: lease %s is not there, or is being ended", writ.ErrConflict, id))
	})
}

// KeepHandle records the newest handle of a lease that is not dead.
func (j *Journal) KeepHandle(ctx context.Context, id writ.LeaseID, handle []byte) error {
	return j.change(ctx, fault.JournalHandle, id, `handle = ?`, handle)
}

// Revoking records the first attempt to revoke; later calls change nothing.
func (j *Journal) Revoking(ctx context.Context, id writ.LeaseID, at time.Time) error {
	return j.change(ctx, fault.JournalRevoking, id, `revoking = COALESCE(revoking, ?)`, millis(at))
}

// Revoked records that the target took the revocation, with the entry that says so.
func (j *Journal) Revoked(ctx context.Context, l Lease, at time.Time, entries ...Entry) error {
	return j.write(ctx, fault.JournalRevoked, func(tx *sql.Tx) error {
		if err := changeLease(ctx, tx, l.ID, `revoked = COALESCE(revoked, ?)`, millis(at)); err != nil {
			return err
		}
		return post(ctx, tx, l.Run, entries)
	})
}

// Probed records what a probe saw: l's PowerGone, IdentityGone and Probes. Once gone, a time never changes. With
// both gone the handle is erased.
func (j *Journal) Probed(ctx context.Context, l Lease, entries ...Entry) error {
	return j.write(ctx, fault.JournalProbed, func(tx *sql.Tx) error {
		if err := changeLease(ctx, tx, l.ID, `power_gone = COALESCE(power_gone, ?), identity_gone = COALESCE(identity_gone, ?), probes = ?`,
			null(l.PowerGone), null(l.IdentityGone), l.Probes); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE lease SET handle = NULL WHERE id = ? AND power_gone IS NOT NULL AND identity_gone IS NOT NULL`,
			l.ID); err != nil {
			return err
		}
		return post(ctx, tx, l.Run, entries)
	})
}

func (j *Journal) change(ctx context.Context, op fault.Op, id writ.LeaseID, set string, args ...any) error {
	return j.write(ctx, op, func(tx *sql.Tx) error { return changeLease(ctx, tx, id, set, args...) })
}

func changeLease(ctx context.Context, tx *sql.Tx, id writ.LeaseID, set string, args ...any) error {
	r, err := tx.ExecContext(ctx, `UPDATE lease SET `+set+` WHERE id = ? AND (power_gone IS NULL OR identity_gone IS NULL)`, append(args, id)...)
	return one(r, err, fmt.Errorf("%w: lease %s is not there, or dead", writ.ErrConflict, id))
}

const leaseColumns = `id, run, plan, target, name, entry, tier, steps, undo, ttl, made, expires, handle, revoking, revoked, power_gone, identity_gone, probes, begun`

// Alive returns the leases that are not proven dead, oldest first.
func (j *Journal) Alive(ctx context.Context) ([]Lease, error) {
	return j.leases(ctx, `power_gone IS NULL OR identity_gone IS NULL ORDER BY made, id`)
}

// Leases returns the leases of a run, oldest first.
func (j *Journal) Leases(ctx context.Context, run writ.RunID) ([]Lease, error) {
	return j.leases(ctx, `run = ? ORDER BY made, id`, run)
}

// Lease returns one lease; writ.ErrNotFound when there is none.
func (j *Journal) Lease(ctx context.Context, id writ.LeaseID) (Lease, error) {
	ls, err := j.leases(ctx, `id = ?`, id)
	if err == nil && len(ls) == 0 {
		err = fmt.Errorf("%w: lease %s", writ.ErrNotFound, id)
	}
	if err != nil {
		return Lease{}, err
	}
	return ls[0], nil
}

func (j *Journal) leases(ctx context.Context, where string, args ...any) ([]Lease, error) {
	rows, err := j.query(ctx, `SELECT `+leaseColumns+` FROM lease WHERE `+where, args...)
	if err != nil {
		return nil, opening(err)
	}
	defer rows.Close()
	var out []Lease
	for rows.Next() {
		var l Lease
		var made, expires, ttl int64
		var entry, steps string
		var revoking, revoked, power, identity, begun sql.NullInt64
		if err := rows.Scan(&l.ID, &l.Run, &l.Plan, &l.Target, &l.Name, &entry, &l.Tier, &steps, &l.Undo, &ttl, &made, &expires, &l.Handle,
			&revoking, &revoked, &power, &identity, &l.Probes, &begun); err != nil {
			return nil, opening(err)
		}
		if err := json.Unmarshal([]byte(steps), &l.Steps); err != nil || !l.Tier.Valid() {
			return nil, fmt.Errorf("%w: lease %s: its tier or steps are none", ErrDamaged, l.ID)
		}
		if entry != "" { // one that was found on the target was never announced
			if l.Entry, err = writ.ParseDigest(entry); err != nil {
				return nil, fmt.Errorf("%w: lease %s: %v", ErrDamaged, l.ID, err)
			}
		}
		l.TTL, l.Made, l.Expires = time.Duration(ttl)*time.Millisecond, instant(made), instant(expires)
		l.Revoking, l.Revoked, l.PowerGone, l.IdentityGone = maybe(revoking), maybe(revoked), maybe(power), maybe(identity)
		l.Begun = maybe(begun)
		out = append(out, l)
	}
	return out, rows.Err()
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func null(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return millis(t)
}
