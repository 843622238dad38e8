package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/receipt"
	"github.com/writ-dev/writ/internal/store"
)

// runnerKinds are the kinds that a runner may author in a run.
var runnerKinds = []writ.EntryKind{
	writ.EntryLease, writ.EntryStepIntent, writ.EntryStepEffect, writ.EntryVerify, writ.EntryUndoIntent,
	writ.EntryUndoEffect, writ.EntryRevoke, writ.EntryProbe, writ.EntryReceipt, writ.EntryRun, writ.EntryDeny,
	writ.EntryBreakGlassOffline,
}

// Deliver takes the signed entries of one run or several, each run's in order, applies them to the state, and answers
// each with its receipt under one checkpoint. It returns when that is signed. Entries that were delivered before are
// answered again. A delivery is taken as a whole or not at all; without a signer it is taken and the error says that
// there are no receipts yet, and delivering it again is harmless.
func (c *Control) Deliver(ctx context.Context, runner writ.RunnerID, d assignment.Delivery) (assignment.Delivered, error) {
	if n := d.Count(); n > assignment.MaxEntries || len(d.Also) >= assignment.MaxRuns {
		return assignment.Delivered{}, fmt.Errorf("%w: %d entries of %d runs in one delivery; the limits are %d and %d", writ.ErrInvalid, n, 1+len(d.Also), assignment.MaxEntries, assignment.MaxRuns)
	}
	for _, o := range d.Also {
		if len(o.Also) > 0 {
			return assignment.Delivered{}, fmt.Errorf("%w: a delivery within a delivery has none of its own", writ.ErrInvalid)
		}
	}
	parts := append([]assignment.Delivery{d}, d.Also...)
	out := make([]assignment.Delivered, len(parts))
	var at []int64
	var taken []int // of each part
	var by sender
	err := c.Store.Update(ctx, func(tx *store.Tx) error {
		at, taken = nil, make([]int, len(parts)) // the store may call again
		held := holds(tx, runner, d.Claim)
		if held != nil && writ.ReasonOf(held) != writ.ReasonFenced {
			return held
		}
		by = sender{runner: runner, instance: d.Claim.Instance, fenced: held != nil, deaths: map[string][]time.Duration{}}
		for k, part := range parts {
			mine, err := c.takeAll(tx, by, part, &out[k])
			if err != nil {
				return err
			}
			at, taken[k] = append(at, mine...), len(mine)
		}
		return nil
	})
	if err != nil {
		return assignment.Delivered{}, err
	}
	for what, all := range by.deaths {
		for _, after := range all {
			if c.Died != nil {
				c.Died(what, after)
			}
		}
	}
	receipts, err := c.Store.Receipts(ctx, at, d.Seen)
	if err != nil {
		return assignment.Delivered{}, err
	}
	for k, n := range taken {
		out[k].Receipts, receipts = receipts[:n:n], receipts[n:]
	}
	out[0].Also = out[1:]
	if !by.fenced {
		out[0].Epoch = d.Claim.Epoch
	}
	out[0].Feed, err = c.feed(ctx)
	return out[0], err
}

// takeAll takes the entries of one run and returns where they stand.
func (c *Control) takeAll(tx *store.Tx, by sender, d assignment.Delivery, out *assignment.Delivered) (at []int64, err error) {
	*out = assignment.Delivered{}
	if d.Run == "" {
		return c.orphans(tx, by.runner, d.Entries)
	}
	run, row, err := store.Load[runRow](tx, store.Runs, string(d.Run))
	if errors.Is(err, writ.ErrNotFound) && len(d.Plan) > 0 {
		if err = c.takeOffline(tx, by, d); err == nil {
			run, row, err = store.Load[runRow](tx, store.Runs, string(d.Run))
		}
		if err != nil {
			return nil, err
		}
	}
	if err == nil && run.Run.Runner != by.runner {
		err = writ.ErrNotFound
	}
	if err != nil {
		return nil, notFound(err, "run", string(d.Run))
	}
	for k, leaf := range d.Entries {
		var next []byte
		if k+1 < len(d.Entries) {
			next = d.Entries[k+1]
		}
		i, refused, err := c.take(tx, by, &run, &row, leaf, next)
		if err != nil {
			return nil, err
		}
		if refused != nil {
			out.Refused = refused
			break
		}
		at = append(at, i)
	}
	out.Stop = run.Run.Stop
	return at, nil
}

