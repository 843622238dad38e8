package runner

import (
	"context"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/fault"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/runner/journal"
)

// orphanEvery is the time between two searches of a target: a credential that no journal knows has the life of its
// token as its bound, and a minute is well below that.
const orphanEvery = time.Minute

// reclaim searches the targets for credentials with this cell's mark that the journal does not know as alive, until ctx
// ends: those of a host that is gone, of a journal that was lost or restored. It works only while this process holds the
// cell, since another one's credentials bear the same mark.
func (r *Runner) reclaim(ctx context.Context) {
	var next time.Time
	for pause(ctx, reapEvery, nil) {
		if !r.holding() || r.Now().Before(next) {
			continue
		}
		next = r.Now().Add(orphanEvery)
		for target, conn := range r.conns {
			if by, ok := conn.(connector.Reclaimer); ok {
				if err := r.claimOrphans(ctx, target, by); err != nil {
					r.Log.Warn("credentials without a run cannot be searched for", "target", string(target), "error", err)
				}
			}
		}
	}
}

// claimOrphans gives the reaper what it finds. The target is read first and the journal then: a lease's row comes before
// anything stands under its name, so that none of this process's own is ever taken for an orphan.
func (r *Runner) claimOrphans(ctx context.Context, target writ.Location, by connector.Reclaimer) error {
	found, err := try(ctx, fault.TargetObserve, readLimit, by.Orphans)
	if err != nil {
		return err
	}
	known, err := r.Journal.Names(ctx, target)
	if err != nil {
		return err
	}
	for _, o := range found {
		if known[o.Name] {
			continue
		}
		if r.holds(ctx) != nil {
			return nil // what bears this mark may be the other process's
		}
		id, err := ident.Make[writ.LeaseID]("lse", r.Now(), r.Rand)
		if err != nil {
			return err
		}
		now := r.Now()
		l := journal.Lease{ID: id, Target: target, Name: o.Name, Tier: writ.T4, Made: now, Begun: now, Expires: now}
		if l.ID, err = r.Journal.Adopt(ctx, l); err != nil {
			return err
		}
		r.mu.Lock()
		r.orphans[l.ID] = true
		r.mu.Unlock()
		r.Log.Error("a credential of this runner that belongs to no run it knows is on the target; it is ended now", "target", string(target),
			"lease", writ.Printable(o.Name, 80), "run", writ.Printable(o.Run, 40), "made", o.Made)
	}
	return nil
}

// orphanEntry says how far the end of a credential without a run has come.
func (r *Runner) orphanEntry(l journal.Lease) (journal.Entry, error) {
	log := r.lastTrust().trust.Log.Origin
	e, _, err := r.seal(log, writ.EntryOrphan, "", writ.OrphanBody{
		Runner: r.ID, Target: l.Target, Name: l.Name, Revoked: !l.Revoked.IsZero(), PowerGone: !l.PowerGone.IsZero(), IdentityGone: !l.IdentityGone.IsZero(),
		PowerMillis: since(l.Revoking, l.PowerGone), IdentityMillis: since(l.Revoking, l.IdentityGone),
	})
	return e, err
}
