package control_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
)

func TestPitfall22ADryRunIsDecidedAndLoggedAndChangesNothing(t *testing.T) {
	w := newWorld(t)
	in := w.incident("shop").ID
	for name, c := range map[string]struct {
		ask  writ.Ask
		says string
	}{
		"allowed":     {w.restart(in), "would run at once"},
		"asks people": {w.scale(in), "1 approval(s) by owner"},
	} {
		dry := c.ask
		dry.DryRun = true
		s := w.propose(repair, dry)
		if s.State != writ.PlanWithdrawn || s.Reason != writ.ReasonDryRun || !s.DryRun || !strings.Contains(s.Detail, c.says) || !strings.Contains(s.Detail, "Steps: ") || s.Hint == "" || s.Run != "" {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if reserved, locks, slots := w.held(); reserved != 0 || locks != 0 || slots != 1 { // the incident's
		t.Errorf("%d reservations, %d locks, %d slots", reserved, locks, slots)
	}
	if w.count(writ.EntryGrant) != 0 || w.count(writ.EntryPlan) != 2 || w.count(writ.EntryDecision) != 2 || w.count(writ.EntryPlanEnd) != 2 {
		t.Errorf("%d grants, %d plans, %d decisions, %d ends", w.count(writ.EntryGrant), w.count(writ.EntryPlan), w.count(writ.EntryDecision), w.count(writ.EntryPlanEnd))
	}
	for _, b := range w.bodies(writ.EntryProposal) {
		if !b.(*writ.ProposalBody).DryRun {
			t.Errorf("%+v", b)
		}
	}
	if s := w.propose(repair, w.restart(in)); s.State != writ.PlanGranted { // the same ask in earnest is another ask
		t.Errorf("%s %s", s.State, s.Reason)
	}
}

func TestADryRunOfWhatIsDeniedIsDenied(t *testing.T) {
	w := newWorld(t)
	ask := w.restart(w.incident("shop").ID)
	ask.DryRun = true
	w.pass(evidenceLife + time.Second)
	if s := w.propose(repair, ask); s.State != writ.PlanDenied || s.Reason != writ.ReasonLimit {
		t.Errorf("%s %s", s.State, s.Reason)
	}
	ask.Playbook = "drop-database"
	_, err := w.ctl.Propose(w.ctx, repair, ask)
	refused(t, err, writ.ReasonUnknownPlaybook)
}

func TestDryRunsOfOneAgentAreFew(t *testing.T) {
	w := newWorld(t)
	ask := w.scale(w.incident("shop").ID)
	ask.DryRun = true
	for range 10 {
		w.propose(repair, ask)
	}
	_, err := w.ctl.Propose(w.ctx, repair, ask)
	var r *writ.Refusal
	if !errors.As(err, &r) || r.Code != writ.ReasonStorm || r.After <= 0 || r.After > time.Minute {
		t.Fatalf("%v", err)
	}
	w.pass(time.Minute)
	if s := w.propose(repair, ask); s.Reason != writ.ReasonDryRun {
		t.Errorf("a minute later: %s %s", s.State, s.Reason)
	}
}
