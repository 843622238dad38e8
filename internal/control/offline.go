package control

import (
	"errors"
	"fmt"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/store"
)

// takeOffline takes the first entry of a run that a runner made while it was cut off, and puts into the state what that
// entry stands for: incident, plan, grant, run, and the break-glass with the review that is owed. It has happened: nothing
// about it is decided here, and signatures that do not verify on this roster are said aloud and recorded all the same.
// Whether they were enough is for the offline verifier, whose roster came another way.
func (c *Control) takeOffline(tx *store.Tx, by sender, d assignment.Delivery) error {
	if len(d.Entries) == 0 {
		return notFound(writ.ErrNotFound, "run", string(d.Run))
	}
	e, err := c.runnerEntry(by.runner, d.Entries[0])
	if err != nil {
		return err
	}
	b, ok := e.Body.(*writ.OfflineBody)
	if !ok || b.Run != d.Run {
		return notFound(writ.ErrNotFound, "run", string(d.Run))
	}
	plan, err := offlineFits(by.runner, e, *b, d.Plan)
	if err != nil {
		return err
	}
	team := plan.Service
	if s, err := c.Services.Find(plan.Service); err == nil {
		team = s.Owner
	}
	in, err := c.openByHand(tx, writ.Incident{
		ID: plan.Incident, GroupKey: "breakglass " + string(b.ID), Title: "break-glass while the control plane was down: " + plan.Title,
		Service: plan.Service, Environment: plan.Environment, Owner: team, Severity: writ.SeverityMin, OpenedBy: by.runner.Principal(),
	})
	if err != nil {
		return err
	}
	at, err := appendLeaf(tx, d.Entries[0], plan.Incident)
	if err != nil {
		return err
	}
	p := planRow{
		ID: plan.ID, Service: plan.Service, Environment: plan.Environment, Owner: team, Target: plan.Target, Runner: plan.Runner, Window: plan.Window,
		Proposal: writ.Proposal{
			V: writ.FormatVersion, ID: plan.Proposal, Incident: plan.Incident, By: plan.Requester, Playbook: plan.Playbook, Parameters: plan.Parameters,
			Emergency: plan.Emergency, At: plan.MadeAt,
		},
		Title: plan.Title, Bytes: d.Plan, Digest: b.PlanDigest, Leaf: at.hash, Run: b.Run, CreatedAt: plan.MadeAt, ExpiresAt: plan.Window.NotAfter,
	}
	task := string(plan.Incident)
	run := writ.Run{ID: b.Run, Plan: plan.ID, Incident: plan.Incident, Grant: b.Grant, Runner: by.runner, State: writ.RunGranted}
	g := glassRow{
		ID: b.ID, Plan: plan.ID, Incident: plan.Incident, Service: plan.Service, Team: team, Playbook: plan.Playbook, Asker: plan.Requester,
		Signers: c.offlineSigners(*b, team), Offline: true, AskedAt: e.Record.Time, Expires: plan.Window.NotAfter, Leaf: at.hash, Run: b.Run,
	}
	due := c.now().Add(writ.ReviewLife) // from now on people can know of it
	g.ReviewDue = &due
	return errors.Join(
		store.Create(tx, store.Plans, store.Row{ID: string(p.ID), Incident: task, State: string(writ.PlanGranted)}, p),
		store.Create(tx, store.Grants, store.Row{ID: string(b.Grant), Incident: task, State: stateDone, Key: string(b.Run)},
			grantRow{ID: b.Grant, Plan: plan.ID, Run: b.Run, Leaf: d.Entries[0], Index: at.index, Expires: plan.Window.NotAfter}),
		store.Create(tx, store.Runs, store.Row{ID: string(b.Run), Incident: task, State: string(writ.RunGranted), Key: plan.Service},
			runRow{Title: plan.Title, Run: run, Offline: true}),
		c.attempted(tx, b.Run, p, plan),
		store.Create(tx, store.BreakGlasses, store.Row{ID: string(b.ID), Incident: string(in.ID), State: string(writ.BreakGlassUsed), Key: team, Due: millis(due)}, g),
		c.enterUse(tx, g, b.PlanDigest, ref("breakglass", at.hash)...),
	)
}

// offlineFits checks that entry and plan tell of one thing, of this runner's.
func offlineFits(runner writ.RunnerID, e ledger.Entry, b writ.OfflineBody, bytes []byte) (writ.Plan, error) {
	plan, digest, err := writ.ParsePlan(bytes)
	if err != nil {
		return plan, err
	}
	s, err := writ.ParseOfflineStatement(b.Statement)
	if err != nil {
		return plan, err
	}
	want := []writ.Object{}
	for _, step := range plan.Steps {
		want = append(want, step.Object)
	}
	switch {
	case !digest.Equal(b.PlanDigest) || plan.ID != b.Plan || plan.Incident != e.Record.Task || plan.Runner != runner || b.Runner != runner,
		plan.Emergency == nil || !plan.Emergency.Offline || plan.Emergency.ID != b.ID || !plan.Requester.Same(runner.Principal()),
		plan.Service != b.Service || plan.Environment != b.Environment || plan.Playbook != b.Playbook || plan.Tier != b.Tier || plan.Blast != b.Blast || !slices.Equal(want, b.Objects),
		s != writ.OfflineOf(plan, digest):
		return plan, fmt.Errorf("%w: the entry of an offline run does not tell of its plan", writ.ErrInvalid)
	}
	return plan, nil
}

// offlineSigners names who signed, by this server's roster.
func (c *Control) offlineSigners(b writ.OfflineBody, team string) []writ.Person {
	var groups []string
	for _, g := range Slots(team) {
		groups = append(groups, g)
	}
	signers, err := approval.CountOffline(b.Statement, b.Signatures, c.Roster, groups)
	if err != nil || len(signers) < b.Quorum {
		c.Log.Error("the signatures of an offline run do not verify on this server's roster", "run", string(b.Run), "runner", string(b.Runner), "error", err)
	}
	var out []writ.Person
	for _, s := range signers {
		out = append(out, s.Person)
	}
	return out
}
