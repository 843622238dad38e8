package control

import (
	"fmt"
	"slices"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/store"
)

// maxLineage bounds the agents of one incident that are looked at: a hand-off has four ends at most, and a storm some
// twenty askers. An incident with more of them counts as one that can reach everything.
const maxLineage = 32

// chainFacts say what the incident has put together so far, and what its lineage can still reach without a further person:
// the worst of that governs the plan (docs/policy.md). They are keyed by Writ's own incident and counted in this
// transaction, so neither another agent, nor a hop, nor a new connection, nor a restart begins a new chain. A step of a run
// keeps those that its grant was decided on: a chain is judged before the first step, and what others may ask for since
// stops no run half way.
func (c *Control) chainFacts(tx *store.Tx, q *policy.Request, p planRow, plan writ.Plan, step string) error {
	f := &q.Facts
	if step != "" && p.Decision != nil {
		granted, err := policy.ParseFacts(p.Decision.Facts)
		f.Chain, f.Reach, f.ReachBy = granted.Chain, granted.Reach, granted.ReachBy
		f.AutonomyTier, f.AutonomyLost = granted.AutonomyTier, granted.AutonomyLost
		f.Tier = max(f.Tier, granted.Tier)
		return err
	}
	if plan.Reverts != "" { // what an undo does was part of the chain before, the other way round
		return nil
	}
	if err := c.playbookStands(tx, f, plan); err != nil {
		return err
	}
	if err := c.agentStands(tx, f, plan.Requester); err != nil {
		return err
	}
	past, err := c.past(tx, plan)
	if err != nil {
		return err
	}
	f.Chain = sorted(past.operations)
	lineage, err := c.lineageOf(tx, plan, past.askers)
	if err != nil {
		return err
	}
	f.Reach, f.ReachBy = int(past.open), past.openBy
	return c.reach(tx, q, plan, past.planes, lineage)
}

// A past is what one incident has done, or may still do on authority that it has already.
type past struct {
	operations map[string]bool
	planes     map[string]bool // of any run, whatever became of it
	askers     []writ.Principal
	open       writ.Tier // the highest tier in force of plans that are allowed and have not ended
	openBy     string
}

// past reads the incident's runs, and the plans whose authority stands.
func (c *Control) past(tx *store.Tx, plan writ.Plan) (past, error) {
	out := past{operations: map[string]bool{}, planes: map[string]bool{plan.Target.Plane(): true}}
	runs, _, err := find[runRow](tx, store.Runs, store.Filter{Incident: string(plan.Incident)})
	if err != nil {
		return out, err
	}
	for _, r := range runs {
		if r.Run.Plan == plan.ID {
			continue
		}
		p, _, err := store.Load[planRow](tx, store.Plans, string(r.Run.Plan))
		if err != nil {
			return out, err
		}
		out.planes[p.Target.Plane()] = true
		out.askers = append(out.askers, p.Proposal.By)
		if p.Proposal.Reverts != "" {
			continue
		}
		switch r.Run.State {
		case writ.RunRefused, writ.RunExpired, writ.RunFailed: // nothing was done
			continue
		}
		other, _, err := writ.ParsePlan(p.Bytes)
		if err != nil {
			return out, err
		}
		for _, s := range other.Steps {
			out.operations[string(s.Operation)] = true
		}
		if !r.Run.State.Final() {
			if err := c.heldOpen(&out, p, other); err != nil {
				return out, err
			}
		}
	}
	ready, _, err := find[planRow](tx, store.Plans, store.Filter{Incident: string(plan.Incident), State: string(writ.PlanReady)})
	for i := 0; i < len(ready) && err == nil; i++ {
		if ready[i].ID == plan.ID || ready[i].Proposal.Reverts != "" {
			continue
		}
		var other writ.Plan
		if other, _, err = writ.ParsePlan(ready[i].Bytes); err == nil {
			err = c.heldOpen(&out, ready[i], other)
		}
	}
	return out, err
}

// heldOpen notes a plan that was allowed and has not ended: nobody need be asked any more. Its tier in force counts, but for
// what it has from others of its incident that could be reached when it was decided: those stand by themselves while they can,
// and two plans would otherwise hold each other up for ever.
func (c *Control) heldOpen(p *past, row planRow, plan writ.Plan) error {
	tier := row.tier(plan)
	if row.Decision != nil && tier > max(plan.Tier, p.open, writ.T1) {
		f, err := policy.ParseFacts(row.Decision.Facts)
		if err != nil {
			return err
		}
		if f.Reach > 0 {
			q := policy.Request{Playbook: plan.Playbook.Name, Facts: f}
			for _, s := range plan.Steps {
				q.Operations = append(q.Operations, string(s.Operation))
			}
			c.planFacts(&q.Facts, plan) // its own tier again
			q.Facts.Reach, q.Facts.ReachBy = 0, ""
			without, _ := c.inForce().Bundle.Raised(q)
			tier = min(tier, plan.InForce(without))
		}
	}
	if tier > max(p.open, writ.T1) {
		p.open, p.openBy = tier, fmt.Sprintf("plan %s of %s, with %s, is allowed and has not ended", plan.ID, name(row.Proposal.By), plan.Playbook.Name)
	}
	return nil
}