// A sender is who delivers: the process of a runner that holds its cell, or one that does no longer.
type sender struct {
	runner   writ.RunnerID
	instance string
	fenced   bool
	deaths   map[string][]time.Duration // what died in this transaction, and how long after its revocation began
}

func (s sender) died(what string, millis int) {
	s.deaths[what] = append(s.deaths[what], time.Duration(millis)*time.Millisecond)
}

// take checks and applies one entry; next is the one that follows it in the delivery, nil for none. A refusal is a
// value: what came before it stays.
func (c *Control) take(tx *store.Tx, by sender, run *runRow, row *store.Row, leaf, next []byte) (int64, *assignment.Refused, error) {
	e, err := c.ofRun(by.runner, *run, leaf)
	if err != nil {
		return 0, nil, err
	}
	if i, err := tx.IndexOf(e.Hash); err == nil {
		return i, nil, nil // delivered before
	} else if !errors.Is(err, writ.ErrNotFound) {
		return 0, nil, err
	}
	refused, err := c.mayTake(tx, by, run, e, next)
	if err != nil || refused != nil {
		return 0, refused, err
	}
	over := run.Run.State.Final()
	if err := c.apply(tx, by, run, row, e); err != nil {
		return 0, nil, err
	}
	at, err := appendLeaf(tx, leaf, e.Record.Task)
	if err == nil && !over && run.Run.State.Final() {
		err = c.afterRun(tx, *run, e.Hash)
	}
	return at.index, nil, err
}

// ofRun checks that an entry is the runner's own, of a kind that it may author, and of this run.
func (c *Control) ofRun(runner writ.RunnerID, run runRow, leaf []byte) (ledger.Entry, error) {
	e, err := c.runnerEntry(runner, leaf)
	if err != nil {
		return e, err
	}
	ok := slices.Contains(runnerKinds, e.Record.Kind) && e.Record.Task == run.Run.Incident
	switch b := e.Body.(type) {
	case *writ.DenyBody: // what was presented may name another plan: that is why it was denied
	case *writ.RunBody:
		ok = ok && b.Run == run.Run.ID && b.Grant == run.Run.Grant && b.Plan == run.Run.Plan && b.State.Final() && b.State != writ.RunExpired
	case *writ.ReceiptBody:
		s, err := receipt.Open(b.Envelope, c.runnerKey(runner))
		ok = ok && err == nil && b.Run == run.Run.ID && s.Predicate.Run == b.Run && s.Predicate.Authority.Grant == run.Run.Grant
	default:
		ok = ok && runOf(e.Body) == run.Run.ID
	}
	if !ok {
		return e, fmt.Errorf("%w: an entry of kind %s does not belong to run %s", writ.ErrInvalid, e.Record.Kind, run.Run.ID)
	}
	return e, nil
}

// runOf returns the run that a body speaks of.
func runOf(body any) writ.RunID {
	switch b := body.(type) {
	case *writ.LeaseBody:
		return b.Run
	case *writ.StepBody:
		return b.Run
	case *writ.EffectBody:
		return b.Run
	case *writ.VerifyBody:
		return b.Run
	case *writ.UndoEffectBody:
		return b.Run
	case *writ.RevokeBody:
		return b.Run
	case *writ.ProbeBody:
		return b.Run
	case *writ.RunBody:
		return b.Run
	case *writ.ReceiptBody:
		return b.Run
	case *writ.SettleBody:
		return b.Run
	case *writ.OfflineBody:
		return b.Run
	}
	return ""
}

