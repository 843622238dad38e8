package runner_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/token"
)

// held is a grant that the requesting agent holds itself, with the agent's key.
type held struct {
	*issued
	w   *world
	key *ecdsa.PrivateKey
}

// heldPlan has a plan made whose grant is to be held by a new key of the agent's own.
func (w *world) heldPlan(name string) (writ.Plan, *ecdsa.PrivateKey) {
	w.t.Helper()
	key, err := token.NewKey(rand.Reader)
	must(w.t, err)
	a := w.propose(name, func(p *assignment.Planning) { w.heldBy(p, token.Thumbprint(&key.PublicKey)) })
	if a.Planned == nil {
		w.t.Fatalf("no plan: %+v", a.Refused)
	}
	p, _, err := writ.ParsePlan(a.Planned.Plan)
	must(w.t, err)
	return p, key
}

// heldBy names the holder in proposal and planning.
func (w *world) heldBy(p *assignment.Planning, thumbprint string) {
	w.t.Helper()
	var prp writ.Proposal
	must(w.t, canon.Parse(p.Proposal, &prp))
	prp.Holder, p.Holder = thumbprint, thumbprint
	b, err := canon.Marshal(prp)
	must(w.t, err)
	p.Proposal, p.ProposalLeaf = b, writ.DigestOf(b)
}

func (w *world) held(name string) *held {
	w.t.Helper()
	p, key := w.heldPlan(name)
	h := &held{w.grant(p), w, key}
	h.claims.Writ.Mode = writ.ModeKey
	return h
}

// prove is a proof by the agent's key, made at the time given.
func (h *held) prove(grant string, at time.Time) string {
	h.w.t.Helper()
	p, err := token.Prove(h.key, token.Proof{Method: "POST", URL: presented, AccessTokenHash: token.AccessTokenHash(grant)}, at, rand.Reader)
	must(h.w.t, err)
	return p
}

// present sends the grant with a proof of that age.
func (h *held) present(age time.Duration) writ.AssignmentID {
	h.w.t.Helper()
	h.bundle = func(b *assignment.Bundle) { b.Proof = h.prove(b.Grant, time.Now().Add(-age)) }
	return h.w.send(h.issued)
}

// untouched fails if anything was done on the target, or told to the ledger since it had n entries.
func (w *world) untouched(n int) {
	w.t.Helper()
	if calls, _ := w.target.calls(); calls != 0 || w.target.mints != 0 {
		w.t.Errorf("%d calls and %d leases", calls, w.target.mints)
	}
	for _, e := range w.control.entries()[n:] {
		if e.Record.Actor.Kind == writ.KindRunner {
			w.t.Errorf("the ledger tells of %s", e.Record.Kind)
		}
	}
}

func TestARunnerExecutesAGrantThatItsAgentPresents(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		h := w.held("one")
		w.await(h.present(0))
		if end := w.ended(h.run); end.State != writ.RunSucceeded {
			t.Fatalf("%+v", end)
		}
	})
}

// The ceiling's handle_max_tier is for grants whose key the control plane has.
func TestI12HandleMaxTierCapsOnlyWhatTheControlPlanePresents(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.trust.Ceiling.HandleMaxTier = writ.T0
		w.sign()
		w.start()
		if end := w.execute(w.grant(w.planned("one"))); end.State != writ.RunRefused || end.Reason != writ.ReasonOverCeiling {
			t.Errorf("in mode handle: %+v", end)
		}
		h := w.held("one")
		w.await(h.present(0))
		if end := w.ended(h.run); end.State != writ.RunSucceeded {
			t.Errorf("in mode key: %+v", end)
		}
		w.target.reset()
		high := w.held("high") // what people must agree to, they must agree to in either mode
		w.await(high.present(0))
		if end := w.ended(high.run); end.Reason != writ.ReasonApprovalQuorum {
			t.Errorf("T2 without approvals: %+v", end)
		}
	})
}

func TestI03AHeldGrantIsRefusedUnlessItsOwnKeyPresentsIt(t *testing.T) {
	for name, prove := range map[string]func(w *world, h *held, b *assignment.Bundle) string{
		"the control plane's key": func(w *world, h *held, b *assignment.Bundle) string { return "" }, // the fake makes it
		"a thief's key": func(w *world, h *held, b *assignment.Bundle) string {
			thief := &held{w: w}
			thief.key, _ = token.NewKey(rand.Reader)
			return thief.prove(b.Grant, time.Now())
		},
		"a proof for another grant": func(w *world, h *held, b *assignment.Bundle) string { return h.prove("another", time.Now()) },
		"an old proof for another grant": func(w *world, h *held, b *assignment.Bundle) string {
			return h.prove("another", time.Now().Add(-2*token.ProofLife))
		},
		"no proof": func(w *world, h *held, b *assignment.Bundle) string { return "x" },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.start()
				h := w.held("one")
				h.bundle = func(b *assignment.Bundle) { b.Proof = prove(w, h, b) }
				w.await(w.send(h.issued))
				if end := w.ended(h.run); end.State != writ.RunRefused || end.Reason != writ.ReasonPresenter {
					t.Errorf("%+v", end)
				}
				if calls, _ := w.target.calls(); calls != 0 {
					t.Errorf("%d calls", calls)
				}
			})
		})
	}
}

