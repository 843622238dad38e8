package control

import (
	"fmt"
	"slices"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/store"
)

// decide asks policy about a plan, or about one step of it, on the facts of this transaction, and records the answer.
// p is updated with the newest decision on the whole plan.
func (c *Control) decide(tx *store.Tx, p *planRow, plan writ.Plan, phase writ.Phase, step string) (writ.Decision, error) {
	q, err := c.request(tx, *p, plan, step)
	if err != nil {
		return writ.Decision{}, err
	}
	if phase == writ.PhaseGrant {
		q.Facts.Veto = c.vetoFact(*p, plan)
	}
	d, err := c.judge(tx, q, plan)
	if err != nil {
		return d, err
	}
	if q.Facts.ApprovalsOwner+q.Facts.ApprovalsOncall > 0 && !d.Policy.Equal(plan.Policy) { // they were given to another set
		q.Facts.ApprovalsOwner, q.Facts.ApprovalsOncall, q.Facts.Proof = 0, 0, 0
		if d, err = c.judge(tx, q, plan); err != nil {
			return d, err
		}
	}
	if phase == writ.PhaseGrant && d.Allowed() && q.Facts.Veto != "" && q.Facts.Veto != vetoPermit {
		d.Verdict, d.Reason, d.Policies = writ.Deny, writ.ReasonExternalVeto, nil
		d.Because = []string{"The external decision point did not permit it."}
	}
	if phase == writ.PhaseGrant && d.Allowed() { // D1: no rule lifts this
		if claim, bad := p.Reread.failing(); bad {
			d.Verdict, d.Reason, d.Policies = writ.Deny, claim.Code, nil
			d.Because = []string{claim.sentence()}
		}
	}
	if d.Verdict == writ.Deny {
		d.Duties = writ.Duties{} // nothing will carry them
	}
	if d.ID, err = newID[writ.DecisionID](c, "dec"); err != nil {
		return d, err
	}
	d.Plan, d.PlanDigest, d.Phase, d.Step, d.At = plan.ID, p.Digest, phase, step, c.now()
	e, err := c.append(tx, writ.EntryDecision, plan.Incident, writ.DecisionBody{
		Decision: d.ID, Plan: d.Plan, PlanDigest: d.PlanDigest, Phase: phase, Step: step, Verdict: d.Verdict, Reason: d.Reason,
		Policies: d.Policies, Requirements: d.Requirements, Duties: d.Duties, Facts: d.Facts, Policy: d.Policy, Engine: d.Engine,
		Playbook: q.Playbook, Operations: q.Operations, Observed: d.Observed,
	}, ref("plan", p.Leaf)...)
	if err != nil {
		return d, err
	}
	if step == "" {
		p.Decision, p.DecisionLeaf = &d, e.hash
		p.Change = c.Calendars.At(q.Facts.Service, q.Facts.Env, time.Unix(q.Facts.Now, 0))
	}
	return d, nil
}

// judge asks policy, and puts above its answer what no rule lifts.
func (c *Control) judge(tx *store.Tx, q policy.Request, plan writ.Plan) (writ.Decision, error) {
	set, late, err := c.setOf(tx)
	if err != nil {
		return writ.Decision{}, err
	}
	d := set.Bundle.Decide(q)
	// What ran before its playbook was observed can be put back.
	d.Observed = d.Observed && plan.Reverts == ""
	if late { // another replica decides by a newer set already
		d.Verdict, d.Reason, d.Policies, d.Requirements = writ.Deny, writ.ReasonPolicyBehind, nil, writ.Requirements{}
		d.Because = []string{"A newer policy set is in force, and this server has not loaded it."}
	}
	if stop, err := frozen(tx, plan); err != nil {
		return d, err
	} else if stop { // I18: a freeze stands above every rule
		d.Verdict, d.Reason, d.Policies, d.Because = writ.Deny, writ.ReasonFrozen, nil, []string{"A person has frozen this."}
		d.Requirements = writ.Requirements{}
	}
	if at := plan.Touches(c.Protected); at != "" && plan.Requester.Kind == writ.KindAgent { // no rule lifts this either
		d.Verdict, d.Reason, d.Policies, d.Requirements = writ.Deny, writ.ReasonProtected, nil, writ.Requirements{}
		d.Because = []string{fmt.Sprintf("Writ itself rests on %s: only a person may ask for a change of it.", at)}
	}
	return d, nil
}

