package e2e_test

import (
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/storefront"
)

// A trusted is an installation over HTTPS whose playbooks begin one tier above their own, and whose people decide in a browser
// how much playbooks and agents do alone.
type trusted struct {
	*earning
	*detour
}

// TestTheWalkThroughAutonomyInABrowser: after three verified runs Writ proposes that a playbook asks nobody any more. Its page
// shows the record; two passkeys decide it, and neither one alone, nor one that is not its user's, nor a record or statement that
// was altered on the way. What was decided holds; one passkey takes it back. An agent whose repairs did not help gets T1 back by
// a passkey of somebody who does not answer for it. The auditor agrees to all of it.
func TestTheWalkThroughAutonomyInABrowser(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	x := &trusted{earning: prepareEarning(t, you, f.before)}
	x.detour = &detour{halting: &halting{counter: x.earning.counter}}
	c := x.earning.counter
	c.loginsAt(f)
	c.edit(func(c *config.Server) {
		c.Autonomy.Begin = 1
		for i, a := range c.Agents { // under the account that you log in with
			if a.Name == helper {
				c.Agents[i].Owner.Iss, c.Agents[i].Owner.Sub = f.issuer.URL, people[you].sub
			}
		}
	})
	c.start()
	x.b = c.logsIn(f)
	x.enrols(you, ana)
	x.enrols(ana, you)

	x.earns()
	x.movesUp()
	x.movesDown()
	x.restores()
	c.verified(t)
}

// runs has an agent ask for a switch, which waits, and somebody approve it by passkey.
func (x *trusted) runs(agent, playbook, by string, on bool, want writ.RunState) {
	t := x.b.t
	t.Helper()
	p := x.asks(agent, playbook, switched(on), writ.PlanWaiting)
	if got := x.b.does(act{Do: "answer", Who: by, Plan: p.ID, Verdict: writ.Approve, Verified: true}); strings.HasPrefix(got.Told, "Not done") {
		t.Fatal(got.Told)
	}
	x.as(p, want)
}

// earns makes three runs that hold.
func (x *trusted) earns() {
	x.trouble()
	for i := range 3 {
		x.runs(repairer, "switch", you, i%2 == 0, writ.RunSucceeded)
	}
}

// decision is one of the switch on checkout.
func decision(who, to string) act {
	return act{Do: "decide", Who: who, Playbook: "switch", Service: storefront.Checkout, To: to, Verified: true}
}

// stands demands where the switch stands, and how many people have decided on what Writ proposes; none: nothing is proposed.
func (x *trusted) stands(want writ.Tier, answers int) {
	t := x.b.t
	t.Helper()
	b := x.book("switch")
	switch {
	case b.Stands != want:
		t.Errorf("it stands at %s, want %s", b.Stands, want)
	case (b.Proposed != nil) != (answers >= 0) || b.Proposed != nil && len(b.Proposed.Answers) != answers:
		t.Errorf("proposed is %+v, want %d answers", b.Proposed, answers)
	}
}

// refuses demands that a decision is not taken, and why.
func (x *trusted) refuses(a act, why string) {
	t := x.b.t
	t.Helper()
	if got := x.b.does(a); !strings.HasPrefix(got.Told, "Not done: ") || !strings.Contains(got.Told, why) {
		t.Errorf("%s was told %q, want %q", a.Who, got.Told, why)
	}
}

func (x *trusted) movesUp() {
	t := x.b.t
	t.Helper()
	x.stands(writ.T2, 0)
	for name, spoil := range map[string]func(*act){
		"": func(a *act) { a.Verified = false },
		"The record on this page is not the one of its digest. Nothing was signed.":      func(a *act) { a.Altered = true },
		"The statement to sign is not your decision on this record. Nothing was signed.": func(a *act) { a.Other = true },
	} {
		a := decision(you, "T1")
		spoil(&a)
		x.refuses(a, name)
		x.stands(writ.T2, 0)
	}
	got := x.b.does(decision(you, "T1"))
	for _, part := range []string{"It stands at T2", "its own tier is T1", "3 verified, 0 undone", "T2 to T1", "0 of 2 people have decided", "3 verified in a row"} {
		if !strings.Contains(got.Before, part) {
			t.Errorf("you were not shown %q:\n%s", part, got.Before)
		}
	}
	if !strings.Contains(got.Page, "1 of 2 people have decided") {
		t.Errorf("after the first decision:\n%s", got.Page)
	}
	x.stands(writ.T2, 1)
	again := decision(you, "T1")
	again.Wrong = true
	x.refuses(again, "the same person has decided this before")
	x.stands(writ.T2, 1)
	if got = x.b.does(decision(ana, "T1")); !strings.Contains(got.Before, "1 of 2 people have decided, "+people[you].sub) || !strings.Contains(got.Page, "It stands at T1") {
		t.Errorf("ana was shown\n%s\nand then\n%s", got.Before, got.Page)
	}
	x.stands(writ.T1, -1)
	x.trouble()
	x.as(x.asks(repairer, "switch", switched(false), writ.PlanGranted), writ.RunSucceeded)
}

// movesDown: one person takes it back, and nobody had to propose it.
func (x *trusted) movesDown() {
	t := x.b.t
	t.Helper()
	if got := x.b.does(decision(ana, "T2")); strings.HasPrefix(got.Told, "Not done") || !strings.Contains(got.Page, "It stands at T2") {
		t.Errorf("%s\n%s", got.Told, got.Page)
	}
	x.stands(writ.T2, -1)
	if got := x.b.does(decision(you, "T1")); got.Told != "there is no such button" {
		t.Errorf("more autonomy is offered though nobody proposed it:\n%s", got.Before)
	}
}

// restores: two repairs of the helper do not help.
func (x *trusted) restores() {
	t := x.b.t
	t.Helper()
	must(t, x.shop.Deploy(storefront.Checkout, "v42", "pipeline"))
	for _, playbook := range []string{"switch", "switch-again"} { // one that failed stands a tier higher at once
		x.trouble()
		x.runs(helper, playbook, ana, true, writ.RunUndone)
	}
	lost := func(want bool) {
		t.Helper()
		for a, err := range x.person.AgentRecords(t.Context(), helper) {
			must(t, err)
			if a.Name == helper && a.Lost != want {
				t.Errorf("it has lost T1: %v, want %v", a.Lost, want)
			}
		}
	}
	lost(true)
	a := act{Do: "decide", Who: you, Agent: helper, To: "T1", Verified: true, Wrong: true}
	x.refuses(a, "nobody restores the agent that they answer for")
	lost(true)
	a.Who, a.Wrong = ana, false
	if got := x.b.does(a); !strings.Contains(got.Before, "It makes no change alone.") || !strings.Contains(got.Before, "2 undone") || !strings.Contains(got.Page, "There is nothing to decide.") {
		t.Errorf("ana was shown\n%s\nand then\n%s", got.Before, got.Page)
	}
	lost(false)
}
