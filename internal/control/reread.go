package control

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/playbook"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/store"
)

// This file gates authority by evidence (D1): what a plan rests on is read by its runner right before the grant, and a
// grant exists only if all of it holds. What an agent says about it carries no weight.

// A rereadDoc is the newest reading of what a plan rests on.
type rereadDoc struct {
	At     time.Time            `json:",omitzero"`  // by the server's clock, at the latest
	Asked  *time.Time           `json:",omitempty"` // a runner has been asked to read it again, and has not answered
	Claims []assignment.Claimed `json:",omitempty"`
}

// readWhenMade is what a runner read to make the plan: without it there would be no plan.
func readWhenMade(p writ.Plan, asked, now time.Time) rereadDoc {
	d := rereadDoc{At: earlier(p.MadeAt, now)}
	if d.At.Before(asked) { // a slow clock: it was read after it was asked for
		d.At = asked
	}
	for _, c := range restsOn(p) {
		d.Claims = append(d.Claims, assignment.Claimed{Name: c.Name, Holds: true})
	}
	return d
}

// restsOn is what is read again, in order.
func restsOn(p writ.Plan) []writ.Condition {
	return append(append([]writ.Condition{}, p.Observe...), p.Guards...)
}

func earlier(a, b time.Time) time.Time {
	if a.After(b) {
		return b
	}
	return a
}

// readTooOld reports whether a plan must be read again before its grant. One that comes from its runner just now need not.
func (c *Control) readTooOld(p planRow, state writ.PlanState, plan writ.Plan) bool {
	return state != writ.PlanPlanning && len(restsOn(plan)) > 0 && c.now().Sub(p.Reread.At) > c.ClaimLife
}

// readAgain asks the plan's runner to read what the plan rests on, once, and leaves the plan where it is. A runner that
// is away reads it when it is back, as long as the plan waits.
func (c *Control) readAgain(tx *store.Tx, p planRow, row store.Row, plan writ.Plan) error {
	if p.Reread.Asked != nil {
		return store.Save(tx, store.Plans, row, row.State, p)
	}
	aid, err := newID[writ.AssignmentID](c, "asg")
	if err != nil {
		return err
	}
	at := c.now()
	p.Reread.Asked = &at
	if err := store.Save(tx, store.Plans, row, row.State, p); err != nil {
		return err
	}
	return c.assign(tx, p.Runner, plan.Incident, assignmentRow{
		ID: aid, Kind: assignment.KindReread, Expires: p.ExpiresAt, Reread: &assignment.Reread{Plan: p.ID, Digest: p.Digest},
	})
}

// readAnew takes what a runner read. A plan that waited for nothing else is decided for its grant; one that waits for its
// holder goes on waiting, unless a claim does not hold.
func (c *Control) readAnew(ctx context.Context, a assignmentRow, ans assignment.Answer) error {
	if ans.Reread == nil && ans.Refused == nil {
		return fmt.Errorf("%w: an answer without a reading or a refusal", writ.ErrInvalid)
	}
	veto, err := c.vetoOn(ctx, a.Reread.Plan, writ.PlanWaiting)
	if err != nil {
		return err
	}
	return c.Store.Update(ctx, func(tx *store.Tx) error {
		p, row, err := store.Load[planRow](tx, store.Plans, string(a.Reread.Plan))
		if err != nil {
			return err
		}
		if err := c.close(tx, a.ID); err != nil {
			return err
		}
		state := writ.PlanState(row.State)
		if state != writ.PlanWaiting && state != writ.PlanReady {
			return nil // it was withdrawn, rejected or has expired meanwhile
		}
		plan, _, err := writ.ParsePlan(p.Bytes)
		if err != nil {
			return err
		}
		if p.Reread, err = c.readingOf(p, plan, ans); err != nil {
			return err
		}
		p.veto = veto
		if _, bad := p.Reread.failing(); state == writ.PlanReady && !bad {
			return store.Save(tx, store.Plans, row, row.State, p)
		}
		return c.issue(tx, p, row, plan)
	})
}

