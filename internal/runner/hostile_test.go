package runner_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/trust"
)

// TestI12TheServerAloneCannotActBeyondTheCeiling gives an attacker the whole control plane: the keys for grants,
// presenting, entries and the ledger, the delivery of everything, and the file that the runner reads its trust from.
// It has no approver's key and no owner's.
func TestI12TheServerAloneCannotActBeyondTheCeiling(t *testing.T) {
	for name, c := range map[string]struct {
		want   writ.Reason
		attack func(w *world) *issued
	}{
		"a T2 plan without anybody's approval": {writ.ReasonApprovalQuorum, func(w *world) *issued {
			return w.grant(w.planned("high"))
		}},
		"a T2 plan called T1 in the grant": {writ.ReasonTierUnderstated, func(w *world) *issued {
			g := w.grant(w.planned("high"))
			g.claims.Writ.Tier = writ.T1
			return g
		}},
		"a T2 plan called T1 in plan and grant": {writ.ReasonPlanMismatch, func(w *world) *issued {
			p := w.planned("high")
			p.Tier, p.Steps[0].Tier = writ.T1, writ.T1
			return w.grant(p)
		}},
		"an approval with a key of the attacker's own": {writ.ReasonApproverUnknown, func(w *world) *issued {
			_, key, err := ed25519.GenerateKey(rand.Reader)
			must(w.t, err)
			w.people["ann"], err = ssh.NewSignerFromKey(key)
			must(w.t, err)
			p := w.planned("high")
			return w.grant(p, w.approve(p, "ann"))
		}},
		"an approval that was given for another plan": {writ.ReasonApprovalMismatch, func(w *world) *issued {
			other, p := w.planned("high"), w.planned("high")
			g := w.grant(p)
			a := w.approve(other, "ann")
			d, err := a.Digest()
			must(w.t, err)
			g.approvals, g.claims.Writ.Approvals = []writ.Approval{a}, []writ.Digest{d}
			return g
		}},
		"an approval whose statement was edited": {writ.ReasonApprovalSignature, func(w *world) *issued {
			other, p := w.planned("high"), w.planned("high")
			a := w.approve(other, "ann")
			b, err := p.Bytes()
			must(w.t, err)
			nonce, err := ident.Nonce(rand.Reader)
			must(w.t, err)
			s, err := approval.New(p, writ.DigestOf(b), approval.Ask{Answer: writ.Approve, Person: writ.Person{Iss: "https://idp.test", Sub: "ann"},
				Slot: "owner", Now: time.Now(), Life: time.Minute * 30, Nonce: nonce})
			must(w.t, err)
			a.Statement, err = s.Bytes()
			must(w.t, err)
			return w.grant(p, a)
		}},
		"one person's approval twice": {writ.ReasonApproverConflict, func(w *world) *issued {
			p := w.planned("high")
			return w.grant(p, w.approve(p, "ann"), w.approve(p, "ann"))
		}},
		"an expired approval": {writ.ReasonApprovalExpired, func(w *world) *issued {
			p := w.planned("high")
			a := w.approve(p, "ann")
			time.Sleep(31 * time.Minute)
			g := w.grant(p)
			d, err := a.Digest()
			must(w.t, err)
			g.approvals, g.claims.Writ.Approvals = []writ.Approval{a}, []writ.Digest{d}
			return g
		}},
		"a plan that no runner made": {writ.ReasonPlanUnknown, func(w *world) *issued {
			p := w.planned("one")
			p.ID = newID[writ.PlanID](w, "pln")
			p.Steps[0].Key = string(p.ID) + ".1"
			return w.grant(p)
		}},
		"another call under a genuine plan id": {writ.ReasonCallAltered, func(w *world) *issued {
			p := w.planned("one")
			p.Steps[0].Call.Path = "/things/b"
			return w.grant(p)
		}},
		"another object under a genuine plan id": {writ.ReasonObjectAltered, func(w *world) *issued {
			p := w.planned("one")
			p.Steps[0].Object.Location = "fake://lab/things/b"
			return w.grant(p)
		}},
		"more than the ceiling's objects": {writ.ReasonOverCeiling, func(w *world) *issued {
			p := w.planned("three")
			w.trust.Version++
			w.trust.Ceiling.MaxObjects = 2
			w.sign()
			return w.grant(p)
		}},
		"more of a service than the ceiling's share": {writ.ReasonOverCeiling, func(w *world) *issued {
			w.target.Permille = 301
			return w.bounded("one", func(t *trust.Trust) { t.Ceiling.MaxPermille = 300 })
		}},
		"more runs in an hour than the ceiling's": {writ.ReasonOverCeiling, func(w *world) *issued {
			w.execute(w.grant(w.planned("two")))
			w.target.reset()
			return w.bounded("one", func(t *trust.Trust) { t.Ceiling.RunsPerHour = 1 })
		}},
		"a tier above the ceiling's": {writ.ReasonOverCeiling, func(w *world) *issued {
			return w.bounded("high", func(t *trust.Trust) {
				t.Ceiling.MaxTier, t.Ceiling.Quorum = writ.T1, map[writ.Tier]trust.Quorum{writ.T1: {}}
			})
		}},
		"outside the ceiling's hours": {writ.ReasonOverCeiling, func(w *world) *issued {
			day := strings.ToLower(time.Now().UTC().Add(24 * time.Hour).Format("Mon"))
			return w.bounded("one", func(t *trust.Trust) {
				t.Ceiling.Hours = []trust.Hours{{Days: []string{day}, From: "00:00", To: "24:00"}}
			})
		}},
		"an operation that the ceiling does not list": {writ.ReasonOverCeiling, func(w *world) *issued {
			return w.bounded("one", func(t *trust.Trust) { t.Ceiling.Operations = []writ.OperationName{"fake/thing.replace"} })
		}},
		"an object outside the ceiling's targets": {writ.ReasonOverCeiling, func(w *world) *issued {
			return w.bounded("one", func(t *trust.Trust) { t.Ceiling.Targets = []writ.Location{"fake://lab/other"} })
		}},
		"a bundle that was carried out before, as another run": {writ.ReasonSpent, func(w *world) *issued {
			g := w.grant(w.planned("one"))
			w.execute(g)
			again := *g
			again.run = newID[writ.RunID](w, "run")
			return &again
		}},
		"an older trust file, from before a key was taken off": {writ.ReasonTrustRollback, func(w *world) *issued {
			p := w.planned("high")
			old := w.file
			w.trust.Version++
			w.trust.Approvers = w.trust.Approvers[1:]
			w.sign()
			w.planned("one") // the runner reads the new file
			w.file = old
			return w.grant(p, w.approve(p, "ann"))
		}},
		"a trust file of the attacker's own": {writ.ReasonTrustInvalid, func(w *world) *issued {
			p := w.planned("high")
			w.trust.Version++
			w.trust.Ceiling.Quorum = map[writ.Tier]trust.Quorum{writ.T1: {}, writ.T2: {Approvals: 1, Proof: writ.ProofD}}
			_, w.owner, _ = ed25519.GenerateKey(rand.Reader)
			w.sign()
			return w.grant(p)
		}},
		"an older feed, from before a freeze": {writ.ReasonFeedRollback, func(w *world) *issued {
			p := w.planned("one")
			w.control.freeze(assignment.Freeze{Scope: writ.FreezeAll})
			if a := w.await(w.send(w.grant(w.planned("two")))); a.Refused == nil || a.Refused.Code != writ.ReasonFrozen {
				w.t.Fatalf("%+v", a)
			}
			w.control.mu.Lock()
			w.control.epoch, w.control.freezes = 0, nil
			w.control.mu.Unlock()
			return w.grant(p)
		}},
		"a ledger with another past": {writ.ReasonLedgerFork, func(w *world) *issued {
			if a := w.await(w.send(w.grant(w.planned("two")))); a.Refused != nil {
				w.t.Fatalf("%+v", a)
			}
			w.target.reset()
			p := w.planned("three")
			w.rewrite()
			return w.grant(p)
		}},
		"a ledger that is shorter than it was": {writ.ReasonReceipt, func(w *world) *issued {
			if a := w.await(w.send(w.grant(w.planned("two")))); a.Refused != nil {
				w.t.Fatalf("%+v", a)
			}
			w.target.reset()
			p := w.planned("three")
			w.control.TamperFor = func(a *assignment.Assignment) {
				if a.Run != nil {
					c := newControl(w.control.keys, nil)
					c.append(a.Run.GrantLeaf)
					a.Run.Receipt = c.receipt(1, 0)
				}
			}
			return w.grant(p)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.start()
				g := c.attack(w)
				before, _ := w.target.calls()
				minted := w.target.mints
				a := w.await(w.send(g))
				if a.Refused == nil || a.Refused.Code != c.want {
					t.Errorf("answered %+v, want %s", a.Refused, c.want)
				}
				if calls, _ := w.target.calls(); calls != before || w.target.mints != minted {
					t.Errorf("%d calls and %d leases for the attacker", calls-before, w.target.mints-minted)
				}
			})
		})
	}
}

