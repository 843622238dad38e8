package control_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/control"
)

// outside is an external decision point that says what the test lets it; internal/veto's tests ask a real one over HTTP.
type outside struct {
	says  func() (bool, error)
	asked atomic.Int32
	last  control.VetoQuestion
}

func (o *outside) Permits(_ context.Context, q control.VetoQuestion) (bool, error) {
	o.asked.Add(1)
	o.last = q
	return o.says()
}

func vetoedBy(o *outside) func(*control.Config) { return func(c *control.Config) { c.Veto = o } }

func says(ok bool, err error) func() (bool, error) { return func() (bool, error) { return ok, err } }

func TestPitfall16TheVetoDeniesWhatPolicyAllows(t *testing.T) {
	for name, row := range map[string]struct {
		says  func() (bool, error)
		state writ.PlanState
		fact  string
	}{
		"its yes":   {says(true, nil), writ.PlanGranted, `"veto":"permit"`},
		"its no":    {says(false, nil), writ.PlanDenied, `"veto":"deny"`},
		"no answer": {says(false, errors.New("timeout")), writ.PlanDenied, `"veto":"unanswered"`},
		"an error":  {says(true, errors.New("both")), writ.PlanDenied, `"veto":"unanswered"`},
	} {
		o := &outside{says: row.says}
		w := newWorld(t, vetoedBy(o))
		s := w.propose(repair, w.restart(w.incident("shop").ID))
		if s.State != row.state || s.State == writ.PlanDenied && s.Reason != writ.ReasonExternalVeto || o.asked.Load() != 1 {
			t.Errorf("%s: %s %s, asked %d times", name, s.State, s.Reason, o.asked.Load())
		}
		p, err := w.ctl.Plan(w.ctx, human("ann"), s.ID, 0)
		must(t, err)
		if p.Decision.Phase != writ.PhaseGrant || !strings.Contains(string(p.Decision.Facts), row.fact) {
			t.Errorf("%s: the decision does not say so: %s", name, p.Decision.Facts)
		}
		if o.last.Plan != s.ID || !o.last.Digest.Equal(s.Digest) || strings.Contains(strings.ToLower(string(o.last.Facts)), "token") {
			t.Errorf("%s: asked about %+v", name, o.last)
		}
	}
}

func TestPitfall16ATrueDoesNotRescueADeny(t *testing.T) {
	o := &outside{says: says(true, nil)}
	w := newWorld(t, vetoedBy(o))
	ask := w.restart(w.incident("shop").ID)
	w.pass(evidenceLife + time.Second)
	if s := w.propose(repair, ask); s.State != writ.PlanDenied || s.Reason != writ.ReasonLimit || o.asked.Load() != 0 {
		t.Errorf("%s %s, asked %d times", s.State, s.Reason, o.asked.Load())
	}
}

// It is asked again for the approval that would issue the grant, and its answer is not kept for later.
func TestTheVetoIsAskedFreshlyForEachGrant(t *testing.T) {
	o := &outside{says: says(true, nil)}
	w := newWorld(t, vetoedBy(o))
	s := w.waiting()
	if o.asked.Load() != 0 {
		t.Fatalf("it was asked about a plan that waits for people")
	}
	o.says = says(false, nil)
	_, err := w.approve(s.ID, "ann", "owner")
	must(t, err)
	if s = w.settled(repair, s.ID); s.State != writ.PlanDenied || s.Reason != writ.ReasonExternalVeto {
		t.Errorf("%s %s", s.State, s.Reason)
	}
	yes := &outside{says: says(true, nil)}
	w = newWorld(t, vetoedBy(yes))
	s = w.waiting()
	_, err = w.approve(s.ID, "ann", "owner")
	must(t, err)
	if s = w.settled(repair, s.ID); s.State != writ.PlanGranted {
		t.Errorf("%s %s", s.State, s.Reason)
	}
}

func TestAnAnswerThatIsOldWhenTheGrantIsIssuedIsNone(t *testing.T) {
	o := &outside{}
	w := newWorld(t, vetoedBy(o))
	o.says = func() (bool, error) { w.pass(31 * time.Second); return true, nil }
	if s := w.propose(repair, w.restart(w.incident("shop").ID)); s.State != writ.PlanDenied || s.Reason != writ.ReasonExternalVeto {
		t.Errorf("%s %s", s.State, s.Reason)
	}
}

func TestPitfall16TheVetoIsAskedWhenAnAgentFetchesItsGrant(t *testing.T) {
	for name, row := range map[string]struct {
		says  func() (bool, error)
		state writ.PlanState
	}{
		"its yes": {says(true, nil), writ.PlanGranted}, "its no": {says(false, nil), writ.PlanDenied}, "no answer": {says(false, errors.New("timeout")), writ.PlanDenied},
	} {
		point := &outside{says: row.says}
		w := newWorld(t, vetoedBy(point))
		o := w.owner(repair)
		s := o.ready()
		before := point.asked.Load()
		if _, err := o.exchange(s); (err == nil) != (row.state == writ.PlanGranted) || point.asked.Load() != before+1 {
			t.Errorf("%s: %v, asked %d times more", name, err, point.asked.Load()-before)
		}
		p, err := w.ctl.Plan(w.ctx, human("ann"), s.ID, 0)
		must(t, err)
		if p.State != row.state {
			t.Errorf("%s: the plan is %s (%s)", name, p.State, p.Reason)
		}
	}
}
