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
	"github.com/writ-dev/writ/internal/store"
)

// A cellRow says which process works for a runner. It is the only place where that is written, so that any number of
// control planes on one store agree on it.
type cellRow struct {
	Runner    writ.RunnerID
	Instance  string // of the journal whose process holds the cell
	Epoch     int64  // raised by each process that takes it
	Held      int64  // the epoch that the holder's journal knew when it took this one
	Confirmed bool   // the holder has called under Epoch: its journal knows it
	Seen      time.Time
	Standby   time.Time // when another process last stood by
	Debts     []assignment.Debt
	Clock     *writ.ClockReading `json:",omitempty"` // of the holder, at its newest heartbeat
	Silent    bool               `json:",omitempty"` // people were told that nothing is heard of it
}

// fenced is what a process hears that does not hold its cell.
func fenced(detail string) error { return writ.Refuse(writ.ReasonFenced, detail) }

// holds checks that the caller holds the runner's cell in this transaction (invariant I13). A runner for which no
// process ever joined has no cell, and its calls make no claim.
func holds(tx *store.Tx, runner writ.RunnerID, claim assignment.Claim) error {
	cell, _, err := store.Load[cellRow](tx, store.Cells, string(runner))
	switch {
	case errors.Is(err, writ.ErrNotFound) && claim == assignment.Claim{}:
		return nil
	case errors.Is(err, writ.ErrNotFound):
		return fenced("no process has joined for this runner yet")
	case err != nil:
		return err
	case claim.Epoch == 0 || claim.Instance != cell.Instance || claim.Epoch != cell.Epoch:
		return fenced("another process works for this runner now")
	}
	return nil
}

// Join takes a heartbeat of the process that holds the runner's cell, or decides whether the caller becomes it:
//   - Nobody holds it, or a process before this one with the same journal did, which the journal's lock proves dead: at
//     once. That the journal is the newest of its copies is shown by the last epoch that it knows.
//   - Another instance holds it: when that one has been silent for assignment.SilentAfter. Until then the caller stands
//     by.
//
// Whoever becomes the holder raises the epoch, and every call under an older one is refused from then on.
func (c *Control) Join(ctx context.Context, runner writ.RunnerID, j assignment.Join) (assignment.Joined, error) {
	if n := len(j.Claim.Instance); n < 16 || n > 64 || j.Claim.Epoch < 0 || j.Held < 0 || len(j.Debts) > assignment.MaxDebts {
		return assignment.Joined{}, &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid,
			Detail: fmt.Sprintf("claim.instance has 16 to 64 characters, epochs are not negative, and debts are at most %d", assignment.MaxDebts)}
	}
	var out assignment.Joined
	err := c.Store.Update(ctx, func(tx *store.Tx) error {
		out = assignment.Joined{}
		cell, row, err := store.Load[cellRow](tx, store.Cells, string(runner))
		if errors.Is(err, writ.ErrNotFound) {
			cell, row = cellRow{Runner: runner}, store.Row{ID: string(runner)}
			if err := store.Create(tx, store.Cells, row, cell); err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
		now := c.now()
		if j.Claim.Epoch > 0 {
			if err := holds(tx, runner, j.Claim); err != nil {
				return err
			}
			if err := c.indebt(tx, &cell, j.Debts); err != nil {
				return err
			}
			cell.Seen, cell.Confirmed, cell.Clock, out.Epoch = now, true, c.clockOf(j.Clock), cell.Epoch
		} else if err := c.enter(tx, &cell, j, now, &out); err != nil {
			return err
		}
		if err := store.Save(tx, store.Cells, row, row.State, cell); err != nil || out.Epoch == 0 {
			return err
		}
		out.Takeover, err = c.left(tx, runner, cell.Instance)
		return err
	})
	if err != nil {
		return out, err
	}
	return out, c.saw(ctx, runner)
}