// A proof is good for a minute. When the runner comes later, nothing is wrong with the grant: it is told so, records no
// end, and takes the grant with a new proof, once.
func TestI13AProofThatCameTooLateDoesNotUseTheGrantUp(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		h := w.held("one")
		n := len(w.control.entries())
		a := w.await(h.present(token.ProofLife))
		if a.Refused == nil || a.Refused.Code != writ.ReasonProofExpired || a.Ended {
			t.Fatalf("%+v", a)
		}
		w.untouched(n)
		if _, err := w.journal.Run(context.Background(), h.run); writ.ReasonOf(err) != "" || err == nil {
			t.Errorf("the journal knows the run: %v", err)
		}
		w.await(h.present(0))
		if end := w.ended(h.run); end.State != writ.RunSucceeded {
			t.Fatalf("%+v", end)
		}
		if a := w.await(h.present(0)); !a.Ended {
			t.Errorf("presented once more: %+v", a)
		}
		if calls, _ := w.target.calls(); calls != 1 {
			t.Errorf("%d calls", calls)
		}
	})
}

// A process that dies between the use of the proof and the use of the grant has done nothing: the proof is void, and the
// grant is not.
func TestI13AProofThatWasUsedBeforeACrashDoesNotUseTheGrantUp(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		h := w.held("one")
		n := len(w.control.entries())
		h.bundle = func(b *assignment.Bundle) {
			b.Proof = h.prove(b.Grant, time.Now())
			jti, err := token.CheckProof(b.Proof, token.WantProof{Method: "POST", URL: presented, Token: b.Grant, Thumbprint: token.Thumbprint(&h.key.PublicKey), Now: time.Now(), Life: token.ProofLife})
			must(t, err)
			must(t, w.journal.UseProof(context.Background(), jti, time.Now().Add(time.Minute)))
		}
		a := w.await(w.send(h.issued))
		if a.Refused == nil || a.Refused.Code != writ.ReasonPresentedTwice {
			t.Fatalf("%+v", a)
		}
		w.untouched(n)
		w.await(h.present(0))
		if end := w.ended(h.run); end.State != writ.RunSucceeded {
			t.Fatalf("%+v", end)
		}
	})
}

// Pitfalls 11 and 29: a grant 6 s past exp, a clock ten minutes off, and a stale feed.
func TestPitfall29AHeldGrantOutOfItsTimeIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		want   writ.Reason
		change func(w *world, h *held)
	}{
		"6 s past exp": {writ.ReasonGrantExpired, func(w *world, h *held) { time.Sleep(time.Until(time.Unix(h.claims.Expires, 0)) + 6*time.Second) }},
		"a clock ten minutes ahead": {writ.ReasonGrantExpired, func(w *world, h *held) {
			w.skew.Store(int64(10 * time.Minute))
			w.control.FeedAge = -10 * time.Minute
		}},
		"a clock ten minutes behind": {writ.ReasonGrantClaims, func(w *world, h *held) {
			w.skew.Store(-int64(10 * time.Minute))
			w.control.FeedAge = 10 * time.Minute
		}},
		"a stale feed": {writ.ReasonFeedStale, func(w *world, h *held) {
			w.control.aged(6 * time.Minute)
			time.Sleep(6 * time.Minute)
			now := time.Now().Unix()
			h.claims.IssuedAt, h.claims.NotBefore, h.claims.Expires = now, now, now+60
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.start()
				h := w.held("one")
				c.change(w, h)
				a := w.await(h.present(0))
				code := w.ended(h.run).Reason
				if a.Refused != nil {
					code = a.Refused.Code
				}
				if code != c.want {
					t.Errorf("told %s, want %s", code, c.want)
				}
				if calls, _ := w.target.calls(); calls != 0 || w.target.mints != 0 {
					t.Errorf("%d calls and %d leases", calls, w.target.mints)
				}
			})
		})
	}
}

func TestARunnerPlansForNoOtherHolderThanTheProposalNames(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		a := w.propose("one", func(p *assignment.Planning) {
			mine := p.Holder // the dispatch key's
			w.heldBy(p, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I")
			p.Holder = mine
		})
		if a.Refused == nil || a.Refused.Code != writ.ReasonHolderAltered {
			t.Errorf("%+v", a)
		}
	})
}

// CAP-05: a runner's clock that is moved back gives an expired grant no more time: what the control plane says now lies in
// that clock's future.
func TestCAP05AClockThatIsMovedBackExtendsNoGrant(t *testing.T) {
	for name, back := range map[string]time.Duration{"two minutes": 2 * time.Minute, "ten minutes": 10 * time.Minute, "an hour": time.Hour} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.start()
				h := w.held("one")
				time.Sleep(time.Until(time.Unix(h.claims.Expires, 0)) + 30*time.Second)
				w.skew.Store(-int64(back))
				a := w.await(h.present(0))
				if a.Refused == nil && w.ended(h.run).State != writ.RunRefused {
					t.Errorf("%+v", a)
				}
				if calls, _ := w.target.calls(); calls != 0 || w.target.mints != 0 {
					t.Errorf("%d calls and %d leases", calls, w.target.mints)
				}
			})
		})
	}
}
