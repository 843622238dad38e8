package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/store"
)

// Evaluate says what policy would decide now on the facts that Writ knows. It is advice: it changes nothing and grants
// nothing; what is proposed is decided anew on the facts of that moment. An agent asks about itself only. That it was asked,
// and what was answered, is an entry of the ledger before anybody hears the answer: nobody learns the rules by trying them
// unseen.
//
// With a plan, the facts are the plan's. Without one, nothing is resolved against a target yet: the playbook's own limits
// stand for the blast radius, and all readings of the incident for the evidence that would be cited. A name that Writ does
// not know is a deny with its reason.
func (c *Control) Evaluate(ctx context.Context, by writ.Principal, q writ.AccessQuestion) (writ.Decision, error) {
	if err := mayAdvise(by, q.Subject); err != nil {
		return writ.Decision{}, err
	}
	var d writ.Decision
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		var err error
		if q.Plan != "" {
			d, err = c.advisePlan(tx, by, q)
		} else {
			d, err = c.adviseNames(tx, q)
		}
		return err
	})
	if r, ok := errors.AsType[*writ.Refusal](err); ok { // about what was named, not about the call
		d, err = writ.Decision{Verdict: writ.Deny, Reason: r.Code, Because: []string{r.Detail}}, nil
	}
	d.At = c.now()
	if err == nil {
		err = c.advised(ctx, by, q, d)
	}
	return d, err
}

// advised records a question and its answer. Names that Writ does not know are cut, and escaped.
func (c *Control) advised(ctx context.Context, by writ.Principal, q writ.AccessQuestion, d writ.Decision) error {
	return c.Store.Update(ctx, func(tx *store.Tx) error {
		_, err := c.append(tx, writ.EntryAdvice, "", writ.AdviceBody{
			By: by, Subject: q.Subject, Action: writ.Printable(q.Action, maxAdvisedName), Service: writ.Printable(q.Service, maxAdvisedName), Incident: q.Incident, Plan: q.Plan,
			Verdict: d.Verdict, Reason: d.Reason, Policy: d.Policy,
		})
		return err
	})
}

// maxAdvisedName is longer than any name that Writ knows.
const maxAdvisedName = 120

// mayAdvise admits people and services, and agents about themselves: what another may do is nothing it needs to know.
func mayAdvise(by, subject writ.Principal) error {
	switch {
	case by.Kind == writ.KindHuman && by.Valid(), by.Kind == writ.KindService && by.Valid():
		return nil
	case by.Kind == writ.KindAgent && by.Same(subject):
		return nil
	case by.Kind == writ.KindAgent:
		return writ.Refuse(writ.ReasonNotYours, "an agent asks about itself only")
	}
	return writ.Refuse(writ.ReasonKind, "only agents, people and services may ask")
}

// advisePlan decides a plan that is there, for exactly the subject, action and service that it is of.
func (c *Control) advisePlan(tx *store.Tx, by writ.Principal, q writ.AccessQuestion) (writ.Decision, error) {
	p, _, err := store.Load[planRow](tx, store.Plans, string(q.Plan))
	if err == nil && by.Kind == writ.KindAgent && !p.Proposal.By.Same(by) {
		err = writ.ErrNotFound
	}
	if err != nil {
		return writ.Decision{}, notFound(err, "plan", string(q.Plan))
	}
	if len(p.Bytes) == 0 {
		return writ.Decision{}, &writ.Refusal{Code: writ.ReasonInvalidRequest, Detail: "the plan is not resolved yet"}
	}
	plan, _, err := writ.ParsePlan(p.Bytes)
	if err != nil {
		return writ.Decision{}, err
	}
	if !plan.Requester.Same(q.Subject) || plan.Service != q.Service || policy.PlaybookAction(plan.Playbook.Name) != q.Action {
		return writ.Decision{}, &writ.Refusal{Code: writ.ReasonOutOfScope, Detail: "the plan is of another subject, action or service"}
	}
	ask, err := c.request(tx, p, plan, "")
	if err != nil {
		return writ.Decision{}, err
	}
	return c.judge(tx, ask, plan)
}