// apply changes the state as an entry says.
func (c *Control) apply(tx *store.Tx, by sender, run *runRow, row *store.Row, e ledger.Entry) error {
	switch b := e.Body.(type) {
	case *writ.LeaseBody:
		l := writ.Lease{ID: b.Lease, Run: b.Run, Target: b.Target, Tier: b.Tier, Name: b.Name, Rights: b.Rights, MintedAt: e.Record.Time, Expires: b.Expires}
		if _, err := tx.Get(store.Leases, string(b.Lease)); err == nil {
			return fmt.Errorf("%w: lease %s was announced before", writ.ErrInvalid, b.Lease)
		}
		err := store.Create(tx, store.Leases, store.Row{ID: string(b.Lease), Incident: string(run.Run.Incident), State: stateAlive, Key: string(b.Run)}, leaseRow{
			Lease: l, Runner: by.runner, Leaf: e.Hash, Instance: by.instance,
		})
		if err != nil {
			return err
		}
		return c.started(tx, by, run, row, e)
	case *writ.StepBody:
		if e.Record.Kind == writ.EntryStepIntent {
			run.Begun = append(run.Begun, b.Step)
		}
		return c.started(tx, by, run, row, e)
	case *writ.RevokeBody:
		return c.leaseChanged(tx, b.Run, b.Lease, func(l *writ.Lease) {
			if b.Done {
				at := e.Record.Time
				l.RevokedAt = &at
			}
		})
	case *writ.ProbeBody:
		return c.leaseChanged(tx, b.Run, b.Lease, func(l *writ.Lease) {
			at := e.Record.Time
			l.NeverMinted = b.NeverMinted
			if b.PowerGone && l.PowerGone == nil {
				l.PowerGone = &at
				by.died("power", b.PowerMillis)
			}
			if b.IdentityGone && l.IdentityGone == nil {
				l.IdentityGone = &at
				by.died("identity", b.IdentityMillis)
			}
		})
	case *writ.RunBody:
		return c.ended(tx, run, row, b.State, b.Reason, e)
	case *writ.OfflineBody:
		return fmt.Errorf("%w: run %s was not made while cut off, or its entry was delivered before", writ.ErrInvalid, b.Run)
	}
	return nil
}

// started moves a granted run to running.
func (c *Control) started(tx *store.Tx, by sender, run *runRow, row *store.Row, e ledger.Entry) error {
	if run.Run.State != writ.RunGranted {
		return store.Save(tx, store.Runs, *row, row.State, *run)
	}
	at := e.Record.Time
	run.Run.Started, run.Instance = &at, by.instance
	run.Run.Reason, run.Run.Detail = "", "" // of what it waited for
	return c.moveRun(tx, run, row, writ.RunRunning)
}

// orphans appends what a runner did to credentials of its own on a target that belong to no run.
func (c *Control) orphans(tx *store.Tx, runner writ.RunnerID, entries [][]byte) ([]int64, error) {
	var at []int64
	for _, leaf := range entries {
		e, err := c.runnerEntry(runner, leaf)
		if err != nil {
			return nil, err
		}
		if b, ok := e.Body.(*writ.OrphanBody); !ok || b.Runner != runner || e.Record.Task != "" {
			return nil, fmt.Errorf("%w: an entry of kind %s belongs to a run", writ.ErrInvalid, e.Record.Kind)
		}
		i, err := tx.IndexOf(e.Hash)
		if errors.Is(err, writ.ErrNotFound) {
			i, _, err = tx.Append(leaf)
			c.Log.Error("a credential of a runner that belongs to no run it knows was found on its target and ended", "runner", string(runner))
		}
		if err != nil {
			return nil, err
		}
		at = append(at, i)
	}
	return at, nil
}

