package verify_test

import (
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/verify"
)

// settle has the run end uncertain, and a person say what its step did.
func (w *world) settle(change func(*writ.SettleBody)) {
	body[writ.RunBody](w, ended).State = writ.RunUncertain
	b := &writ.SettleBody{
		Run: id[writ.RunID]("run", 1), Plan: id[writ.PlanID]("pln", 1), Step: body[writ.StepBody](w, intent).Step, As: writ.Applied,
		By: person.Principal(), Reason: writ.Commit(w.salt, "reason", []byte("I looked")),
	}
	if change != nil {
		change(b)
	}
	i := w.again(allowed) // by the control plane
	i.kind, i.nonce, i.body, i.refs, i.before = writ.EntrySettle, i.nonce+"settle", b, []int{ended}, nil
}

func TestI15ASettledRunIsReportedWithWhoSettledIt(t *testing.T) {
	w := newWorld(t)
	w.settle(nil)
	b := w.bundle()
	r := judge(t, raw(t, b), w.trust(), []byte(b.Checkpoint))
	if r.Verdict() != verify.OK || r.Plans[0].State != writ.RunUncertain || r.Plans[0].Steps[0].Settled != "applied" || !r.Plans[0].Steps[0].SettledBy.Same(person.Principal()) ||
		!strings.Contains(r.Text(), "settled as applied by") {
		t.Errorf("%s", r.Text())
	}
}

// A run whose runner was lost has no end of its own: the control plane's word that it gave the run up stands for it, and for
// no other reason.
func TestI15ARunOfALostRunnerIsSettledWithoutItsEnd(t *testing.T) {
	for reason, want := range map[writ.Reason]bool{writ.ReasonRunnerLost: true, writ.ReasonGrantExpired: false} {
		w := newWorld(t)
		w.settle(nil)
		w.items[ended].kind, w.items[ended].by, w.items[ended].actor = writ.EntryPlanEnd, w.items[allowed].by, w.items[allowed].actor
		w.items[ended].body = &writ.PlanEndBody{Plan: id[writ.PlanID]("pln", 1), State: writ.PlanDone, Reason: reason}
		b := w.bundle()
		r := judge(t, raw(t, b), w.trust(), []byte(b.Checkpoint))
		if (r.Verdict() == verify.OK) != want || (len(r.Findings)+len(r.Open) == 0) != want {
			t.Errorf("%s:\n%s", reason, r.Text())
		}
	}
}

func TestI15ASettlementThatTheLogDoesNotBearIsFound(t *testing.T) {
	clean := newWorld(t)
	honest := raw(t, clean.bundle())
	for name, c := range map[string]struct {
		change func(*world)
		code   string
	}{
		"by an agent":           {func(w *world) { w.settle(func(b *writ.SettleBody) { b.By.Kind = writ.KindAgent }) }, "settle"},
		"of a step never begun": {func(w *world) { w.settle(func(b *writ.SettleBody) { b.Step = "pln_1.9" }) }, "no_intent"},
		"of another run":        {func(w *world) { w.settle(func(b *writ.SettleBody) { b.Run = id[writ.RunID]("run", 2) }) }, "no_grant"},
		"as unknown":            {func(w *world) { w.settle(func(b *writ.SettleBody) { b.As = writ.Unknown }) }, "settle"},
		"of a run that succeeded": {func(w *world) {
			w.settle(nil)
			body[writ.RunBody](w, ended).State = writ.RunSucceeded
		}, "settle"},
		"twice": {func(w *world) {
			w.settle(nil)
			w.again(length).nonce += "twice"
		}, "settle"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.change(w)
			b := w.bundle()
			wantFinding(t, honest, raw(t, b), w.trust(), c.code, []byte(b.Checkpoint))
		})
	}
}
