package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/store"
)

// An undoRow is the undo of an incident's runs, as far as it has come: one row for each incident, under its id. What is
// still to be put back is never taken from it alone: a run counts as undone when the run that puts it back has succeeded,
// and not before.
type undoRow struct {
	Incident writ.IncidentID
	By       writ.Principal
	Why      writ.Commitment `json:",omitzero"`
	At       time.Time
	Items    []undoItem // newest run first
	Refused  *assignment.Refused
}

type undoItem struct {
	Run   writ.RunID
	Title string
	Plan  writ.PlanID `json:",omitempty"` // the newest that puts it back
}

// undoEvery is how often an undo under way is looked at: a step of it is a whole run, which takes seconds.
const undoEvery = time.Second

// States of an undo's row.
const stateStopped = "stopped"

// Undo puts the runs of an incident back, the newest first, down to ask.Run: each by a plan of its own, which is decided,
// approved, granted and verified like any other, and asked for by the person who asks for the undo. The next older run has
// its turn when the one before it has been undone and that was verified. What is in the way stops it; asked again, it
// goes on from there.
func (c *Control) Undo(ctx context.Context, by writ.Principal, id writ.IncidentID, ask writ.UndoAsk) (writ.Undo, error) {
	if err := c.undo(ctx, by, id, ask); err != nil {
		return writ.Undo{}, c.deny(ctx, "undo", by, "", err)
	}
	var out *writ.Undo
	var why writ.Commitment
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		var err error
		out, why, err = undoStatus(tx, id)
		return err
	})
	if err != nil || out == nil {
		return writ.Undo{}, err
	}
	out.Because, err = c.text(ctx, why)
	return *out, err
}

func (c *Control) undo(ctx context.Context, by writ.Principal, id writ.IncidentID, ask writ.UndoAsk) error {
	if err := person(by); err != nil {
		return err
	}
	if utf8.RuneCountInString(ask.Because) > maxBecause {
		return &writ.Refusal{Code: writ.ReasonTooLarge, Detail: fmt.Sprintf("because has more than %d characters", maxBecause), Kind: writ.ErrInvalid}
	}
	var why writ.Commitment
	if ask.Because != "" {
		var err error
		if why, err = c.Store.PutBlob(ctx, blobClaim, classClaim, []byte(ask.Because)); err != nil {
			return err
		}
	}
	return c.Store.Update(ctx, func(tx *store.Tx) error {
		in, err := openIncident(tx, id)
		if err != nil {
			return err
		}
		_, row, err := store.Load[undoRow](tx, store.Proposals, string(id))
		known := err == nil
		if err != nil && !errors.Is(err, writ.ErrNotFound) {
			return err
		}
		if known && row.State == stateOpen {
			return nil // it is under way
		}
		items, err := c.stack(tx, id, ask.Run)
		if err != nil {
			return err
		}
		u := undoRow{Incident: id, By: by, Why: why, At: c.now(), Items: items}
		was := row.State
		if !known {
			was, row = stateOpen, store.Row{ID: string(id), Incident: string(id), State: stateOpen}
			if err := store.Create(tx, store.Proposals, row, u); err != nil {
				return err
			}
			if _, row, err = store.Load[undoRow](tx, store.Proposals, string(id)); err != nil {
				return err
			}
		}
		return c.advance(tx, u, row, was, in)
	})
}

// stack returns the runs of an incident that stand, newest first, down to until. It refuses, before anything is done, when
// one of them is under way, uncertain and not settled, or cannot be put back.
func (c *Control) stack(tx *store.Tx, id writ.IncidentID, until writ.RunID) ([]undoItem, error) {
	runs, _, err := find[runRow](tx, store.Runs, store.Filter{Incident: string(id)})
	if err != nil {
		return nil, err
	}
	if until != "" && !slices.ContainsFunc(runs, func(r runRow) bool { return r.Run.ID == until }) {
		return nil, notFound(writ.ErrNotFound, "run in this incident", string(until))
	}
	var out []undoItem
	undone := map[writ.RunID]bool{}
	for _, r := range slices.Backward(runs) {
		p, _, err := store.Load[planRow](tx, store.Plans, string(r.Run.Plan))
		if err != nil {
			return nil, err
		}
		steps, plan, err := c.stands(tx, r, p)
		if err != nil {
			return nil, err
		}
		of := p.Proposal.Reverts
		switch {
		case len(steps) == 0 || undone[r.Run.ID]:
		case of != "" && r.Run.ID != until: // what it put back is undone
			undone[of] = true
		default:
			if err := revertable(r.Run.ID, plan, steps); err != nil {
				return nil, err
			}
			out = append(out, undoItem{Run: r.Run.ID, Title: r.Title})
		}
		if r.Run.ID == until {
			break
		}
	}
	if len(out) == 0 {
		return nil, &writ.Refusal{Code: writ.ReasonNothingToUndo, Kind: writ.ErrConflict, Detail: "no run of this incident stands that could be put back", Hint: "writ incident timeline " + string(id)}
	}
	return out, nil
}