// request computes every fact that policy may know. Nothing in it is taken from the agent but the names it asks about
// (invariant I04); counts come from this transaction.
func (c *Control) request(tx *store.Tx, p planRow, plan writ.Plan, step string) (policy.Request, error) {
	q := policy.Request{Playbook: plan.Playbook.Name}
	for _, s := range plan.Steps {
		if step == "" || s.Key == step {
			q.Operations = append(q.Operations, string(s.Operation))
		}
	}
	f := &q.Facts
	now := c.now()
	if err := c.askerFacts(tx, f, plan); err != nil {
		return q, err
	}
	in, _, err := store.Load[writ.Incident](tx, store.Incidents, string(plan.Incident))
	if err != nil {
		return q, err
	}
	f.Incident, f.IncidentOpen, f.Severity = in.ID, in.State == writ.IncidentOpen, &in.Severity
	service, err := c.Services.Find(plan.Service)
	if err != nil {
		return q, err
	}
	f.Service, f.OwningTeam, f.Env, f.Stateful = service.Name, service.Owner, service.Environment, service.Stateful
	c.planFacts(f, plan)
	f.Tainted = p.Tainted
	p.Reread.facts(f, now)
	f.Emergency = plan.Emergency != nil // fits: exactly when a signed ask opened it
	if err := c.countFacts(tx, f, plan); err != nil {
		return q, err
	}
	if err := c.evidenceFacts(tx, f, plan, now); err != nil {
		return q, err
	}
	ttl := int(grantLife.Seconds())
	f.Now, f.TTL, f.MaxObjects, f.MaxPermille = now.Unix(), &ttl, &plan.Budget.MaxObjects, &plan.Budget.MaxPermille
	c.calendarFacts(f, now)
	if err := c.chainFacts(tx, &q, p, plan, step); err != nil {
		return q, err
	}
	set, _, err := c.setOf(tx)
	if err != nil {
		return q, err
	}
	tier, _ := set.Bundle.Raised(q) // last, since the tier in force says which approvals count
	return q, c.approvalFacts(tx, f, p, plan, tier)
}

// askerFacts come from the registration or the roster.
func (c *Control) askerFacts(tx *store.Tx, f *policy.Facts, plan writ.Plan) error {
	by := plan.Requester
	f.Principal, f.Hops = by, new(len(plan.Lineage))
	if by.Kind == writ.KindHuman {
		roster, err := c.roster(tx)
		if err != nil {
			return err
		}
		for _, m := range roster {
			if m.Person().Principal().Same(by) {
				f.Registered = true
				if len(m.Groups) > 0 {
					f.Team = m.Groups[0]
				}
				f.Oncall = slices.ContainsFunc(m.Groups, func(g string) bool { return len(g) > len("-oncall") && g[len(g)-len("-oncall"):] == "-oncall" })
			}
		}
		return nil
	}
	a, ok, err := c.registered(tx, by)
	if err != nil || !ok || a.State == writ.AgentRemoved {
		return err // not registered, or not any more: policy denies
	}
	f.Registered, f.Team, f.Suspended, f.Owner = true, a.Team, a.State != writ.AgentActive, a.Owner
	for _, r := range a.Roles {
		f.Roles = append(f.Roles, string(r))
	}
	slices.Sort(f.Roles)
	return nil
}

// planFacts come from the runner's plan, the catalogues and the library.
func (c *Control) planFacts(f *policy.Facts, plan writ.Plan) {
	// The tier is the highest of the plan's own, the playbook's and the operations' in the server's catalogue.
	tier := plan.Tier
	f.Undo = plan.Undo == writ.UndoInverse
	target, _ := c.target(plan.Target)
	for _, s := range plan.Steps {
		if o, ok := target.Catalogue.Operation(s.Operation); ok {
			tier = max(tier, o.Tier)
		} else {
			tier = writ.T4 // an operation nobody declared
		}
		f.Undo = f.Undo && s.Inverse.Kind != writ.InverseNone
	}
	if pb, ok := c.Library[plan.Playbook.Name]; ok {
		tier = max(tier, pb.Playbook.Tier)
		f.Certified = pb.Ref() == plan.Playbook
	}
	f.Tier = int(tier)
	f.Planes = []string{plan.Target.Plane()}
	f.Targets, f.Permille, f.Cluster = &plan.Blast.Objects, &plan.Blast.Permille, plan.Blast.Cluster
}

