package runner_test

import (
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
)

// D1: the runner reads what its own plan rests on when it is asked, and says which claim does not hold and why.
func TestD1TheRunnerReadsAgainWhatItsPlanRestsOn(t *testing.T) {
	for book, want := range map[string]writ.Reason{"claim": writ.ReasonEvidenceContradicted, "one": writ.ReasonGuard} {
		t.Run(book, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.start()
				p := w.planned(book)
				b, err := p.Bytes()
				must(t, err)
				ask := func(digest writ.Digest) assignment.Answer {
					return w.ask(assignment.Assignment{Kind: assignment.KindReread, Reread: &assignment.Reread{Plan: p.ID, Digest: digest}}, 0)
				}
				if a := ask(writ.DigestOf(b)); a.Reread == nil || len(a.Reread.Claims) != 1 || a.Reread.Claims[0] != (assignment.Claimed{Name: "may-touch", Holds: true}) {
					t.Fatalf("%+v %+v", a.Reread, a.Refused)
				}
				w.target.GuardFact = false
				a := ask(writ.DigestOf(b))
				if a.Reread == nil || a.Reread.Claims[0].Holds || a.Reread.Claims[0].Code != want || !strings.Contains(a.Reread.Claims[0].Detail, "may-touch: ok is false") {
					t.Errorf("contradicted: %+v %+v", a.Reread, a.Refused)
				}
				w.target.GuardFact, w.target.Unreachable = true, true
				if a := ask(writ.DigestOf(b)); a.Reread == nil || a.Reread.Claims[0].Holds || a.Reread.Claims[0].Code == "" {
					t.Errorf("unreachable: %+v %+v", a.Reread, a.Refused)
				}
				if a := ask(writ.DigestOf([]byte("another"))); a.Refused == nil || a.Refused.Code != writ.ReasonPlanUnknown {
					t.Errorf("of another plan: %+v", a.Refused)
				}
			})
		})
	}
}

// D1: what was contradicted between the grant and the run ends the run before anything is minted.
func TestD1AClaimThatFailsAfterTheGrantMintsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		p := w.planned("claim")
		g := w.grant(p)
		w.target.GuardFact = false
		if end := w.execute(g); end.Reason != writ.ReasonEvidenceContradicted {
			t.Errorf("%s %s", end.State, end.Reason)
		}
		if got := w.target.values(); !strings.HasPrefix(got, "old") {
			t.Errorf("it wrote: %s", got)
		}
	})
}