// stands returns the numbers of the steps of a run that stand, the last first. A run that is under way or in doubt is
// refused: whatever is older may rest under it.
func (c *Control) stands(tx *store.Tx, r runRow, p planRow) ([]int, writ.Plan, error) {
	switch {
	case !r.Run.State.Final():
		return nil, writ.Plan{}, &writ.Refusal{Code: writ.ReasonUnavailable, Kind: writ.ErrConflict, Detail: fmt.Sprintf("run %s is %s", r.Run.ID, r.Run.State), Hint: "wait for it, or stop it: writ run stop " + string(r.Run.ID)}
	case r.Run.State == writ.RunUncertain && !r.Settled:
		return nil, writ.Plan{}, &writ.Refusal{Code: writ.ReasonUnsettled, Kind: writ.ErrConflict, Detail: fmt.Sprintf("what run %s did is not known", r.Run.ID), Hint: "look, and say it: writ run show " + string(r.Run.ID) + ", then writ run settle"}
	case r.Run.State != writ.RunSucceeded && r.Run.State != writ.RunUncertain:
		return nil, writ.Plan{}, nil
	}
	plan, _, err := writ.ParsePlan(p.Bytes)
	if err != nil {
		return nil, plan, err
	}
	deeds, _, err := c.deeds(tx, r.Run, plan)
	return standing(r.Run, deeds), plan, err
}

// revertable refuses a run of which something cannot be put back, and says what.
func revertable(id writ.RunID, plan writ.Plan, steps []int) error {
	no := func(what, why string) error {
		return &writ.Refusal{Code: writ.ReasonNoInverse, Kind: writ.ErrConflict, Detail: fmt.Sprintf("run %s cannot be put back: %q %s", id, writ.Printable(what, 160), why), Hint: "put back the newer ones alone by naming the oldest of them: --run"}
	}
	if plan.Undo == writ.UndoNone {
		return no(plan.Title, "was declared to have no undo")
	}
	for _, n := range steps {
		switch s := plan.Steps[n-1]; s.Inverse.Kind {
		case writ.InverseNone:
			return no(s.Title, "has no inverse")
		case writ.InverseRecreated:
			return no(s.Title, "took away what its controller has made anew, and the old one does not come back")
		}
	}
	return nil
}

// unwind goes on with the undos that are under way.
func (c *Control) unwind(tx *store.Tx, due store.Filter) error {
	due.State = stateOpen
	undos, rows, err := find[undoRow](tx, store.Proposals, due)
	if err != nil {
		return err
	}
	for i, u := range undos {
		in, _, err := store.Load[writ.Incident](tx, store.Incidents, string(u.Incident))
		if err != nil {
			return err
		}
		if err := c.advance(tx, u, rows[i], rows[i].State, in); err != nil {
			return err
		}
	}
	return nil
}

// advance takes the next step of an undo: the newest run that is not undone yet gets its plan, or is waited for.
func (c *Control) advance(tx *store.Tx, u undoRow, row store.Row, was string, in writ.Incident) error {
	row.State, row.Due, u.Refused = stateDone, 0, nil
	for i := range u.Items {
		item := &u.Items[i]
		if item.Plan == "" {
			plan, err := c.openRevert(tx, u, in, item.Run)
			if r, ok := errors.AsType[*writ.Refusal](err); ok {
				row.State, u.Refused = stateStopped, printable(assignment.Refused{Code: r.Code, Detail: r.Detail, Hint: r.Hint})
				break
			}
			if err != nil {
				return err
			}
			item.Plan = plan
		}
		_, _, state, err := revertOf(tx, *item)
		if err != nil {
			return err
		}
		if state == stateDone {
			continue
		}
		if row.State = state; state == stateOpen {
			row.Due = millis(c.now().Add(undoEvery))
		}
		break
	}
	return store.Save(tx, store.Proposals, row, was, u)
}

// revertOf returns the plan that puts a run back, its row's state, and how far it is: open, done or stopped. Only a run
// that succeeded, which means verified, has put anything back.
func revertOf(tx *store.Tx, item undoItem) (planRow, writ.PlanState, string, error) {
	p, row, err := store.Load[planRow](tx, store.Plans, string(item.Plan))
	if err != nil {
		return p, "", "", err
	}
	state := writ.PlanState(row.State)
	if !state.Final() {
		return p, state, stateOpen, nil
	}
	if p.Run == "" {
		return p, state, stateStopped, nil
	}
	run, _, err := store.Load[runRow](tx, store.Runs, string(p.Run))
	if err != nil {
		return p, state, "", err
	}
	if run.Run.State == writ.RunSucceeded {
		return p, state, stateDone, nil
	}
	return p, state, stateStopped, nil
}

