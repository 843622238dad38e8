package control

import (
	"context"
	"errors"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/store"
)

// overtaken ends a plan that is not denied by the set in force, d, but was made under another one, and reports whether it
// did. The plan's own bytes name the set that it was made under: no answer to it would count any more and no grant could rest
// on it, so it would only stand in the way of the same ask, made anew.
func (c *Control) overtaken(tx *store.Tx, p planRow, row store.Row, plan writ.Plan, d writ.Decision) (bool, error) {
	if d.Verdict == writ.Deny || d.Policy.Equal(plan.Policy) {
		return false, nil
	}
	return true, c.endPlan(tx, p, row, writ.PlanStale, assignment.Refused{
		Code: writ.ReasonPolicyStale, Detail: "another policy set came into force after the plan was made", Hint: "propose it again: the set in force decides it anew",
	})
}

// rejudgeEvery is how often open plans are compared with the set in force although this process has seen no other one since:
// a plan may have been committed while another replica put a set in force. Whatever decides looks at the set itself, so what
// waits for this lets nothing happen.
const rejudgeEvery = time.Minute

// SweepPolicy decides plans that wait, for people or for their holder, again once another set than theirs is in force: what it
// denies is denied, what it observes is observed, and the rest ends as stale. It does nothing while this process cannot load the
// set in force. Safe for concurrent use, also by replicas.
func (c *Control) SweepPolicy(ctx context.Context) error {
	var old []writ.PlanID
	var set writ.Digest
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		old, set = nil, writ.Digest{}
		s, _, err := c.setOf(tx)
		if err != nil {
			return err
		}
		// Only the set that all replicas know of ends anything: not one that this process has loaded and not adopted yet, nor
		// one that it is behind with.
		row, _, err := store.Load[policyRow](tx, store.PolicySets, policyRowID)
		if errors.Is(err, writ.ErrNotFound) {
			return nil
		}
		if err != nil || !row.Policy.Equal(s.Bundle.Digest()) || c.hasRejudged(row.Policy) {
			return err
		}
		set = row.Policy
		for _, state := range []writ.PlanState{writ.PlanWaiting, writ.PlanReady} {
			plans, _, err := find[planRow](tx, store.Plans, store.Filter{State: string(state)})
			if err != nil {
				return err
			}
			for _, p := range plans {
				plan, _, err := writ.ParsePlan(p.Bytes)
				if err != nil {
					return err
				}
				if !plan.Policy.Equal(set) {
					old = append(old, p.ID)
				}
			}
		}
		return nil
	})
	if err != nil || set.IsZero() {
		return err
	}
	for _, id := range old { // each by itself: one that fails holds up no other
		err = errors.Join(err, c.Store.Update(ctx, func(tx *store.Tx) error { return c.rejudge(tx, id, set) }))
	}
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.rejudged, c.rejudgedAt = set, c.now()
	}
	return err
}

// hasRejudged reports whether open plans were compared with this set a short time ago.
func (c *Control) hasRejudged(set writ.Digest) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rejudged.Equal(set) && c.now().Sub(c.rejudgedAt) < rejudgeEvery
}

// rejudge decides one plan that waits by the set in force, which must be this one still.
func (c *Control) rejudge(tx *store.Tx, id writ.PlanID, set writ.Digest) error {
	p, row, err := store.Load[planRow](tx, store.Plans, string(id))
	if err != nil {
		return err
	}
	if state := writ.PlanState(row.State); state != writ.PlanWaiting && state != writ.PlanReady {
		return nil // it ended meanwhile
	}
	plan, _, err := writ.ParsePlan(p.Bytes)
	if err != nil {
		return err
	}
	s, late, err := c.setOf(tx)
	if err != nil || late || !s.Bundle.Digest().Equal(set) || set.Equal(plan.Policy) {
		return err
	}
	d, err := c.decide(tx, &p, plan, writ.PhasePlan, "")
	if err != nil {
		return err
	}
	if d.Observed {
		return c.onlyObserved(tx, p, row, d)
	}
	if ended, err := c.overtaken(tx, p, row, plan, d); ended || err != nil {
		return err
	}
	return c.denied(tx, p, row, plan, d)
}