// enter decides about a process that asks for the cell.
func (c *Control) enter(tx *store.Tx, cell *cellRow, j assignment.Join, now time.Time, out *assignment.Joined) error {
	own := cell.Instance == j.Claim.Instance
	knows := j.Held == cell.Epoch || !cell.Confirmed && j.Held == cell.Held
	switch {
	case cell.Instance == "" || own && knows && !j.Fenced:
	case own && !knows && !j.Fenced:
		out.Restored = true
		return nil
	case now.Sub(cell.Seen) < assignment.SilentAfter:
		cell.Standby = now
		out.Holder, out.Seen = cell.Instance, cell.Seen
		return nil
	}
	was := cell.Instance
	cell.Held, cell.Instance, cell.Confirmed, cell.Seen = j.Held, j.Claim.Instance, false, now
	cell.Epoch++
	out.Epoch, out.Kept = cell.Epoch, was == "" || own && knows && !j.Fenced
	if own {
		return handBack(tx, cell.Runner, now)
	}
	_, err := c.append(tx, writ.EntryCell, "", writ.CellBody{Runner: cell.Runner, Instance: cell.Instance, Epoch: cell.Epoch, Was: was})
	if was != "" {
		c.Log.Error("a runner's cell was taken over from a process that fell silent", "runner", string(cell.Runner), "epoch", cell.Epoch)
	}
	return err
}

// handBack makes what the runner was given and has not answered due at once: the process that has it is dead, and its
// journal, which the next one reads, knows what it has spent.
func handBack(tx *store.Tx, runner writ.RunnerID, now time.Time) error {
	rows, err := tx.Find(store.Assignments, store.Filter{Key: string(runner), State: stateOpen})
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row.Due <= millis(now) {
			continue
		}
		row.Due = millis(now)
		if err := tx.Update(store.Assignments, row, stateOpen); err != nil {
			return err
		}
	}
	return nil
}

// indebt takes the debts that the holder reports, records which are new and which are paid, and says so aloud.
func (c *Control) indebt(tx *store.Tx, cell *cellRow, now []assignment.Debt) error {
	is := func(all []assignment.Debt, d assignment.Debt) bool {
		return slices.ContainsFunc(all, func(o assignment.Debt) bool { return o.Lease == d.Lease })
	}
	record := func(d assignment.Debt, on bool) error {
		var task writ.IncidentID
		if run, _, err := store.Load[runRow](tx, store.Runs, string(d.Run)); err == nil && run.Run.Runner == cell.Runner {
			task = run.Run.Incident
		}
		_, err := c.append(tx, writ.EntryDebt, task, writ.DebtBody{
			Runner: cell.Runner, Lease: d.Lease, Run: d.Run, Target: d.Target, Name: writ.Printable(d.Name, 80), On: on, Since: writ.Instant(d.Since),
		})
		if err != nil {
			return err
		}
		return c.tellDebt(tx, cell.Runner, d, on)
	}
	for _, d := range now {
		if is(cell.Debts, d) {
			continue
		}
		if err := record(d, true); err != nil {
			return err
		}
		c.Log.Error("a lease cannot be proven dead; no grant is issued for its runner until it is", "runner", string(cell.Runner),
			"lease", writ.Printable(d.Name, 80), "run", string(d.Run), "since", d.Since, "power_gone", d.PowerGone)
	}
	for _, d := range cell.Debts {
		if is(now, d) {
			continue
		}
		l, _, err := store.Load[leaseRow](tx, store.Leases, string(d.Lease))
		if err == nil && !l.Lease.Dead() { // its death is not on the record yet
			now = append(now, d)
			continue
		}
		if err != nil && !errors.Is(err, writ.ErrNotFound) {
			return err
		}
		if err := record(d, false); err != nil {
			return err
		}
		c.Log.Info("a lease was proven dead at last", "runner", string(cell.Runner), "lease", writ.Printable(d.Name, 80))
	}
	cell.Debts = now
	return nil
}