// openRevert proposes, as the person who asked for the undo, to put one run back.
func (c *Control) openRevert(tx *store.Tx, u undoRow, in writ.Incident, id writ.RunID) (writ.PlanID, error) {
	run, _, err := store.Load[runRow](tx, store.Runs, string(id))
	if err != nil {
		return "", err
	}
	of, _, err := store.Load[planRow](tx, store.Plans, string(run.Run.Plan))
	if err != nil {
		return "", err
	}
	steps, plan, err := c.stands(tx, run, of)
	if err != nil {
		return "", err
	}
	if err := revertable(id, plan, steps); err != nil {
		return "", err
	}
	pb, ok := c.Library[of.Proposal.Playbook.Name]
	if !ok || pb.Ref() != of.Proposal.Playbook {
		return "", &writ.Refusal{Code: writ.ReasonPlaybookAltered, Kind: writ.ErrConflict, Detail: fmt.Sprintf("playbook %s@%d, which run %s carried out, is not published any more", of.Proposal.Playbook.Name, of.Proposal.Playbook.Version, id), Hint: "publish that version again"}
	}
	service, err := c.Services.Find(in.Service)
	if err != nil {
		return "", err
	}
	prp, pln, aid, err := c.askIDs()
	if err != nil {
		return "", err
	}
	at := c.now()
	p := writ.Proposal{
		V: writ.FormatVersion, ID: prp, Incident: in.ID, By: u.By, Playbook: of.Proposal.Playbook, Parameters: of.Proposal.Parameters,
		Claim: u.Why, At: at, Reverts: id,
	}
	b, err := canon.Marshal(p)
	if err != nil {
		return "", err
	}
	e, err := c.append(tx, writ.EntryProposal, in.ID, writ.ProposalBody{Proposal: writ.DigestOf(b), ID: prp, Plan: pln, By: u.By, Playbook: p.Playbook}, ref("plan", of.Leaf)...)
	if err != nil {
		return "", err
	}
	row := planRow{
		ID: pln, Proposal: p, ProposalBytes: b, ProposalLeaf: e.hash, Service: of.Service, Environment: of.Environment, Owner: of.Owner,
		Target: of.Target, Runner: of.Runner, CreatedAt: at, ExpiresAt: at.Add(planningLife), Window: writ.Window{NotBefore: at, NotAfter: at.Add(c.PlanLife)},
	}
	err = store.Create(tx, store.Plans, store.Row{
		ID: string(pln), Incident: string(in.ID), State: string(writ.PlanPlanning), Key: "undo " + string(id), Due: millis(row.ExpiresAt),
	}, row)
	if err != nil {
		return "", err
	}
	return pln, c.assign(tx, of.Runner, in.ID, assignmentRow{
		ID: aid, Kind: assignment.KindPlan, Expires: row.ExpiresAt,
		Plan: &assignment.Planning{
			Plan: pln, Proposal: b, ProposalLeaf: e.hash, Playbook: pb.Source, Target: of.Target, Service: of.Service, Environment: of.Environment,
			Scope: service.Locations, Policy: c.inForce().Bundle.Digest(), Window: row.Window, Holder: c.holder,
			Reverts: &assignment.Reverts{Run: id, Plan: of.Bytes, Steps: steps},
		},
	})
}

// undoStatus returns how far the undo of an incident is; nil when nobody has asked for one.
func undoStatus(tx *store.Tx, id writ.IncidentID) (*writ.Undo, writ.Commitment, error) {
	u, row, err := store.Load[undoRow](tx, store.Proposals, string(id))
	if errors.Is(err, writ.ErrNotFound) {
		return nil, writ.Commitment{}, nil
	}
	if err != nil {
		return nil, writ.Commitment{}, err
	}
	out := &writ.Undo{Incident: id, State: writ.UndoState(row.State), By: u.By, At: u.At}
	if r := u.Refused; r != nil {
		out.Reason, out.Detail, out.Hint = r.Code, r.Detail, r.Hint
	}
	for _, item := range u.Items {
		one := writ.UndoneRun{Run: item.Run, Title: item.Title, Plan: item.Plan}
		if item.Plan != "" {
			p, state, far, err := revertOf(tx, item)
			if err != nil {
				return nil, u.Why, err
			}
			one.State, one.By, one.Done, one.Reason, one.Detail = state, p.Run, far == stateDone, p.Reason, p.Detail
			if p.Run != "" {
				run, _, err := store.Load[runRow](tx, store.Runs, string(p.Run))
				if err != nil {
					return nil, u.Why, err
				}
				one.Reason, one.Detail = run.Run.Reason, run.Run.Detail
			}
			if far == stateStopped {
				out.Reason, out.Detail, out.Hint = one.Reason, one.Detail, "see what is in the way, then ask again: it goes on from here"
			}
		}
		out.Runs = append(out.Runs, one)
	}
	return out, u.Why, nil
}
