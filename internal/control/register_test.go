package control_test

import (
	"errors"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/control"
)

// newcomer is an agent that nobody has registered yet.
var newcomer = writ.Agent{Name: "newcomer", Iss: idp, Sub: "newcomer", Team: "checkout", Roles: []writ.AgentRole{writ.RoleRepair, writ.RoleDiagnose}}

func (w *world) add(by string, changes ...func(*writ.Agent)) (writ.Agent, error) {
	a := newcomer
	for _, f := range changes {
		f(&a)
	}
	return w.ctl.AddAgent(w.ctx, human(by), a)
}

func TestARegisteredAgentAsksAndItsOwnerCannotApprove(t *testing.T) {
	w := newWorld(t)
	_, err := w.ctl.Propose(w.ctx, newcomer.Principal(), w.scale(w.incident("shop").ID))
	refused(t, err, writ.ReasonAgentUnregistered)
	a, err := w.add("ann")
	must(t, err)
	if a.Owner != (writ.Person{Iss: idp, Sub: "ann"}) || a.State != writ.AgentActive || w.count(writ.EntryAgent) != 1 {
		t.Errorf("%+v, %d entries", a, w.count(writ.EntryAgent))
	}
	must(t, w.ctl.Admit(w.ctx, newcomer.Principal()))
	s := w.propose(newcomer.Principal(), w.scale(w.incident("shop").ID))
	if s.State != writ.PlanWaiting {
		t.Fatalf("%s: %s", s.State, s.Detail)
	}
	_, err = w.approve(s.ID, "ann", "owner")
	refused(t, err, writ.ReasonApproverConflict)
	if s, err := w.approve(s.ID, "bob", "owner"); err != nil || s.State != writ.PlanGranted {
		t.Errorf("%s %v", s.State, err)
	}
}

func TestOnlyAPersonOfTheTeamGivesAnAgentPower(t *testing.T) {
	w := newWorld(t)
	_, err := w.add("carl")
	refused(t, err, writ.ReasonNotYours)
	_, err = w.ctl.AddAgent(w.ctx, repair, newcomer)
	refused(t, err, writ.ReasonKind)
	_, err = w.add("ann")
	must(t, err)
	_, err = w.ctl.SetAgent(w.ctx, human("carl"), "newcomer", writ.AgentSuspended, "odd") // anybody may stop it
	must(t, err)
	_, err = w.ctl.SetAgent(w.ctx, human("carl"), "newcomer", writ.AgentActive, "fine")
	refused(t, err, writ.ReasonNotYours)
	_, err = w.ctl.RotateAgent(w.ctx, human("carl"), "newcomer", idp, "mine", "leaked")
	refused(t, err, writ.ReasonNotYours)
	if n := w.denials("agent add", writ.ReasonNotYours) + w.denials("agent active", writ.ReasonNotYours) + w.denials("agent rotate", writ.ReasonNotYours); n != 3 {
		t.Errorf("%d refusals in the ledger", n)
	}
}

func TestARegistrationThatIsNotWholeIsRefused(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		change func(*writ.Agent)
		want   writ.Reason
	}{
		"no role":              {func(a *writ.Agent) { a.Roles = nil }, writ.ReasonForm},
		"an unknown role":      {func(a *writ.Agent) { a.Roles = []writ.AgentRole{"approve"} }, writ.ReasonForm},
		"no subject":           {func(a *writ.Agent) { a.Sub = "" }, writ.ReasonForm},
		"a name with a slash":  {func(a *writ.Agent) { a.Name = "a/b" }, writ.ReasonForm},
		"a class with a space": {func(a *writ.Agent) { a.Classes = []string{"re start"} }, writ.ReasonForm},
		"a declared name":      {func(a *writ.Agent) { a.Name = "repair" }, writ.ReasonAgentExists},
		"a declared identity":  {func(a *writ.Agent) { a.Sub = "repair" }, writ.ReasonAgentExists},
	} {
		_, err := w.add("ann", c.change)
		if t.Log(name); writ.ReasonOf(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if all, err := w.ctl.Agents(w.ctx, human("ann")); err != nil || len(all) != 4 || w.count(writ.EntryAgent) != 0 {
		t.Errorf("%d agents, %v", len(all), err)
	}
}

// TestNHI suspends and removes, declared or registered: whatever the agent has ends in that transaction.
func TestNHISuspendingOrRemovingAnAgentEndsWhatItHasAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		to   writ.AgentState
		code writ.Reason
	}{"suspended": {writ.AgentSuspended, writ.ReasonAgentSuspended}, "removed": {writ.AgentRemoved, writ.ReasonAgentUnregistered}} {
		for kind, who := range map[string]writ.Agent{"declared": {Name: "repair", Iss: idp, Sub: "repair"}, "registered": newcomer} {
			t.Run(name+" "+kind, func(t *testing.T) {
				w := newWorld(t)
				if kind == "registered" {
					_, err := w.add("bob")
					must(t, err)
				}
				waiting := w.propose(who.Principal(), w.scaleTo(w.incident("shop").ID, 4))
				others := w.propose(second, w.scaleTo(w.incident("shop").ID, 5))
				if waiting.State != writ.PlanWaiting || others.State != writ.PlanWaiting {
					t.Fatalf("%s %s, %s %s", waiting.State, waiting.Detail, others.State, others.Detail)
				}
				h := w.grantedTo(who.Principal())
				lease, intent := h.begin()
				before := feed(t, w, told(t, w).Feed).Epoch

				_, err := w.ctl.SetAgent(w.ctx, human("carl"), who.Name, c.to, "it behaves oddly")
				must(t, err)

				refused(t, w.ctl.Admit(w.ctx, who.Principal()), c.code)
				_, err = w.ctl.Propose(w.ctx, who.Principal(), w.scale(w.incident("shop").ID))
				refused(t, err, c.code)
				if s, err := w.ctl.Plan(w.ctx, human("ann"), waiting.ID, 0); err != nil || s.State != writ.PlanWithdrawn || s.Reason != c.code {
					t.Errorf("its plan is %s: %s %v", s.State, s.Reason, err)
				}
				if s, err := w.ctl.Plan(w.ctx, human("ann"), others.ID, 0); err != nil || s.State.Final() {
					t.Errorf("another agent's plan is %s, %v", s.State, err)
				}
				now := feed(t, w, told(t, w).Feed)
				if now.Epoch <= before || len(now.Revoked) != 1 || now.Revoked[0] != h.grant.Grant {
					t.Errorf("the feed tells %+v", now)
				}
				d := h.deliver(h.effect(intent, writ.Applied), h.revoke(lease), h.probe(lease, true, true))
				if !d.Stop {
					t.Error("its run was not told to stop")
				}

				again, err := control.New(w.config) // another server, the same store and configuration
				must(t, err)
				refused(t, again.Admit(w.ctx, who.Principal()), c.code)
				_, err = w.ctl.SetAgent(w.ctx, human("ann"), who.Name, writ.AgentActive, "it was nothing")
				if c.to == writ.AgentRemoved {
					refused(t, err, writ.ReasonAgentState)
					return
				}
				must(t, err)
				must(t, again.Admit(w.ctx, who.Principal()))
			})
		}
	}
}

