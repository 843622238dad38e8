package control

import (
	"context"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// Incidents lists incidents, newest first.
func (c *Control) Incidents(ctx context.Context, by writ.Principal, f writ.IncidentFilter) ([]writ.Incident, string, error) {
	if _, err := c.asker(ctx, by, writ.RoleDiagnose, writ.RoleRepair); err != nil {
		return nil, "", err
	}
	page, err := pageOf(f.Cursor, f.Limit)
	if err != nil {
		return nil, "", err
	}
	page.State = string(f.State)
	var out []writ.Incident
	var next string
	err = c.Store.View(ctx, func(tx *store.Tx) error {
		var err error
		out, _, next, err = list(tx, store.Incidents, page, func(in writ.Incident) bool { return f.Service == "" || in.Service == f.Service })
		return err
	})
	return out, next, err
}

// Incident returns one incident; people also get its evidence, plans and timeline.
func (c *Control) Incident(ctx context.Context, by writ.Principal, id writ.IncidentID) (writ.IncidentStatus, error) {
	if _, err := c.asker(ctx, by, writ.RoleDiagnose, writ.RoleRepair); err != nil {
		return writ.IncidentStatus{}, err
	}
	var out writ.IncidentStatus
	var why writ.Commitment
	var texts []writ.Commitment
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		in, _, err := store.Load[writ.Incident](tx, store.Incidents, string(id))
		if err != nil {
			return notFound(err, "incident", string(id))
		}
		out.Incident = in
		if by.Kind != writ.KindHuman {
			return nil
		}
		evidence, rows, err := find[evidenceRow](tx, store.Evidence, store.Filter{Incident: string(id)})
		if err != nil {
			return err
		}
		for i, e := range evidence {
			if rows[i].State == stateRead || rows[i].State == stateFronted {
				out.Evidence = append(out.Evidence, e.Evidence.whole())
			}
		}
		plans, rows, err := find[planRow](tx, store.Plans, store.Filter{Incident: string(id), Newest: true})
		if err != nil {
			return err
		}
		for i, p := range plans {
			s, err := c.show(tx, by, p, writ.PlanState(rows[i].State))
			if err != nil {
				return err
			}
			s.Bytes, s.Plan, s.Evidence = nil, nil, nil
			out.Plans = append(out.Plans, s)
		}
		if out.Undo, why, err = undoStatus(tx, id); err != nil {
			return err
		}
		if out.Timeline, err = c.incidentEvents(tx, id); err != nil {
			return err
		}
		out.Notes, texts, err = notesAmong(tx, out.Timeline)
		return err
	})
	if err == nil && out.Undo != nil {
		out.Undo.Because, err = c.text(ctx, why)
	}
	for i := range out.Notes {
		if err == nil {
			out.Notes[i].Text, err = c.kept(ctx, texts[i])
		}
	}
	return out, err
}
