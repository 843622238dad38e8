package control_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/control"
)

// keyLine is a new key of nobody.
func keyLine(t *testing.T) string {
	t.Helper()
	key, _, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	k, err := ssh.NewPublicKey(key)
	must(t, err)
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k)))
}

func (w *world) tired(id writ.PlanID, sub string) writ.Fatigue {
	w.t.Helper()
	p, err := w.ctl.Plan(w.ctx, human(sub), id, 0)
	must(w.t, err)
	if p.Fatigue == nil {
		w.t.Fatalf("%s hears nothing of how much they have answered", sub)
	}
	return *p.Fatigue
}

func TestBeyondTheLimitOfAShiftAnApprovalCountsOnlyBesideThatOfSomebodyBelowIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, manyIncidents, func(c *control.Config) { c.Fatigue = control.FatigueLimits{PerShift: 2} })
	for range 2 { // rejections are answers, too
		s := w.waiting()
		_, err := w.answer(s.ID, w.statement(s.ID, "ann", "owner", writ.Reject), "ann")
		must(t, err)
	}
	s := w.waiting()
	if f := w.tired(s.ID, "ann"); !f.Beyond || f.Answered != 2 || !strings.Contains(f.Warning, "the limit is 2") {
		t.Errorf("%+v", f)
	}
	if f := w.tired(s.ID, "bob"); f.Beyond || f.Answered != 0 || f.Warning != "" {
		t.Errorf("%+v", f)
	}
	now, err := w.approve(s.ID, "ann", "owner")
	must(t, err)
	if now.State != writ.PlanWaiting || w.count(writ.EntryGrant) != 0 {
		t.Fatalf("%s: one person beyond the limit was enough", now.State)
	}
	if f := w.tired(s.ID, "bob"); !f.Second {
		t.Errorf("the second person does not hear why they are asked: %+v", f)
	}
	now, err = w.approve(s.ID, "bob", "owner")
	must(t, err)
	if now.State != writ.PlanGranted {
		t.Errorf("%s %s: somebody below the limit agreed", now.State, now.Detail)
	}
	var shifts []int
	for _, e := range w.entries() {
		switch b := e.Body.(type) {
		case *writ.ApprovalBody:
			shifts = append(shifts, b.Shift)
		case *writ.GrantBody:
			if len(b.Approvals) != 2 {
				t.Errorf("the grant names %d approvals", len(b.Approvals))
			}
		}
	}
	if !slices.Equal(shifts, []int{0, 1, 2, 0}) {
		t.Errorf("the ledger says that they had answered %v before", shifts)
	}
}

func TestAShiftEndsAndSoDoesItsCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, manyIncidents, func(c *control.Config) { c.Fatigue = control.FatigueLimits{PerShift: 1, Shift: time.Hour} })
	s := w.waiting()
	_, err := w.answer(s.ID, w.statement(s.ID, "ann", "owner", writ.Reject), "ann")
	must(t, err)
	w.pass(time.Hour)
	now, err := w.approve(w.waiting().ID, "ann", "owner")
	must(t, err)
	if now.State != writ.PlanGranted {
		t.Errorf("%s %s", now.State, now.Detail)
	}
}

func TestHowLongAndHowOftenSomebodySaysYesIsShownToThemAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, manyIncidents, twoOwners(t))
	for range 10 {
		s := w.waiting()
		w.pass(7 * time.Second)
		_, err := w.approve(s.ID, "ann", "owner")
		must(t, err)
		_, err = w.ctl.Withdraw(w.ctx, repair, s.ID, "")
		must(t, err)
	}
	s := w.waiting()
	f := w.tired(s.ID, "ann")
	if f.MedianSeconds != 7 || f.Rate != 1000 || f.OfPlaybook != 10 || f.RatePlaybook != 1000 || !strings.Contains(f.Warning, "less than 8 seconds") {
		t.Errorf("%+v", f)
	}
	if f.Same != 10 || !f.Suggest {
		t.Errorf("the same repair was approved ten times: %+v", f)
	}
	if p, err := w.ctl.Plan(w.ctx, repair, s.ID, 0); err != nil || p.Fatigue != nil || p.OnCall != nil {
		t.Errorf("an agent sees %+v %+v", p.Fatigue, p.OnCall)
	}
}

func TestTheOwnerOfARepairThatIsApprovedAgainAndAgainIsToldOnceAndNothingIsPromoted(t *testing.T) {
	t.Parallel()
	a, b := newReceiver(t), newReceiver(t)
	w := newWorld(t, manyIncidents, twoOwners(t), telling(t, a, b), func(c *control.Config) { c.Fatigue.SuggestAfter = 2 })
	for range 4 {
		s := w.waiting()
		_, err := w.approve(s.ID, "ann", "owner")
		must(t, err)
		_, err = w.ctl.Withdraw(w.ctx, repair, s.ID, "")
		must(t, err)
		w.pass(10 * time.Minute)
		w.tells()
	}
	told := 0
	for _, h := range a.got() {
		if h.Event == string(writ.NoticeRuleSuggested) {
			told++
			if !strings.Contains(h.Summary, "2 times") {
				t.Errorf("%q", h.Summary)
			}
		}
	}
	if told != 1 {
		t.Errorf("the owner was told %d times", told)
	}
	if s := w.waiting(); s.Plan == nil && w.tired(s.ID, "ann").Same != 4 {
		t.Error("the next one did not wait for people")
	}
}