func TestNHIARotatedAgentsOldIdentityIsNobody(t *testing.T) {
	w := newWorld(t)
	_, err := w.add("ann")
	must(t, err)
	s := w.propose(newcomer.Principal(), w.scale(w.incident("shop").ID))
	a, err := w.ctl.RotateAgent(w.ctx, human("bob"), "newcomer", idp, "newcomer-2", "its token leaked")
	must(t, err)
	refused(t, w.ctl.Admit(w.ctx, newcomer.Principal()), writ.ReasonAgentUnregistered)
	must(t, w.ctl.Admit(w.ctx, a.Principal()))
	if s, err := w.ctl.Plan(w.ctx, human("ann"), s.ID, 0); err != nil || s.State != writ.PlanWithdrawn {
		t.Errorf("%s %v", s.State, err)
	}
	if got, err := w.ctl.Agent(w.ctx, human("ann"), "newcomer"); err != nil || got.Sub != "newcomer-2" || got.Owner.Sub != "bob" {
		t.Errorf("%+v %v", got, err)
	}
	_, err = w.ctl.RotateAgent(w.ctx, human("bob"), "newcomer", idp, "newcomer", "back")
	refused(t, err, writ.ReasonAgentExists)
	_, err = w.ctl.RotateAgent(w.ctx, human("ann"), "repair", idp, "repair-2", "leaked")
	refused(t, err, writ.ReasonAgentDeclared)
}

func TestAnAgentAsksOnlyForPlaybooksOfItsClasses(t *testing.T) {
	w := newWorld(t)
	_, err := w.add("ann", func(a *writ.Agent) { a.Classes = []string{"restart"} })
	must(t, err)
	_, err = w.ctl.Propose(w.ctx, newcomer.Principal(), w.scale(w.incident("shop").ID))
	refused(t, err, writ.ReasonClass)
	if !errors.Is(err, writ.ErrDenied) {
		t.Error(err)
	}
	if s := w.propose(newcomer.Principal(), w.restart(w.incident("lab").ID)); s.State == writ.PlanDenied {
		t.Errorf("%s: %s", s.Reason, s.Detail)
	}
}

// What a person suspended stays so, whatever the server's file says; and what the file suspends, nobody lets go on.
func TestTheStricterOfFileAndPeopleHolds(t *testing.T) {
	w := newWorld(t)
	_, err := w.ctl.SetAgent(w.ctx, human("ann"), "asleep", writ.AgentActive, "wake up")
	refused(t, err, writ.ReasonAgentDeclared)
	_, err = w.ctl.SetAgent(w.ctx, human("ann"), "second", writ.AgentSuspended, "odd")
	must(t, err)
	c := w.config
	c.Agents = c.Agents[:2] // second left the file: it is nobody, and its name cannot be taken by another
	later, err := control.New(c)
	must(t, err)
	refused(t, later.Admit(w.ctx, second), writ.ReasonAgentUnregistered)
	_, err = later.AddAgent(w.ctx, human("ann"), writ.Agent{Name: "other", Iss: idp, Sub: "second", Team: "checkout", Roles: []writ.AgentRole{writ.RoleRepair}})
	refused(t, err, writ.ReasonAgentExists)
}

// scaleTo is scale to another number, so that it is another ask.
func (w *world) scaleTo(in writ.IncidentID, replicas int64) writ.Ask {
	a := w.scale(in)
	a.Parameters = with(workload, "replicas", writ.Int(replicas))
	return a
}

// told is what a runner hears now.
func told(t *testing.T, w *world) assignment.Told {
	t.Helper()
	f, err := w.ctl.Feed(w.ctx, runnerID, assignment.Listen{Epoch: -1})
	must(t, err)
	return f
}