// owes returns the refusal of a grant for a cell with a debt; nil when there is none.
func owes(tx *store.Tx, runner writ.RunnerID) (*assignment.Refused, error) {
	cell, _, err := store.Load[cellRow](tx, store.Cells, string(runner))
	if errors.Is(err, writ.ErrNotFound) || err == nil && len(cell.Debts) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	d := cell.Debts[0]
	return &assignment.Refused{
		Code:   writ.ReasonLeaseDebt,
		Detail: fmt.Sprintf("the runner has %d credentials of earlier runs that are not proven dead, %s since %s among them", len(cell.Debts), writ.Printable(d.Name, 80), d.Since.UTC().Format(time.RFC3339)),
		Hint:   "propose it again when writ status shows no debt of this runner",
	}, nil
}

// left lists what instances of the cell other than this one have left open: runs that had begun, and leases that are not
// recorded as dead. Runs that had not begun are handed out again and refused, since their plans were made elsewhere.
func (c *Control) left(tx *store.Tx, runner writ.RunnerID, instance string) ([]assignment.Taken, error) {
	other := func(i string) bool { return i != "" && i != instance }
	by := map[writ.RunID]*assignment.Taken{}
	var order []writ.RunID
	take := func(id writ.RunID) (*assignment.Taken, error) {
		if t := by[id]; t != nil {
			return t, nil
		}
		run, _, err := store.Load[runRow](tx, store.Runs, string(id))
		if err != nil {
			return nil, err
		}
		t, err := c.story(tx, run)
		if err != nil {
			return nil, err
		}
		by[id], order = t, append(order, id)
		return t, nil
	}
	runs, _, err := find[runRow](tx, store.Runs, store.Filter{State: string(writ.RunRunning)})
	if err != nil {
		return nil, err
	}
	for _, r := range runs {
		if r.Run.Runner == runner && other(r.Instance) {
			if _, err := take(r.Run.ID); err != nil {
				return nil, err
			}
		}
	}
	leases, _, err := find[leaseRow](tx, store.Leases, store.Filter{State: stateAlive})
	if err != nil {
		return nil, err
	}
	for _, l := range leases {
		if l.Runner != runner || !other(l.Instance) {
			continue
		}
		t, err := take(l.Lease.Run)
		if err != nil {
			return nil, err
		}
		t.Leases = append(t.Leases, assignment.OpenLease{
			Lease: l.Lease.ID, Leaf: l.Leaf, Target: l.Lease.Target, Name: l.Lease.Name, Tier: l.Lease.Tier, Expires: l.Lease.Expires,
		})
	}
	var out []assignment.Taken
	for _, id := range order {
		out = append(out, *by[id])
	}
	return out, nil
}

// story puts together what the ledger holds of a run.
func (c *Control) story(tx *store.Tx, run runRow) (*assignment.Taken, error) {
	r := run.Run
	t := &assignment.Taken{Run: r.ID, Incident: r.Incident, Grant: r.Grant, Plan: r.Plan, Ended: r.State.Final()}
	g, _, err := store.Load[grantRow](tx, store.Grants, string(r.Grant))
	if err != nil {
		return nil, err
	}
	t.GrantLeaf = ledger.LeafHash(g.Leaf)
	p, _, err := store.Load[planRow](tx, store.Plans, string(r.Plan))
	if err != nil {
		return nil, err
	}
	t.PlanDigest = p.Digest
	indices, err := incidentIndices(tx, r.Incident)
	if err != nil {
		return nil, err
	}
	open := map[string]assignment.OpenStep{}
	var keys []string
	begin := func(key string, s assignment.OpenStep) {
		open[key] = s
		keys = append(keys, key)
	}
	for _, i := range indices {
		e, err := entryAt(tx, i)
		if err != nil {
			return nil, err
		}
		switch b := e.Body.(type) {
		case *writ.StepBody:
			if b.Run == r.ID {
				undo := e.Record.Kind == writ.EntryUndoIntent
				begin(fmt.Sprint(undo, b.Step), assignment.OpenStep{Step: b.Step, Leaf: e.Hash, Undo: undo})
			}
		case *writ.EffectBody:
			if b.Run == r.ID {
				delete(open, fmt.Sprint(false, b.Step))
				switch b.Effect {
				case writ.Applied:
					t.Applied++
				case writ.Unknown:
					t.Unknown++
				}
			}
		case *writ.UndoEffectBody:
			if b.Run == r.ID {
				delete(open, fmt.Sprint(true, b.Step))
				switch {
				case b.Restored:
					t.Undone++
				case b.Effect == writ.Unknown:
					t.Unknown++
				}
			}
		}
	}
	for _, k := range keys {
		if s, ok := open[k]; ok {
			t.Open = append(t.Open, s)
			delete(open, k)
		}
	}
	t.Unknown += len(t.Open)
	return t, nil
}

