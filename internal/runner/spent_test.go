package runner_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/token"
)

func TestI13GrantSpentOnce(t *testing.T) {
	for name, again := range map[string]func(w *world, g *issued) writ.AssignmentID{
		"the same run again": func(w *world, g *issued) writ.AssignmentID { return w.send(g) },
		"under another run id": func(w *world, g *issued) writ.AssignmentID {
			g.run = newID[writ.RunID](w, "run")
			return w.send(g)
		},
		"the same run after a restart": func(w *world, g *issued) writ.AssignmentID {
			w.stop()
			w.start()
			return w.send(g)
		},
		"under another run id after a restart": func(w *world, g *issued) writ.AssignmentID {
			w.stop()
			w.start()
			g.run = newID[writ.RunID](w, "run")
			return w.send(g)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.start()
				g := w.grant(w.planned("one"))
				if end := w.execute(g); end.State != writ.RunSucceeded {
					t.Fatalf("%+v", end)
				}
				first := g.run
				w.target.things["a"] = thing{"uid-a", 1, "old"} // as if nothing had happened
				a := w.await(again(w, g))
				if g.run != first && (a.Refused == nil || a.Refused.Code != writ.ReasonSpent) {
					t.Errorf("answered %+v, want spent", a)
				}
				if g.run == first && !a.Ended {
					t.Errorf("answered %+v, want the end of the run told again", a)
				}
				if calls, _ := w.target.calls(); calls != 1 || w.target.mints != 1 {
					t.Errorf("%d calls and %d leases for one grant", calls, w.target.mints)
				}
			})
		})
	}
}

func TestI13TwoDeliveriesAtOnceRunOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g := w.grant(w.planned("one"))
		w.target.DoTakes = 10 * time.Second
		first := w.send(g)
		for range 5 {
			w.send(g)
		}
		other := *g
		other.run = newID[writ.RunID](w, "run")
		second := w.send(&other)
		a, b := w.await(first), w.await(second)
		if a.Ended {
			a, b = b, a
		}
		if !b.Ended || a.Refused == nil || a.Refused.Code != writ.ReasonSpent {
			t.Errorf("two runs of one grant: %+v and %+v, want one ended and one spent", a, b)
		}
		if calls, _ := w.target.calls(); calls != 1 {
			t.Errorf("%d calls", calls)
		}
	})
}

func TestTheHoldersProofIsGoodForOnePresentation(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		var proof string
		g := w.grant(w.planned("one"))
		g.bundle = func(b *assignment.Bundle) {
			var err error
			proof, err = token.Prove(w.control.dispatch, token.Proof{Method: "POST", URL: presented, AccessTokenHash: token.AccessTokenHash(b.Grant)}, time.Now(), rand.Reader)
			must(t, err)
			b.Proof = proof
			b.Approvals = []writ.Approval{{ID: "x"}} // refused after the presenter's check
		}
		if a := w.await(w.send(g)); a.Refused == nil || a.Refused.Code != writ.ReasonApprovalsAltered {
			t.Fatalf("%+v", a)
		}
		g.run = newID[writ.RunID](w, "run")
		g.bundle = func(b *assignment.Bundle) { b.Proof = proof }
		if a := w.await(w.send(g)); a.Refused == nil || a.Refused.Code != writ.ReasonPresentedTwice {
			t.Errorf("%+v, want the used proof refused", a.Refused)
		}
	})
}

func TestR31TheRateOfRunsIsTheCeilings(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.trust.Ceiling.RunsPerHour = 2
		w.sign()
		w.start()
		for i := range 3 {
			w.target.things["a"] = thing{"uid-a", 1, "old"}
			a := w.await(w.send(w.grant(w.planned("one"))))
			if got := a.Refused != nil && a.Refused.Code == writ.ReasonOverCeiling; got != (i == 2) {
				t.Errorf("run %d: %+v", i+1, a.Refused)
			}
		}
		time.Sleep(time.Hour)
		w.target.things["a"] = thing{"uid-a", 1, "old"}
		if a := w.await(w.send(w.grant(w.planned("one")))); a.Refused != nil {
			t.Errorf("an hour later: %+v", a.Refused)
		}
	})
}

func TestTheTierIsThisRunnersOwnCataloguesWord(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g := w.grant(w.planned("one"))
		w.stop()
		w.target.OwnTier = writ.T2 // since the plan was made the operation counts as more harmful
		w.start()
		if a := w.await(w.send(g)); a.Refused == nil || a.Refused.Code != writ.ReasonTierUnderstated {
			t.Errorf("%+v", a.Refused)
		}
	})
}
