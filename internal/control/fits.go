package control

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/plan"
	"github.com/writ-dev/writ/internal/playbook"
)

// planSkew is how far a runner's clock may run ahead when it dates a plan: keys enrolled after that date do not approve
// it, so a plan from the future would let them.
const planSkew = 5 * time.Second

// fits checks that the plan is an answer to what was asked: the same proposal, bound to the same playbook, inside the
// service. What only the target can say (calls, objects, diffs, inverses) is the runner's, and people's to judge.
func (c *Control) fits(p planRow, asked assignment.Planning, got assignment.Planned) (writ.Plan, error) {
	made, _, err := writ.ParsePlan(got.Plan)
	if err != nil {
		return made, err
	}
	pb := c.Library[p.Proposal.Playbook.Name]
	if pb.Ref() != p.Proposal.Playbook { // another version was published since: what counts is what was proposed
		if pb.Playbook, _, err = playbook.Parse(asked.Playbook); err != nil {
			return made, err
		}
	}
	bound, err := pb.Playbook.Bind(p.Proposal.Parameters)
	if err != nil {
		return made, err
	}
	var of writ.Plan
	if asked.Reverts != nil {
		if of, _, err = writ.ParsePlan(asked.Reverts.Plan); err != nil {
			return made, err
		}
		bound = ofRevert(bound, of, len(asked.Reverts.Steps))
	}
	differs := func(what string) (writ.Plan, error) {
		return made, fmt.Errorf("%w: the plan's %s is not what was asked for", writ.ErrInvalid, what)
	}
	switch {
	case made.ID != p.ID || made.Incident != p.Proposal.Incident || made.Proposal != p.Proposal.ID:
		return differs("id, incident or proposal")
	case !made.ProposalDigest.Equal(writ.DigestOf(p.ProposalBytes)):
		return differs("proposal digest")
	case !made.Requester.Same(p.Proposal.By) || made.Runner != p.Runner || made.Target != p.Target:
		return differs("requester, runner or target")
	case !slices.Equal(made.Lineage, p.Proposal.Lineage):
		return differs("lineage")
	case made.Reverts != p.Proposal.Reverts:
		return differs("run to put back")
	case !sameEmergency(made.Emergency, p.Proposal.Emergency):
		return differs("mark as break-glass")
	case made.Service != p.Service || made.Environment != p.Environment:
		return differs("service or environment")
	case made.Playbook != p.Proposal.Playbook || !slices.Equal(made.Evidence, p.Proposal.Evidence):
		return differs("playbook or evidence")
	case !made.Policy.Equal(asked.Policy) || !c.ours(p, made.Holder):
		return differs("policy or holder")
	case !made.Window.NotBefore.Equal(p.Window.NotBefore) || !made.Window.NotAfter.Equal(p.Window.NotAfter):
		return differs("window")
	case made.MadeAt.After(c.now().Add(planSkew)):
		return differs("date")
	case !maps.Equal(made.Parameters, bound.Parameters):
		return differs("parameters")
	case made.Title != bound.Title:
		return differs("title")
	case !same(made.Observe, bound.Observe):
		return differs("claims")
	case !same(made.Guards, bound.Guards) || !same(made.Verify, bound.Verify):
		return differs("guards or checks")
	case made.Undo != bound.Undo || made.Budget != bound.Limits:
		return differs("undo or budget")
	case made.Tier != plan.Tier(bound.Tier, made.Steps) || made.Blast != plan.Blast(made.Steps):
		return differs("tier or blast radius")
	case len(made.Steps) != len(bound.Steps):
		return differs("number of steps")
	}
	if asked.Reverts != nil {
		if err := fitsSteps(made, of, *asked.Reverts); err != nil {
			return made, err
		}
	}
	for i, s := range made.Steps {
		switch {
		case asked.Reverts == nil && (s.Operation != bound.Steps[i].Operation || !maps.Equal(s.With, bound.Steps[i].With)):
			return differs(fmt.Sprintf("step %d", i+1))
		case !slices.ContainsFunc(asked.Scope, s.Object.Location.Within):
			return differs("object " + string(s.Object.Location))
		}
	}
	return made, nil
}

func sameEmergency(a, b *writ.Emergency) bool { return a == b || a != nil && b != nil && *a == *b }

// same compares two values in canonical form, in which an empty list is none.
func same[T any](a, b []T) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	x, errX := canon.Marshal(a)
	y, errY := canon.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// says checks that the runner's own entry tells of exactly this plan.
func says(e ledger.Entry, p writ.Plan, digest writ.Digest) error {
	body, ok := e.Body.(*writ.PlanBody)
	if !ok || e.Record.Task != p.Incident {
		return fmt.Errorf("%w: the runner's entry is not about a plan of this incident", writ.ErrInvalid)
	}
	evidence, err := p.EvidenceDigest()
	if err != nil {
		return err
	}
	want := writ.PlanBody{
		Plan: p.ID, PlanDigest: digest, ProposalDigest: p.ProposalDigest, Requester: p.Requester, Runner: p.Runner, Playbook: p.Playbook,
		Tier: p.Tier, Blast: p.Blast, Policy: p.Policy, EvidenceDigest: evidence, Holder: p.Holder, NotAfter: p.Window.NotAfter,
	}
	for _, s := range p.Steps {
		want.Objects = append(want.Objects, s.Object)
	}
	if !same([]writ.PlanBody{*body}, []writ.PlanBody{want}) {
		return fmt.Errorf("%w: the runner's entry tells of another plan", writ.ErrInvalid)
	}
	return nil
}