// entryAt opens the entry at an index.
func entryAt(tx *store.Tx, i int64) (ledger.Entry, error) {
	leaves, err := tx.Leaves(i, 1)
	if err != nil {
		return ledger.Entry{}, err
	}
	if len(leaves) != 1 {
		return ledger.Entry{}, fmt.Errorf("%w: entry %d", writ.ErrNotFound, i)
	}
	return ledger.Open(leaves[0])
}

// late decides about an entry of a process that does not hold the runner's cell any more. What is true of the past is
// kept: leases that it ended, undos that it made. Nothing of it moves a run forward or ends it.
func late(run runRow, e ledger.Entry, next bool) *assignment.Refused {
	refused := &assignment.Refused{Code: writ.ReasonFenced, Detail: "another process works for this runner now"}
	switch e.Record.Kind {
	case writ.EntryRevoke, writ.EntryProbe, writ.EntryUndoIntent, writ.EntryUndoEffect, writ.EntryReceipt:
		return nil
	case writ.EntryLease: // one to undo with comes alone; the one to go forward with is announced with its step
		if run.Run.State != writ.RunGranted && !next {
			return nil
		}
	case writ.EntryStepEffect:
		if !run.Run.State.Final() {
			return nil
		}
	}
	return refused
}

// silent is how long nothing may be heard of a runner with live leases before people are told.
const silent = 3 * assignment.SilentAfter

// watchCells says aloud when a runner is silent while leases of its runs are alive: nobody ends them now. It is said
// once for each silence.
func (c *Control) watchCells(ctx context.Context) error {
	c.mu.Lock()
	due := c.now().Sub(c.watched) >= assignment.SilentAfter
	if due {
		c.watched = c.now()
	}
	c.mu.Unlock()
	if !due {
		return nil
	}
	st, err := c.Glance(ctx)
	if err != nil {
		return err
	}
	for _, r := range st.Runners {
		if err := c.tellSilent(ctx, r); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range st.Runners {
		if r.Silent && !c.said[r.ID] {
			c.Log.Error("a runner is silent while credentials of its runs are alive", "runner", string(r.ID), "leases", r.Alive, "last_seen", r.LastSeen)
		}
		c.said[r.ID] = r.Silent
	}
	return nil
}

// cells fills in what is known about the processes of the runners.
func (c *Control) cells(tx *store.Tx, runners []writ.RunnerStatus) error {
	leases, _, err := find[leaseRow](tx, store.Leases, store.Filter{State: stateAlive})
	if err != nil {
		return err
	}
	for i := range runners {
		r := &runners[i]
		for _, l := range leases {
			if l.Runner == r.ID {
				r.Alive++
			}
		}
		cell, _, err := store.Load[cellRow](tx, store.Cells, string(r.ID))
		if errors.Is(err, writ.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		r.Instance, r.Epoch, r.LastSeen, r.Clock = cell.Instance, cell.Epoch, &cell.Seen, cell.Clock
		if c.now().Sub(cell.Standby) < assignment.SilentAfter {
			r.Standby = &cell.Standby
		}
		r.Silent = r.Alive > 0 && c.now().Sub(cell.Seen) >= silent
		for _, d := range cell.Debts {
			r.Debts = append(r.Debts, writ.LeaseDebt{Lease: d.Lease, Run: d.Run, Target: d.Target, Name: writ.Printable(d.Name, 80), Since: d.Since, PowerGone: d.PowerGone})
		}
	}
	return nil
}
