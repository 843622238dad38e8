package runner_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/token"
	"github.com/writ-dev/writ/internal/trust"
)

// altered sends other plan bytes than the runner made, with everything else genuine.
func altered(change func(*writ.Plan)) func(*world, *issued) {
	return func(w *world, g *issued) {
		p, _, err := writ.ParsePlan(g.bytes)
		must(w.t, err)
		change(&p)
		b, err := canon.Marshal(p)
		must(w.t, err)
		g.bytes = b
	}
}

// refusals has one case for each way in which a bundle, or the world around it, can be wrong. The bundle is otherwise
// a genuine T2 plan with one genuine approval.
var refusals = map[string]struct {
	want   writ.Reason
	change func(w *world, g *issued)
}{
	"a freeze covers the plan": {writ.ReasonFrozen, func(w *world, g *issued) {
		w.control.freeze(assignment.Freeze{Scope: writ.FreezeService, Value: service})
	}},
	"the feed is too old for T2": {writ.ReasonFeedStale, func(w *world, g *issued) {
		w.control.aged(31 * time.Second)
		time.Sleep(31 * time.Second) // what was heard before is too old as well
	}},
	"the feed is from the future": {writ.ReasonFeedStale, func(w *world, g *issued) { w.control.aged(-time.Minute) }},
	"the feed is rolled back": {writ.ReasonFeedRollback, func(w *world, g *issued) {
		w.control.TamperFor = func(a *assignment.Assignment) {
			w.control.epoch = 3
			a.Feed = w.control.feed()
		}
		must(w.t, w.journal.KeepFeed(w.t.Context(), 4, nil))
	}},
	"the feed is signed by somebody else": {writ.ReasonFeedStale, func(w *world, g *issued) {
		w.control.TamperFor = func(a *assignment.Assignment) {
			mine := w.control.entry
			w.control.entry = newAuthor(w.t)
			a.Feed = w.control.feed()
			w.control.entry = mine
		}
	}},
	"there is no trust file": {writ.ReasonTrustMissing, func(w *world, g *issued) { w.file = nil }},
	"the trust file is signed by somebody else": {writ.ReasonTrustInvalid, func(w *world, g *issued) {
		_, w.owner, _ = ed25519.GenerateKey(rand.Reader)
		w.sign()
	}},
	"the trust file has expired": {writ.ReasonTrustExpired, func(w *world, g *issued) {
		w.trust.Version, w.trust.Expires = 2, writ.Instant(time.Now().Add(-time.Second))
		w.sign()
	}},
	"the trust file is rolled back": {writ.ReasonTrustRollback, func(w *world, g *issued) {
		must(w.t, w.journal.RaiseTrustVersion(w.t.Context(), 9))
		w.trust.Version, w.trust.Issuer = 8, "https://old.test"
		w.sign()
	}},
	"the grant is signed with an unknown key": {writ.ReasonGrantHeader, func(w *world, g *issued) {
		k := w.control.keys
		k.grant, _ = token.NewKey(rand.Reader)
		g.signer = &k
	}},
	"the grant's signature is cut from another": {writ.ReasonGrantSignature, func(w *world, g *issued) {
		g.bundle = func(b *assignment.Bundle) {
			c := []byte(b.Grant)
			i := len(c) - 10
			c[i] = map[bool]byte{true: 'B', false: 'A'}[c[i] == 'A']
			b.Grant = string(c)
		}
	}},
	"the grant is for another runner": {writ.ReasonGrantClaims, func(w *world, g *issued) { g.claims.Audience = "spiffe://writ.test/runner/other" }},
	"the grant is by another issuer":  {writ.ReasonGrantClaims, func(w *world, g *issued) { g.claims.Issuer = "https://evil.test" }},
	"the grant has expired": {writ.ReasonGrantExpired, func(w *world, g *issued) {
		g.claims.IssuedAt, g.claims.NotBefore, g.claims.Expires = time.Now().Unix()-300, time.Now().Unix()-300, time.Now().Unix()-6
	}},
	"the grant was revoked":                  {writ.ReasonRevoked, func(w *world, g *issued) { w.control.revoke(g.claims.ID) }},
	"the grant's entry is not in the ledger": {writ.ReasonNotInLedger, func(w *world, g *issued) { g.unlogged = true }},
	"the grant's entry is of another run": {writ.ReasonNotInLedger, func(w *world, g *issued) {
		other := newID[writ.RunID](w, "run")
		g.body = func(b *writ.GrantBody) { b.Run = other }
	}},
	"the grant's entry is of another token": {writ.ReasonNotInLedger, func(w *world, g *issued) {
		g.body = func(b *writ.GrantBody) { b.TokenDigest = writ.DigestOf([]byte("other")) }
	}},
	"the grant's entry tells of other duties": {writ.ReasonNotInLedger, func(w *world, g *issued) {
		g.body = func(b *writ.GrantBody) { b.Duties = writ.Duties{VerifyWithin: 1} }
	}},
	"the grant's entry is not by the control plane": {writ.ReasonNotInLedger, func(w *world, g *issued) {
		mine := w.control.entry
		w.control.entry = newAuthor(w.t)
		g.bundle = func(*assignment.Bundle) { w.control.entry = mine }
	}},
	"the receipt is signed by another log": {writ.ReasonReceipt, func(w *world, g *issued) {
		_, other, _ := ed25519.GenerateKey(rand.Reader)
		w.control.TamperFor = func(a *assignment.Assignment) {
			head := w.control.edge.Head()
			note, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: origin, Size: head.Size, Root: head.Root}, other)
			must(w.t, err)
			a.Run.Receipt.Checkpoint = note
		}
	}},
	"the plan does not parse": {writ.ReasonPlanForm, func(w *world, g *issued) { g.bytes = append(g.bytes, ' ') }},
	"the plan was made by nobody here": {writ.ReasonPlanUnknown, func(w *world, g *issued) {
		altered(func(p *writ.Plan) {
			p.ID = newID[writ.PlanID](w, "pln")
			p.Steps[0].Key = string(p.ID) + ".1"
		})(w, g)
	}},
	"the call is altered":     {writ.ReasonCallAltered, altered(func(p *writ.Plan) { p.Steps[0].Call.Path = "/things/b" })},
	"the body is altered":     {writ.ReasonCallAltered, altered(func(p *writ.Plan) { p.Steps[0].Call.Body = writ.Commit([32]byte{1}, "body", []byte("x")) })},
	"the object is altered":   {writ.ReasonObjectAltered, altered(func(p *writ.Plan) { p.Steps[0].Object.Version = "2" })},
	"the diff is altered":     {writ.ReasonDiffAltered, altered(func(p *writ.Plan) { p.Steps[0].Diff[0].After = "harmless" })},
	"the playbook is altered": {writ.ReasonPlaybookAltered, altered(func(p *writ.Plan) { p.Playbook.Digest = writ.DigestOf([]byte("x")) })},
	"a parameter is altered":  {writ.ReasonParametersAltered, altered(func(p *writ.Plan) { p.Steps[0].With["value"] = writ.String("other") })},
	"the evidence is altered": {writ.ReasonEvidenceAltered, altered(func(p *writ.Plan) {
		p.Evidence = []writ.EvidenceRef{{ID: "ev_00VHNCZB0028SMYQBBRPW3M6W3", Commitment: writ.Commit([32]byte{}, "e", nil)}}
	})},
	"the policy is altered":   {writ.ReasonPolicyAltered, altered(func(p *writ.Plan) { p.Policy = writ.DigestOf([]byte("weaker")) })},
	"the window is altered":   {writ.ReasonWindowAltered, altered(func(p *writ.Plan) { p.Window.NotAfter = p.Window.NotAfter.Add(time.Hour) })},
	"the budget is altered":   {writ.ReasonBudgetAltered, altered(func(p *writ.Plan) { p.Budget.MaxObjects = 99 })},
	"the holder is altered":   {writ.ReasonHolderAltered, altered(func(p *writ.Plan) { p.Holder = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" })},
	"another part is altered": {writ.ReasonPlanMismatch, altered(func(p *writ.Plan) { p.Title = "Something else" })},
	"the grant is for another plan digest": {writ.ReasonPlanDigest, func(w *world, g *issued) {
		g.claims.AuthorizationDetails[0].PlanDigest = writ.DigestOf([]byte("x"))
	}},
	"the grant names another policy": {writ.ReasonPolicyAltered, func(w *world, g *issued) { g.claims.Writ.Policy = writ.DigestOf([]byte("weaker")) }},
	"the grant names another object": {writ.ReasonPlanMismatch, func(w *world, g *issued) {
		g.claims.AuthorizationDetails[0].Locations = []writ.Location{"fake://lab/things/b"}
	}},
	"the grant says a lower tier": {writ.ReasonTierUnderstated, func(w *world, g *issued) { g.claims.Writ.Tier = writ.T1 }},
	"the window is over": {writ.ReasonOutsideWindow, func(w *world, g *issued) {
		time.Sleep(61 * time.Minute)
		now := time.Now().Unix()
		g.claims.IssuedAt, g.claims.NotBefore, g.claims.Expires = now, now, now+60
	}},
	"the playbook is not pinned any more": {writ.ReasonPlaybookUnpinned, func(w *world, g *issued) {
		w.trust.Version++
		w.trust.Playbooks = []writ.PlaybookRef{{Name: "other", Version: 1, Digest: writ.DigestOf([]byte("x"))}}
		w.sign()
	}},
	"the proof is made with another key": {writ.ReasonPresenter, func(w *world, g *issued) {
		g.bundle = func(b *assignment.Bundle) {
			other, err := token.NewKey(rand.Reader)
			must(w.t, err)
			b.Proof, err = token.Prove(other, token.Proof{Method: "POST", URL: presented, AccessTokenHash: token.AccessTokenHash(b.Grant)}, time.Now(), rand.Reader)
			must(w.t, err)
		}
	}},
	"the proof is for another URL": {writ.ReasonPresenter, func(w *world, g *issued) {
		g.bundle = func(b *assignment.Bundle) {
			var err error
			b.Proof, err = token.Prove(w.control.dispatch, token.Proof{Method: "POST", URL: "https://evil.test/v1/runs", AccessTokenHash: token.AccessTokenHash(b.Grant)}, time.Now(), rand.Reader)
			must(w.t, err)
		}
	}},
	"the proof is old": {writ.ReasonPresenter, func(w *world, g *issued) {
		g.bundle = func(b *assignment.Bundle) {
			var err error
			b.Proof, err = token.Prove(w.control.dispatch, token.Proof{Method: "POST", URL: presented, AccessTokenHash: token.AccessTokenHash(b.Grant)}, time.Now().Add(-61*time.Second), rand.Reader)
			must(w.t, err)
		}
	}},
	"an approval is left out":  {writ.ReasonApprovalsAltered, func(w *world, g *issued) { g.approvals = nil }},
	"an approval is exchanged": {writ.ReasonApprovalsAltered, func(w *world, g *issued) { g.approvals = []writ.Approval{w.approve(g.plan, "bob")} }},
	"the approver has left the roster": {writ.ReasonApproverUnknown, func(w *world, g *issued) {
		w.trust.Version++
		w.trust.Approvers = w.trust.Approvers[1:]
		w.sign()
	}},
	"the quorum was raised": {writ.ReasonApprovalQuorum, func(w *world, g *issued) {
		w.trust.Version++
		w.trust.Ceiling.Quorum = map[writ.Tier]trust.Quorum{writ.T1: {}, writ.T2: {Approvals: 2, Proof: writ.ProofD}}
		w.sign()
	}},
	"a stronger proof is asked for": {writ.ReasonApprovalProof, func(w *world, g *issued) {
		w.trust.Version++
		w.trust.Ceiling.Quorum = map[writ.Tier]trust.Quorum{writ.T1: {}, writ.T2: {Approvals: 1, Proof: writ.ProofC}}
		w.sign()
	}},
	"the ceiling lists other operations": {writ.ReasonOverCeiling, func(w *world, g *issued) {
		w.trust.Version++
		w.trust.Ceiling.Operations = []writ.OperationName{"fake/thing.set"}
		w.sign()
	}},
	"the ceiling's targets do not hold the object": {writ.ReasonOverCeiling, func(w *world, g *issued) {
		w.trust.Version++
		w.trust.Ceiling.Targets = []writ.Location{"fake://lab/others"}
		w.sign()
	}},
	"a guard does not hold any more": {writ.ReasonGuard, func(w *world, g *issued) { w.target.GuardFact = false }},
	"the object changed":             {writ.ReasonWorldMoved, func(w *world, g *issued) { w.target.things["a"] = thing{"uid-a", 2, "old"} }},
	"the object was made anew":       {writ.ReasonWorldMoved, func(w *world, g *issued) { w.target.things["a"] = thing{"uid-z", 1, "old"} }},
	"the object is gone":             {writ.ReasonWorldMoved, func(w *world, g *issued) { delete(w.target.things, "a") }},
	"somebody did it already":        {writ.ReasonWorldMoved, func(w *world, g *issued) { w.target.things["a"] = thing{"uid-a", 1, "new"} }},
}

func TestI03EveryAlteredPartIsRefusedWithItsOwnCodeAndWithoutEffect(t *testing.T) {
	for name, c := range refusals {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.start()
				p := w.planned("high")
				g := w.grant(p, w.approve(p, "ann"))
				before := len(w.control.entries())
				c.change(w, g)
				a := w.await(w.send(g))
				if a.Refused != nil && a.Refused.Code != c.want {
					t.Errorf("refused with %s (%s), want %s", a.Refused.Code, a.Refused.Detail, c.want)
				}
				end := w.ended(g.run)
				if a.Refused == nil && (end.State != writ.RunRefused || end.Reason != c.want) {
					t.Errorf("ended %s for %q, want refused for %s", end.State, end.Reason, c.want)
				}
				wantRecorded(t, w, before, c.want)
				if calls, _ := w.target.calls(); calls != 0 || w.target.mints != 0 {
					t.Errorf("%d calls and %d leases of a refused run", calls, w.target.mints)
				}
			})
		})
	}
}

