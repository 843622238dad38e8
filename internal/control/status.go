package control

import (
	"context"
	"errors"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// Status is the whole control plane at a glance; people only.
func (c *Control) Status(ctx context.Context, by writ.Principal) (writ.Status, error) {
	if err := person(by); err != nil {
		return writ.Status{}, err
	}
	out, err := c.Glance(ctx)
	if err != nil {
		return out, err
	}
	return out, c.Store.View(ctx, func(tx *store.Tx) error {
		if out.Services, err = c.loads(tx); err != nil {
			return err
		}
		if out.Upstreams, err = c.upstreamsGlance(tx); err != nil {
			return err
		}
		if out.Reviews, err = c.reviewsGlance(tx); err != nil {
			return err
		}
		if out.BreakGlass, err = c.glassGlance(tx); err != nil {
			return err
		}
		runs, _, err := find[runRow](tx, store.Runs, store.Filter{State: string(writ.RunUncertain), Newest: true, Limit: writ.MaxPage})
		for _, r := range runs {
			if !r.Settled && len(out.Unsettled) < maxUnsettled {
				out.Unsettled = append(out.Unsettled, r.Run.ID)
			}
		}
		return err
	})
}

// maxUnsettled bounds the runs that a glance lists; runs list the rest.
const maxUnsettled = 100

// maxCounted bounds what is counted for a glance: beyond it, it says this much. Counting 100,000 takes milliseconds.
const maxCounted = 100_000

// Glance is Status for the process itself: health and metrics.
func (c *Control) Glance(ctx context.Context) (writ.Status, error) {
	out := writ.Status{Version: c.Version, Policy: c.inForce().Bundle.Digest(), PolicyVersion: c.inForce().Version, PolicyProblem: c.policyProblem(), Observed: c.inForce().Bundle.Observed()}
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		for _, q := range []struct {
			to     *int
			table  store.Table
			states []string
		}{
			{&out.Incidents, store.Incidents, []string{string(writ.IncidentOpen)}},
			{&out.Waiting, store.Plans, []string{string(writ.PlanWaiting)}},
			{&out.Running, store.Runs, []string{string(writ.RunGranted), string(writ.RunRunning)}},
			{&out.LeasesAlive, store.Leases, []string{stateAlive}},
		} {
			for _, s := range q.states {
				n, err := tx.Count(q.table, store.Filter{State: s}, maxCounted)
				if err != nil {
					return err
				}
				*q.to += n
			}
		}
		out.LedgerSize, out.PolicyChanges = tx.Head(), nil
		if err := each(tx, store.PolicyChanges, string(writ.PolicyWaiting), func(r changeRow, _ store.Row) error {
			out.PolicyChanges = append(out.PolicyChanges, r.ID)
			return nil
		}); err != nil {
			return err
		}
		var err error
		if out.OnCall, err = c.badOnCall(tx); err != nil {
			return err
		}
		out.Freezes, err = freezes(tx)
		return err
	})
	if err != nil {
		return out, err
	}
	if note, err := c.Store.Checkpoint(ctx); err == nil {
		if cp, err := c.Verifier.Open(note); err == nil {
			out.Signed = cp.Size
		}
	}
	byRunner := map[writ.RunnerID]int{}
	for _, t := range c.Targets {
		i, ok := byRunner[t.Runner]
		if !ok {
			i = len(out.Runners)
			byRunner[t.Runner] = i
			out.Runners = append(out.Runners, writ.RunnerStatus{ID: t.Runner})
		}
		out.Runners[i].Targets = append(out.Runners[i].Targets, t.Location)
	}
	return out, c.Store.View(ctx, func(tx *store.Tx) error {
		var err error
		out.Channels, err = c.channels(tx)
		if err == nil {
			out.Replicas, err = c.replicas(tx)
		}
		return errors.Join(err, lastSeen(tx, out.Runners), c.cells(tx, out.Runners))
	})
}

// Entries returns raw entries from an index on, with the newest signed checkpoint; people only.
func (c *Control) Entries(ctx context.Context, by writ.Principal, from int64, limit int) ([]writ.Entry, []byte, error) {
	if err := person(by); err != nil {
		return nil, nil, err
	}
	var out []writ.Entry
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		leaves, err := tx.Leaves(from, min(max(limit, 1), writ.MaxPage))
		for i, l := range leaves {
			out = append(out, writ.Entry{Index: from + int64(i), Leaf: l})
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	note, err := c.Store.Checkpoint(ctx)
	return out, note, err
}