// readingOf checks that a runner's answer is about exactly the plan's conditions. What is left out was not read.
func (c *Control) readingOf(p planRow, plan writ.Plan, ans assignment.Answer) (rereadDoc, error) {
	d := rereadDoc{At: c.now()}
	want := restsOn(plan)
	if ans.Reread == nil {
		why := printable(*ans.Refused)
		for _, w := range want {
			d.Claims = append(d.Claims, assignment.Claimed{Name: w.Name, Code: writ.ReasonEvidenceMissing, Detail: fmt.Sprintf("claim %s could not be read: %s", w.Name, why.Detail)})
		}
		return d, nil
	}
	got := ans.Reread
	if len(got.Claims) != len(want) {
		return d, fmt.Errorf("%w: %d conditions were read again; the plan has %d", writ.ErrInvalid, len(got.Claims), len(want))
	}
	d.At = earlier(writ.Instant(got.At), d.At)
	if p.Reread.Asked != nil && d.At.Before(*p.Reread.Asked) { // a reading from before it was asked for, or a slow clock
		d.At = *p.Reread.Asked
	}
	for i, r := range got.Claims {
		if r.Name != want[i].Name || r.Holds != (r.Code == "") {
			return d, fmt.Errorf("%w: condition %d that was read again is not the plan's", writ.ErrInvalid, i+1)
		}
		said := printable(assignment.Refused{Code: r.Code, Detail: r.Detail})
		d.Claims = append(d.Claims, assignment.Claimed{Name: r.Name, Holds: r.Holds, Code: said.Code, Detail: said.Detail})
	}
	return d, nil
}

// failing returns the first claim that does not hold.
func (d rereadDoc) failing() (failed, bool) {
	for _, c := range d.Claims {
		if !c.Holds {
			return failed(c), true
		}
	}
	return failed{}, false
}

// failed is a claim that does not hold.
type failed assignment.Claimed

func (f failed) sentence() string {
	if f.Detail != "" {
		return f.Detail
	}
	return fmt.Sprintf("claim %s does not hold", f.Name)
}

// facts records what was read.
func (d rereadDoc) facts(f *policy.Facts, now time.Time) {
	f.Claims = len(d.Claims)
	for _, c := range d.Claims {
		if c.Holds {
			f.ClaimsTrue++
		}
	}
	if f.Claims > 0 {
		f.ClaimsAge = max(0, int(now.Sub(d.At).Seconds()))
	}
	if bad, is := d.failing(); is {
		f.ClaimFailed = bad.Name
	}
}

// status is what a caller sees of it.
func (d rereadDoc) status() *writ.ReadAgain {
	if len(d.Claims) == 0 {
		return nil
	}
	out := &writ.ReadAgain{At: d.At, Of: len(d.Claims), Asked: d.Asked != nil}
	for _, c := range d.Claims {
		if c.Holds {
			out.True++
		}
	}
	if bad, is := d.failing(); is {
		out.Failed = bad.Name
	}
	return out
}

// shown checks that the evidence an ask cites shows what the playbook wants observed: each claim by a reading of its own
// reader and parameters, young enough, in which it holds.
func (c *Control) shown(tx *store.Tx, ask writ.Ask, pb playbook.Playbook) error {
	if len(pb.Observe) == 0 {
		return nil
	}
	bound, err := pb.Bind(ask.Parameters)
	if err != nil {
		return err
	}
	var cited []writ.Evidence
	for _, id := range ask.Evidence {
		doc, _, err := store.Load[evidenceRow](tx, store.Evidence, string(id))
		if err != nil {
			return err
		}
		cited = append(cited, doc.Evidence.Evidence)
	}
	for _, claim := range bound.Observe {
		if err := c.shows(claim, cited); err != nil {
			return err
		}
	}
	return nil
}

// shows checks one claim against the newest cited reading that is about it.
func (c *Control) shows(claim writ.Condition, cited []writ.Evidence) error {
	var newest *writ.Evidence
	for i, e := range cited {
		if e.Query.Reader == claim.Reader && maps.Equal(e.Query.With, claim.With) && (newest == nil || e.At.After(newest.At)) {
			newest = &cited[i]
		}
	}
	hint := fmt.Sprintf("read %s with the playbook's parameters for this incident, and cite the reading", claim.Reader)
	switch {
	case newest == nil:
		return &writ.Refusal{Code: writ.ReasonEvidenceMissing, Detail: fmt.Sprintf("claim %s: no cited reading is about it", claim.Name), Hint: hint}
	case c.now().Sub(newest.At) > c.EvidenceLife:
		return &writ.Refusal{Code: writ.ReasonEvidenceStale, Detail: fmt.Sprintf("claim %s: reading %s is older than %s", claim.Name, newest.ID, c.EvidenceLife), Hint: hint}
	case !claim.Holds(newest.Facts):
		return &writ.Refusal{Code: writ.ReasonEvidenceContradicted, Detail: claim.Contradicted(newest.Facts), Hint: "the reading that is cited shows something else; another playbook may fit"}
	}
	return nil
}