// wantRecorded demands exactly one entry of the runner that tells of the refusal.
func wantRecorded(t *testing.T, w *world, before int, code writ.Reason) {
	t.Helper()
	var told []writ.Reason
	for _, e := range w.control.entries()[before:] {
		switch b := e.Body.(type) {
		case *writ.RunBody:
			told = append(told, b.Reason)
		case *writ.DenyBody:
			told = append(told, b.Reason)
		}
	}
	if len(told) != 1 || told[0] != code {
		t.Errorf("the ledger tells of %v, want one %s", told, code)
	}
}

func TestI12TheUnalteredBundleRuns(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		p := w.planned("high")
		if end := w.execute(w.grant(p, w.approve(p, "ann"))); end.State != writ.RunSucceeded {
			t.Fatalf("the base of all refusals does not run: %+v", end)
		}
	})
}

// The checks come in the order of docs/spec/runner.md: of several faults the first one's code is told.
func TestTheFirstFaultInOrderIsTold(t *testing.T) {
	order := []string{
		"a freeze covers the plan", "the grant is for another runner", "the grant was revoked", "the grant's entry is of another token",
		"another part is altered", "the grant names another policy", "the playbook is not pinned any more", "the proof is for another URL",
		"an approval is left out", "the ceiling lists other operations", "a guard does not hold any more",
	}
	for i, first := range order {
		t.Run(first, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.start()
				p := w.planned("high")
				g := w.grant(p, w.approve(p, "ann"))
				for _, fault := range order[i:] {
					refusals[fault].change(w, g)
				}
				a := w.await(w.send(g))
				code := w.ended(g.run).Reason
				if a.Refused != nil {
					code = a.Refused.Code
				}
				if code != refusals[first].want {
					t.Errorf("told %s, want %s", code, refusals[first].want)
				}
			})
		})
	}
}
