package runner_test

import (
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/runner"
)

// wantUntouched sends a grant and demands that it is refused for want, without a call and without a lease.
func (w *world) wantUntouched(g *issued, want writ.Reason) {
	w.t.Helper()
	before, _ := w.target.calls()
	minted := w.target.mints
	if a := w.await(w.send(g)); a.Refused == nil || a.Refused.Code != want {
		w.t.Errorf("answered %+v, want %s", a.Refused, want)
	}
	if calls, _ := w.target.calls(); calls != before || w.target.mints != minted {
		w.t.Errorf("%d calls and %d leases", calls-before, w.target.mints-minted)
	}
}

func TestPitfall27AnyFaultOfTheCeilingStopsAllWork(t *testing.T) {
	for name, c := range map[string]struct {
		want   writ.Reason
		change func(w *world)
	}{
		"absent": {writ.ReasonTrustMissing, func(w *world) { w.file = nil }},
		"cannot be read": {writ.ReasonTrustMissing, func(w *world) {
			w.change = func(c *runner.Config) {
				c.TrustFile = func() ([]byte, error) { return nil, errors.New("permission denied") }
			}
		}},
		"expired": {writ.ReasonTrustExpired, func(w *world) {
			w.trust.Version, w.trust.Expires = 2, writ.Instant(time.Now().Add(-time.Second))
			w.sign()
		}},
		"rolled back": {writ.ReasonTrustRollback, func(w *world) {
			w.trust.Version = 2
			w.sign()
			w.start()
			w.planned("two") // it has seen version 2
			w.stop()
			w.trust.Version = 1
			w.sign()
		}},
		"signed by fewer than the threshold": {writ.ReasonTrustInvalid, func(w *world) {
			w.change = func(c *runner.Config) {
				c.Owners, c.Threshold = append(c.Owners, newAuthor(w.t).Key.Public().(ed25519.PublicKey)), 2
			}
		}},
		"one owner's key listed twice, one signature asked for": {writ.ReasonTrustInvalid, func(w *world) {
			w.change = func(c *runner.Config) { c.Owners = append(c.Owners, c.Owners[0]) }
		}},
		"one owner's key listed twice": {writ.ReasonTrustInvalid, func(w *world) {
			w.change = func(c *runner.Config) { c.Owners, c.Threshold = append(c.Owners, c.Owners[0]), 2 }
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.start()
				g := w.grant(w.planned("one"))
				w.stop()
				c.change(w)
				w.start()
				w.wantUntouched(g, c.want)
				if a := w.propose("two"); a.Refused == nil || a.Refused.Code != c.want {
					t.Errorf("a proposal was answered %+v, want %s", a.Refused, c.want)
				}
			})
		})
	}
}

func TestPitfall27ARunnerDoesNotStartWithAThresholdThatMeansNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.prepare()
		must(t, w.journal.Close())
		for name, threshold := range map[string]int{"0": 0, "below 0": -1, "above the owners": 2} {
			w.change = func(c *runner.Config) { c.Threshold = threshold }
			if err := w.refusesToStart(); err == nil || !strings.Contains(err.Error(), "owners") {
				t.Errorf("threshold %s: %v", name, err)
			}
		}
	})
}

func TestPitfall29AClockThatIsTenMinutesOffStopsTheRunner(t *testing.T) {
	for name, off := range map[string]time.Duration{"ahead": 10 * time.Minute, "behind": -10 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.start()
				p := w.planned("high")
				g := w.grant(p, w.approve(p, "ann"))
				w.stop()
				w.now = func() time.Time { return time.Now().Add(off) }
				w.start()
				w.wantUntouched(g, writ.ReasonFeedStale)
			})
		})
	}
}

func TestPitfall29ADuplicateDeliveryChangesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g := w.grant(w.planned("one"))
		w.execute(g)
		before, _ := w.target.calls()
		w.await(w.send(g)) // the same run: its end is told again
		other := *g
		other.run = newID[writ.RunID](w, "run") // the same grant as another run
		w.wantUntouched(&other, writ.ReasonSpent)
		if calls, _ := w.target.calls(); calls != before {
			t.Errorf("%d calls more", calls-before)
		}
	})
}

func TestPitfall30APlaybookThatDiffersByOneByteIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		was := playbooks["one"]
		w.start()
		g := w.grant(w.planned("one"))
		for i, p := range w.trust.Playbooks {
			if p.Name == "one" { // the owner pins another content from now on
				w.trust.Playbooks[i].Digest = writ.DigestOf([]byte(strings.Replace(was, "{value}", "{Value}", 1)))
			}
		}
		w.trust.Version++
		w.sign()
		w.wantUntouched(g, writ.ReasonPlaybookUnpinned)
		if a := w.propose("one"); a.Refused == nil || a.Refused.Code != writ.ReasonPlaybookUnpinned {
			t.Errorf("a proposal was answered %+v", a.Refused)
		}
	})
}

func TestPitfall31AnOperationIsOfTheTierOfTheRunnersOwnCatalogue(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g := w.grant(w.planned("one"))
		w.stop()
		w.target.OwnTier = writ.T3
		w.start()
		w.wantUntouched(g, writ.ReasonTierUnderstated)
	})
}