func sorted(set map[string]bool) []string {
	var out []string
	for k := range set {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// lineageOf lists the agents that have a part in the incident: that asked for what is open or has run, that read what the
// plan rests on, and that gave or got the incident. The list is in one order.
func (c *Control) lineageOf(tx *store.Tx, plan writ.Plan, askers []writ.Principal) ([]writ.Agent, error) {
	seen := map[writ.Principal]bool{}
	all := append([]writ.Principal{plan.Requester}, plan.Lineage...)
	all = append(all, askers...)
	open, _, err := find[slotRow](tx, store.Slots, store.Filter{Incident: string(plan.Incident)})
	if err != nil {
		return nil, err
	}
	for _, s := range open {
		all = append(all, s.By)
	}
	passed, rows, err := find[handOffRow](tx, store.HandOffs, store.Filter{Incident: string(plan.Incident)})
	if err != nil {
		return nil, err
	}
	for i, h := range passed {
		if rows[i].State == stateOn {
			all = append(all, h.HandOff.From, h.HandOff.To)
		}
	}
	for _, ref := range plan.Evidence {
		ev, _, err := store.Load[evidenceRow](tx, store.Evidence, string(ref.ID))
		if err != nil {
			return nil, err
		}
		all = append(all, ev.Evidence.AskedBy)
	}
	var out []writ.Agent
	for _, p := range all {
		if p.Kind != writ.KindAgent || seen[p] {
			continue
		}
		seen[p] = true
		a, ok, err := c.registered(tx, p)
		if err != nil {
			return nil, err
		}
		if ok && a.State == writ.AgentActive && slices.Contains(a.Roles, writ.RoleRepair) {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b writ.Agent) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// reach raises Reach to the highest tier at which policy would allow an agent of the lineage one more repair of this
// service, on the most favourable facts that could come true without a person. What needs one more approval is not reached:
// whoever is asked for that one sees the chain. Only playbooks above the plan's own tier are asked about, as no other
// could raise it.
func (c *Control) reach(tx *store.Tx, q *policy.Request, plan writ.Plan, planes map[string]bool, lineage []writ.Agent) error {
	f := &q.Facts
	if len(lineage) > maxLineage {
		f.Reach, f.ReachBy = int(policy.ReachAll), fmt.Sprintf("%d agents have a part in it, and %d are looked at", len(lineage), maxLineage)
		return nil
	}
	service, err := c.Services.Find(plan.Service)
	if err != nil {
		return err
	}
	bundle := c.inForce().Bundle
	now, _ := bundle.Raised(*q)
	for _, name := range sortedBooks(c.Library) {
		pb := c.Library[name]
		target, err := c.targetFor(service, pb.Playbook)
		if err != nil || pb.Playbook.Emergency { // not on this service, or not for agents
			continue
		}
		ask, err := c.further(tx, q, pb, target, planes)
		if err != nil {
			return err
		}
		for _, a := range lineage {
			if !a.May(pb.Playbook.Class) {
				continue
			}
			if err := c.askedBy(tx, &ask, a); err != nil {
				return err
			}
			tier, _ := bundle.Raised(ask)
			if tier <= max(now, writ.T1) {
				continue
			}
			if bundle.Answer(ask).Allowed() {
				now, f.Reach, f.ReachBy = tier, int(tier), fmt.Sprintf("agent %s with %s", a.Name, pb.Playbook.Name)
			}
		}
	}
	return nil
}

func sortedBooks(l Library) []string {
	var out []string
	for name := range l {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// further is the ask for one more repair after this plan, on facts as favourable as they could become: fresh evidence that
// another has read, nothing else running, one object, and no share of the service.
func (c *Control) further(tx *store.Tx, q *policy.Request, pb Published, target Target, planes map[string]bool) (policy.Request, error) {
	ask := policy.Request{Playbook: pb.Playbook.Name, Facts: q.Facts}
	f := &ask.Facts
	then := writ.Plan{Service: q.Facts.Service, Target: target.Location, Playbook: pb.Ref(), Tier: pb.Playbook.Tier, Undo: pb.Playbook.Undo, Blast: writ.Blast{Objects: 1}, Budget: pb.Playbook.Limits}
	for _, s := range pb.Playbook.Steps {
		o, _ := target.Catalogue.Operation(s.Operation)
		then.Steps = append(then.Steps, writ.Step{Operation: s.Operation, Inverse: writ.Inverse{Kind: o.Inverse}})
		ask.Operations = append(ask.Operations, string(s.Operation))
	}
	c.planFacts(f, then)
	before := map[string]bool{}
	for _, o := range append(slices.Clone(q.Facts.Chain), q.Operations...) {
		before[o] = true
	}
	f.Chain, f.Reach, f.ReachBy = sorted(before), 0, ""
	f.Concurrent, f.Unsettled, f.SameFixRepeated, f.Hops = new(0), new(0), new(0), new(0)
	f.PlanesAfter, f.NewPlane = new(len(planes)), !planes[target.Location.Plane()]
	if f.NewPlane {
		f.PlanesAfter = new(len(planes) + 1)
	}
	f.EvidenceCount, f.EvidenceFresh, f.EvidenceAgeSeconds, f.Tainted, f.SelfDiagnosed = max(1, f.EvidenceCount), true, new(0), false, false
	f.ApprovalsOwner, f.ApprovalsOncall, f.Proof, f.Emergency, f.Veto = 0, 0, 0, false, ""
	f.MaxObjects, f.MaxPermille = &then.Budget.MaxObjects, &then.Budget.MaxPermille
	return ask, c.playbookStands(tx, f, then)
}

// askedBy puts an agent of the lineage in the asker's place.
func (c *Control) askedBy(tx *store.Tx, ask *policy.Request, a writ.Agent) error {
	f := &ask.Facts
	f.Roles, f.Oncall = nil, false
	if err := c.askerFacts(tx, f, writ.Plan{Requester: a.Principal()}); err != nil {
		return err
	}
	return c.agentStands(tx, f, a.Principal())
}
