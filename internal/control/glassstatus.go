package control

import (
	"context"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// BreakGlassOf returns one break-glass; people only.
func (c *Control) BreakGlassOf(ctx context.Context, by writ.Principal, id writ.BreakGlassID) (writ.BreakGlass, error) {
	if err := person(by); err != nil {
		return writ.BreakGlass{}, err
	}
	var out writ.BreakGlass
	var g glassRow
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		var row store.Row
		var err error
		if g, row, err = store.Load[glassRow](tx, store.BreakGlasses, string(id)); err == nil {
			out, err = c.showGlass(tx, g, row)
		}
		return notFound(err, "break-glass", string(id))
	})
	if err != nil {
		return writ.BreakGlass{}, err
	}
	if out.Justification, err = c.text(ctx, g.Justification); err == nil && out.Review != nil {
		out.Review.Note, err = c.text(ctx, g.Review.Note)
	}
	return out, err
}

// BreakGlasses lists them, newest first, in one state or in all; people only. Texts are left out.
func (c *Control) BreakGlasses(ctx context.Context, by writ.Principal, state writ.BreakGlassState, limit int, cursor string) ([]writ.BreakGlass, string, error) {
	if err := person(by); err != nil {
		return nil, "", err
	}
	page, err := pageOf(cursor, limit)
	if err != nil {
		return nil, "", err
	}
	page.State = string(state)
	var out []writ.BreakGlass
	var next string
	err = c.Store.View(ctx, func(tx *store.Tx) error {
		all, rows, more, err := list(tx, store.BreakGlasses, page, func(g glassRow) bool { return g.Team != "" })
		if err != nil {
			return err
		}
		next = more
		for i, g := range all {
			b, err := c.showGlass(tx, g, rows[i])
			if err != nil {
				return err
			}
			out = append(out, b)
		}
		return nil
	})
	return out, next, err
}

func (c *Control) showGlass(tx *store.Tx, g glassRow, row store.Row) (writ.BreakGlass, error) {
	out := writ.BreakGlass{
		ID: g.ID, State: writ.BreakGlassState(row.State), Incident: g.Incident, Service: g.Service, Team: g.Team, Playbook: g.Playbook, Asker: g.Asker,
		Signers: g.Signers, Proof: g.Proof, Drill: g.Drill, Offline: g.Offline, Plan: g.Plan, Run: g.Run, AskedAt: g.AskedAt, Expires: g.Expires,
		ReviewDue: g.ReviewDue, Refusal: g.Refusal, Passed: g.PassedAt != nil,
	}
	out.Overdue = out.State == writ.BreakGlassUsed && g.ReviewDue != nil && !c.now().Before(*g.ReviewDue)
	if r := g.Review; r != nil {
		out.Review = &writ.BreakGlassReview{By: r.By, At: r.At, Verdict: r.Verdict}
	}
	p, err := tx.Get(store.Plans, string(g.Plan))
	if err != nil {
		return out, err
	}
	out.PlanState = writ.PlanState(p.State)
	if g.Run != "" {
		r, err := tx.Get(store.Runs, string(g.Run))
		if err != nil {
			return out, err
		}
		out.RunState = writ.RunState(r.State)
	}
	return out, nil
}

// glance is what the status says of break-glass; nil when nothing of it was ever set up or used.
func (c *Control) glassGlance(tx *store.Tx) (*writ.BreakGlassGlance, error) {
	asked, err := tx.Count(store.BreakGlasses, store.Filter{State: string(writ.BreakGlassAsked)}, maxCounted)
	if err != nil {
		return nil, err
	}
	owed, _, err := find[glassRow](tx, store.BreakGlasses, store.Filter{State: string(writ.BreakGlassUsed), Limit: maxUnsettled})
	if err != nil {
		return nil, err
	}
	last, _, err := drilled(tx)
	if err != nil {
		return nil, err
	}
	some := false
	for _, p := range c.Library {
		some = some || p.Playbook.Emergency
	}
	if !some && last == nil && asked+len(owed) == 0 {
		return nil, nil
	}
	out := &writ.BreakGlassGlance{Open: asked, Owed: []writ.BreakGlassID{}, LastDrill: last, AskProof: c.BreakGlass.AskProof}
	slices.SortFunc(owed, func(a, b glassRow) int { return a.ReviewDue.Compare(*b.ReviewDue) })
	for _, g := range owed {
		out.Owed = append(out.Owed, g.ID)
		if !c.now().Before(*g.ReviewDue) {
			out.Overdue++
		}
	}
	out.Late = some && last == nil
	if last != nil {
		due := last.Add(writ.DrillEvery)
		out.DrillDue, out.Late = &due, some && !c.now().Before(due)
	}
	return out, nil
}