// bounded plans, then lets the owner lower the ceiling, and grants.
func (w *world) bounded(name string, change func(*trust.Trust)) *issued {
	w.t.Helper()
	p := w.planned(name)
	w.trust.Version++
	change(&w.trust)
	w.sign()
	if p.Tier == writ.T1 {
		return w.grant(p)
	}
	return w.grant(p, w.approve(p, "ann"))
}

// rewrite changes the first entry of the ledger and signs the result, as the holder of the log's key can.
func (w *world) rewrite() {
	c := w.control
	c.mu.Lock()
	defer c.mu.Unlock()
	leaves := c.leaves
	c.leaves, c.nodes, c.edge, c.index = nil, nil, ledger.Edge{}, map[string]int64{}
	c.author(writ.EntryGenesis, "", writ.GenesisBody{Origin: origin, Policy: writ.DigestOf([]byte("another"))})
	for _, l := range leaves[1:] {
		c.append(l)
	}
}

func TestI12ANewGrantForASpentPlanFindsTheWorldMoved(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		p := w.planned("one")
		w.execute(w.grant(p))
		if end := w.execute(w.grant(p)); end.State != writ.RunRefused || end.Reason != writ.ReasonWorldMoved {
			t.Errorf("%+v", end)
		}
		if calls, _ := w.target.calls(); calls != 1 {
			t.Errorf("%d calls", calls)
		}
	})
}