func (c *Control) moveRun(tx *store.Tx, run *runRow, row *store.Row, next writ.RunState) error {
	if err := run.Run.State.Move(next); err != nil {
		return err
	}
	was := row.State
	run.Run.State, row.State = next, string(next)
	if next.Final() {
		row.Due = 0
	}
	return store.Save(tx, store.Runs, *row, was, *run)
}

// ended closes run, plan and reservation.
func (c *Control) ended(tx *store.Tx, run *runRow, row *store.Row, state writ.RunState, reason writ.Reason, e ledger.Entry) error {
	if run.Run.State.Final() {
		return nil // its grant lapsed first, and nothing went forward since: the entry stands for itself
	}
	at := e.Record.Time
	run.Run.Ended, run.Run.Reason = &at, reason
	if run.Run.State == writ.RunGranted {
		run.Run.Detail = "" // of what it waited for
	}
	if run.Run.State == writ.RunGranted && state != writ.RunRefused && state != writ.RunFailed && state != writ.RunExpired {
		run.Run.State = writ.RunRunning // its first entries were delivered with its last
	}
	if err := c.moveRun(tx, run, row, state); err != nil {
		return err
	}
	if err := c.tellRun(tx, *run, runEvents[state]); err != nil {
		return err
	}
	return c.freePlan(tx, run.Run, reason)
}

// freePlan ends the plan of an ended run and gives back what the run held.
func (c *Control) freePlan(tx *store.Tx, run writ.Run, reason writ.Reason) error {
	p, row, err := store.Load[planRow](tx, store.Plans, string(run.Plan))
	if err != nil {
		return err
	}
	if writ.PlanState(row.State) == writ.PlanGranted {
		next := writ.PlanDone
		switch reason {
		case writ.ReasonWorldMoved:
			next = writ.PlanStale
		case writ.ReasonGrantExpired:
			next = writ.PlanExpired
		}
		p.Reason = reason
		row.State, row.Due = string(next), 0
		if err := store.Save(tx, store.Plans, row, string(writ.PlanGranted), p); err != nil {
			return err
		}
	}
	return c.release(tx, run)
}

// leaseChanged notes what became of a lease. An end of a lease that was never announced is recorded all the same.
func (c *Control) leaseChanged(tx *store.Tx, run writ.RunID, id writ.LeaseID, change func(*writ.Lease)) error {
	doc, row, err := store.Load[leaseRow](tx, store.Leases, string(id))
	if errors.Is(err, writ.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if doc.Lease.Run != run {
		return fmt.Errorf("%w: lease %s is not of run %s", writ.ErrInvalid, id, run)
	}
	change(&doc.Lease)
	was := row.State
	if doc.Lease.Dead() {
		row.State = stateDead
	}
	return store.Save(tx, store.Leases, row, was, doc)
}

// refusedRun takes a runner's refusal to start a run. The runner's own run entry says the same and comes first as a
// rule. A runner that cannot believe the grant has no run to end: it records the refused presentation, and what ends the
// run in the ledger is this entry of the control plane's own.
func (c *Control) refusedRun(tx *store.Tx, id writ.RunID, r assignment.Refused) error {
	run, row, err := store.Load[runRow](tx, store.Runs, string(id))
	if err != nil {
		return err
	}
	run.Run.Detail = writ.Printable(r.Detail, 300)
	if run.Run.State != writ.RunGranted { // it has ended, or has started and ends by its entries alone
		return store.Save(tx, store.Runs, row, row.State, run)
	}
	r = *printable(r)
	at := c.now()
	run.Run.Ended, run.Run.Reason = &at, r.Code
	if err := c.moveRun(tx, &run, &row, writ.RunRefused); err != nil {
		return err
	}
	if _, err := c.append(tx, writ.EntryPlanEnd, run.Run.Incident, writ.PlanEndBody{Plan: run.Run.Plan, State: writ.PlanDone, Reason: r.Code}); err != nil {
		return err
	}
	return c.freePlan(tx, run.Run, r.Code)
}