// countFacts are counted from the state that this transaction sees, keyed by Writ's own incident and service
// (invariant I10).
func (c *Control) countFacts(tx *store.Tx, f *policy.Facts, plan writ.Plan) error {
	inFlight, _, err := find[reservationRow](tx, store.Reservations, store.Filter{Key: plan.Service})
	if err != nil {
		return err
	}
	concurrent := 0
	for _, r := range inFlight {
		if run, _, err := store.Load[runRow](tx, store.Runs, string(r.Run)); err != nil {
			return err
		} else if run.Run.Plan != plan.ID {
			concurrent++
		}
	}
	runs, _, err := find[runRow](tx, store.Runs, store.Filter{Incident: string(plan.Incident)})
	if err != nil {
		return err
	}
	previous, failures, repeated := 0, 0, 0
	planes := map[string]bool{}
	for _, r := range runs {
		if r.Run.Plan == plan.ID {
			continue
		}
		p, _, err := store.Load[planRow](tx, store.Plans, string(r.Run.Plan))
		if err != nil {
			return err
		}
		previous++
		planes[p.Target.Plane()] = true
		if r.Run.State.Final() && r.Run.State != writ.RunSucceeded {
			failures++
		}
		// An undo repeats only undos of the same run.
		if p.Proposal.Playbook.Name == plan.Playbook.Name && p.Proposal.Reverts == plan.Reverts {
			repeated++
		}
	}
	unsettled, err := unsettledOn(tx, plan)
	if err != nil {
		return err
	}
	f.Unsettled = &unsettled
	f.NewPlane = !planes[plan.Target.Plane()]
	planes[plan.Target.Plane()] = true
	after := len(planes)
	f.Concurrent, f.PreviousRuns, f.Failures, f.SameFixRepeated, f.PlanesAfter = &concurrent, &previous, &failures, &repeated, &after
	return nil
}

// evidenceFacts come from the readings that the plan cites.
func (c *Control) evidenceFacts(tx *store.Tx, f *policy.Facts, plan writ.Plan, now time.Time) error {
	f.EvidenceCount = len(plan.Evidence)
	oldest := now
	for _, ref := range plan.Evidence {
		ev, _, err := store.Load[evidenceRow](tx, store.Evidence, string(ref.ID))
		if err != nil {
			return err
		}
		if !ev.Evidence.Commitment.Equal(ref.Commitment) {
			return nil // the plan cites something else: no freshness
		}
		if ev.Evidence.At.Before(oldest) {
			oldest = ev.Evidence.At
		}
		same, err := c.sameLineage(tx, ev.Evidence.AskedBy, plan.Requester)
		if err != nil {
			return err
		}
		f.SelfDiagnosed = f.SelfDiagnosed || same
	}
	if f.EvidenceCount == 0 {
		return nil
	}
	age := int(now.Sub(oldest).Seconds())
	f.EvidenceAgeSeconds = &age
	f.EvidenceFresh = now.Sub(oldest) <= c.EvidenceLife
	return nil
}

// sameLineage reports whether two principals are one, or two agents of one human owner (D7).
func (c *Control) sameLineage(tx *store.Tx, a, b writ.Principal) (bool, error) {
	if a.Same(b) {
		return true, nil
	}
	x, ok, err := c.registered(tx, a)
	if err != nil || !ok {
		return false, err
	}
	y, ok, err := c.registered(tx, b)
	return ok && x.Owner == y.Owner, err
}

// approvalFacts count the approvals that hold now: same plan, same policy, not expired, distinct people, and given as the
// tier in force demands.
func (c *Control) approvalFacts(tx *store.Tx, f *policy.Facts, p planRow, plan writ.Plan, tier writ.Tier) error {
	_, tally, err := c.usable(tx, p, plan, tier)
	if err != nil {
		return err
	}
	f.ApprovalsOwner, f.ApprovalsOncall, f.Proof = tally.ByGroup["owner"], tally.ByGroup["oncall"], tally.Proof.Strength()
	return nil
}
