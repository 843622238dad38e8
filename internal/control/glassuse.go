package control

import (
	"errors"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// A flagged ask is break-glass: its plan and proposal say so, its window ends with the signed ask, and its entry stands
// before its proposal.
type flagged struct {
	writ.Emergency
	until time.Time
	enter func(writ.PlanID) (writ.Digest, error)
}

// glass loads the break-glass that a plan is; nil when it is none.
func (c *Control) glass(tx *store.Tx, e *writ.Emergency) (*glassRow, store.Row, error) {
	if e == nil {
		return nil, store.Row{}, nil
	}
	g, row, err := store.Load[glassRow](tx, store.BreakGlasses, string(e.ID))
	return &g, row, err
}

func (c *Control) moveGlass(tx *store.Tx, g glassRow, row store.Row, next writ.BreakGlassState) error {
	was := row.State
	if err := writ.BreakGlassState(was).Move(next); err != nil {
		return err
	}
	row.State, row.Due = string(next), 0
	if next == writ.BreakGlassUsed && g.ReviewDue != nil {
		row.Due = millis(*g.ReviewDue)
	}
	return store.Save(tx, store.BreakGlasses, row, was, g)
}

// useGlass notes that a grant was issued for a break-glass: those who own the service are told again, and a review is owed
// from here on, whatever the run does.
func (c *Control) useGlass(tx *store.Tx, p planRow, plan writ.Plan, run writ.RunID, grant writ.Digest) error {
	g, row, err := c.glass(tx, plan.Emergency)
	if g == nil || err != nil {
		return err
	}
	due := c.now().Add(writ.ReviewLife)
	g.Run, g.ReviewDue = run, &due
	if err := c.enterUse(tx, *g, p.Digest, append(ref("breakglass", g.Leaf), ref("grant", grant)...)...); err != nil {
		return err
	}
	return c.moveGlass(tx, *g, row, writ.BreakGlassUsed)
}

func (c *Control) enterUse(tx *store.Tx, g glassRow, digest writ.Digest, refs ...writ.Ref) error {
	_, err := c.append(tx, writ.EntryBreakGlassUse, g.Incident, writ.BreakGlassUseBody{
		ID: g.ID, Plan: g.Plan, PlanDigest: digest, Run: g.Run, Team: g.Team, Drill: g.Drill, Offline: g.Offline, ReviewDue: *g.ReviewDue,
	}, refs...)
	c.Log.Warn("break-glass is used", "breakglass", string(g.ID), "team", g.Team, "service", g.Service, "incident", string(g.Incident), "run", string(g.Run), "offline", g.Offline, "drill", g.Drill, "review_due", g.ReviewDue.Format(time.RFC3339))
	return err
}

// overGlass notes that the plan of a break-glass has ended. One that was never granted owes nothing; a drill's incident is
// over with it.
func (c *Control) overGlass(tx *store.Tx, e *writ.Emergency) error {
	g, row, err := c.glass(tx, e)
	if g == nil || err != nil || row.State != string(writ.BreakGlassAsked) {
		return err
	}
	if err := c.endOwn(tx, *g); err != nil {
		return err
	}
	return c.moveGlass(tx, *g, row, writ.BreakGlassOver)
}

// endOwn resolves the incident that was opened for a break-glass alone: a drill's, or that of one that was used offline. No
// alert ever will.
func (c *Control) endOwn(tx *store.Tx, g glassRow) error {
	if !g.Drill && !g.Offline {
		return nil
	}
	in, row, err := store.Load[writ.Incident](tx, store.Incidents, string(g.Incident))
	if err != nil || in.State != writ.IncidentOpen {
		return err
	}
	at := c.now()
	in.State, in.ResolvedAt, row.State = writ.IncidentResolved, &at, string(writ.IncidentResolved)
	if err := store.Save(tx, store.Incidents, row, string(writ.IncidentOpen), in); err != nil {
		return err
	}
	return c.incidentEntry(tx, in, nil)
}

// lastDrill is the id of the one row that says when the last drill passed.
const lastDrill = "last drill"

type drillRow struct {
	At time.Time
	ID writ.BreakGlassID
}

func drilled(tx *store.Tx) (*time.Time, store.Row, error) {
	d, row, err := store.Load[drillRow](tx, store.BreakGlasses, lastDrill)
	if errors.Is(err, writ.ErrNotFound) {
		return nil, row, nil
	}
	return &d.At, row, err
}
