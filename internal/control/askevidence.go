package control

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// maxEvidenceAsks bounds the questions about one plan: it waits for minutes, and whoever needs more should say no.
const maxEvidenceAsks = 5

// asking are the states in which more evidence can still change an answer.
var asking = []writ.PlanState{writ.PlanPlanning, writ.PlanWaiting, writ.PlanReady}

// An askedRow is one question about a plan.
type askedRow struct {
	By   writ.Principal
	At   time.Time
	Text writ.Commitment
}

// AskEvidence asks whoever proposed a plan to read more before somebody answers it. The plan stays as it is, and its time runs on:
// the requester hears of it with the plan's state, reads, and the plan's page shows what was read since. People only.
func (c *Control) AskEvidence(ctx context.Context, by writ.Principal, id writ.PlanID, text string) (writ.PlanStatus, error) {
	if err := c.askEvidence(ctx, by, id, text); err != nil {
		return writ.PlanStatus{}, c.deny(ctx, "ask for evidence", by, id, err)
	}
	return c.Plan(ctx, by, id, 0)
}

func (c *Control) askEvidence(ctx context.Context, by writ.Principal, id writ.PlanID, text string) error {
	if err := first(person(by), written("text", text, writ.MaxEvidenceAsk)); err != nil {
		return err
	}
	if err := c.Store.View(ctx, func(tx *store.Tx) error { _, _, err := askable(tx, id); return err }); err != nil {
		return err
	}
	at, err := c.Store.PutBlob(ctx, blobReason, classText, []byte(text))
	if err != nil {
		return err
	}
	return c.Store.Update(ctx, func(tx *store.Tx) error {
		p, row, err := askable(tx, id)
		if err != nil {
			return err
		}
		if _, err := c.append(tx, writ.EntryEvidenceAsk, p.Proposal.Incident, writ.EvidenceAskBody{Plan: id, By: by, Text: at}, ref("proposal", p.ProposalLeaf)...); err != nil {
			return err
		}
		p.Asked = append(p.Asked, askedRow{by, c.now(), at})
		return store.Save(tx, store.Plans, row, row.State, p)
	})
}

// askable is a plan about which something can still be asked.
func askable(tx *store.Tx, id writ.PlanID) (planRow, store.Row, error) {
	p, row, err := store.Load[planRow](tx, store.Plans, string(id))
	switch {
	case err != nil:
		err = notFound(err, "plan", string(id))
	case !slices.Contains(asking, writ.PlanState(row.State)):
		err = &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrConflict, Detail: fmt.Sprintf("the plan is %s; evidence is asked for while it is planning, waiting or ready", row.State), Hint: "write a note on its incident instead: writ incident note"}
	case len(p.Asked) >= maxEvidenceAsks:
		err = &writ.Refusal{Code: writ.ReasonTooLarge, Kind: writ.ErrConflict, Detail: fmt.Sprintf("evidence was asked for %d times; that is the limit", maxEvidenceAsks), Hint: "reject the plan, with the reason: writ reject " + string(id)}
	}
	return p, row, err
}

// showAsked adds what people asked about a plan, and what was read for its incident since: by anybody for people, and by itself
// for an agent.
func (c *Control) showAsked(tx *store.Tx, by writ.Principal, p planRow, out *writ.PlanStatus) error {
	if len(p.Asked) == 0 {
		return nil
	}
	for _, a := range p.Asked {
		shown := writ.EvidenceAsk{At: a.At}
		if by.Kind == writ.KindHuman {
			shown.By = a.By
		}
		out.EvidenceAsked = append(out.EvidenceAsked, shown)
	}
	all, rows, err := find[evidenceRow](tx, store.Evidence, store.Filter{Incident: string(p.Proposal.Incident), Newest: true, Limit: maxEvidenceCitation})
	for i, e := range all {
		if rows[i].State == stateRead && e.Evidence.At.After(p.Asked[0].At) && (by.Kind == writ.KindHuman || e.Evidence.AskedBy.Same(by)) {
			out.EvidenceSince = append(out.EvidenceSince, e.Evidence.whole())
		}
	}
	return err
}

// addAsked adds the words of what was asked; the requester sees them too.
func (c *Control) addAsked(ctx context.Context, s *writ.PlanStatus) error {
	if len(s.EvidenceAsked) == 0 {
		return nil
	}
	var asked []askedRow
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		p, _, err := store.Load[planRow](tx, store.Plans, string(s.ID))
		asked = p.Asked
		return err
	})
	for i := range min(len(asked), len(s.EvidenceAsked)) {
		if err == nil {
			s.EvidenceAsked[i].Text, err = c.kept(ctx, asked[i].Text)
		}
	}
	return err
}