// adviseNames decides what would be asked for if the subject proposed it.
func (c *Control) adviseNames(tx *store.Tx, q writ.AccessQuestion) (writ.Decision, error) {
	service, err := c.Services.Find(q.Service)
	if err != nil {
		return writ.Decision{}, err
	}
	plan := writ.Plan{Requester: q.Subject, Service: service.Name, Environment: service.Environment, Incident: q.Incident}
	ask := policy.Request{}
	f := &ask.Facts
	if err := c.askerFacts(tx, f, plan); err != nil {
		return writ.Decision{}, err
	}
	f.Service, f.OwningTeam, f.Env, f.Stateful = service.Name, service.Owner, service.Environment, service.Stateful
	f.Planes = []string{}
	if q.Incident != "" {
		if err := c.incidentFacts(tx, f, &plan, q); err != nil {
			return writ.Decision{}, err
		}
	}
	name, isPlaybook := strings.CutPrefix(q.Action, policy.PlaybookAction(""))
	if !isPlaybook {
		name, ask.Operations = q.Playbook, []string{q.Action}
	}
	if name != "" {
		pb, err := c.Library.Find(name)
		if err != nil {
			return writ.Decision{}, err
		}
		if err := c.mayClass(tx, q.Subject, pb.Playbook); err != nil {
			return writ.Decision{}, err
		}
		target, err := c.targetFor(service, pb.Playbook)
		if err != nil {
			return writ.Decision{}, err
		}
		ask.Playbook, plan.Playbook, plan.Target, plan.Tier, plan.Undo = name, pb.Ref(), target.Location, pb.Playbook.Tier, pb.Playbook.Undo
		plan.Blast = writ.Blast{Objects: pb.Playbook.Limits.MaxObjects, Permille: pb.Playbook.Limits.MaxPermille}
		plan.Budget = pb.Playbook.Limits
		for _, s := range pb.Playbook.Steps {
			o, _ := target.Catalogue.Operation(s.Operation)
			plan.Steps = append(plan.Steps, writ.Step{Operation: s.Operation, Object: writ.Object{Location: target.Location + "/unresolved"}, Inverse: writ.Inverse{Kind: o.Inverse}})
			if isPlaybook {
				ask.Operations = append(ask.Operations, string(s.Operation))
			}
		}
		if !isPlaybook && !slices.ContainsFunc(plan.Steps, func(s writ.Step) bool { return string(s.Operation) == q.Action }) {
			return writ.Decision{}, writ.Refuse(writ.ReasonOutOfScope, fmt.Sprintf("playbook %s has no step %s", name, writ.Printable(q.Action, 80)))
		}
		c.planFacts(f, plan)
		f.TTL, f.MaxObjects, f.MaxPermille = new(int(grantLife.Seconds())), &plan.Budget.MaxObjects, &plan.Budget.MaxPermille
		if q.Incident != "" { // without one there is nothing to count in
			if err := c.countFacts(tx, f, plan); err != nil {
				return writ.Decision{}, err
			}
		}
	}
	now := c.now()
	if err := c.evidenceFacts(tx, f, plan, now); err != nil {
		return writ.Decision{}, err
	}
	f.Now = now.Unix()
	c.calendarFacts(f, now)
	if q.Incident != "" && name != "" {
		if err := c.chainFacts(tx, &ask, planRow{}, plan, ""); err != nil {
			return writ.Decision{}, err
		}
	}
	return c.judge(tx, ask, plan)
}

// incidentFacts are those of a named incident of the service, with all that was read for it as evidence.
func (c *Control) incidentFacts(tx *store.Tx, f *policy.Facts, plan *writ.Plan, q writ.AccessQuestion) error {
	in, _, err := store.Load[writ.Incident](tx, store.Incidents, string(q.Incident))
	if err != nil {
		return notFound(err, "incident", string(q.Incident))
	}
	if in.Service != q.Service {
		return writ.Refuse(writ.ReasonOutOfScope, "the incident is of another service")
	}
	f.Incident, f.IncidentOpen, f.Severity = in.ID, in.State == writ.IncidentOpen, &in.Severity
	read, _, err := find[evidenceRow](tx, store.Evidence, store.Filter{Incident: string(in.ID), State: stateRead})
	for _, e := range read {
		plan.Evidence = append(plan.Evidence, writ.EvidenceRef{ID: e.Evidence.ID, Commitment: e.Evidence.Commitment, At: e.Evidence.At})
	}
	return err
}

// AccessNames lists what questions can be about: for an agent, only itself among the subjects.
func (c *Control) AccessNames(ctx context.Context, by writ.Principal) (writ.AccessNames, error) {
	out := writ.AccessNames{Services: slices.Sorted(maps.Keys(c.Services))}
	for _, name := range slices.Sorted(maps.Keys(c.Library)) {
		out.Actions = append(out.Actions, policy.PlaybookAction(name))
	}
	if by.Kind == writ.KindAgent {
		out.Subjects = []writ.Principal{by}
		return out, nil
	}
	if err := mayAdvise(by, by); err != nil {
		return writ.AccessNames{}, err
	}
	agents, err := c.allAgents(ctx)
	if err != nil {
		return writ.AccessNames{}, err
	}
	for _, a := range agents {
		if a.State != writ.AgentRemoved {
			out.Subjects = append(out.Subjects, a.Principal())
		}
	}
	err = c.Store.View(ctx, func(tx *store.Tx) error {
		roster, err := c.roster(tx)
		for _, m := range roster {
			out.Subjects = append(out.Subjects, m.Person().Principal())
		}
		return err
	})
	slices.SortFunc(out.Subjects, func(a, b writ.Principal) int { return strings.Compare(a.String(), b.String()) })
	return out, err
}
