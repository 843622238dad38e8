package verify_test

import (
	"slices"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/verify"
)

// handedUpTo puts a hand-off before the proposal, under which its agent asks.
func (w *world) handedUpTo(tier writ.Tier) {
	w.t.Helper()
	giver := writ.Principal{Kind: writ.KindAgent, Iss: agent.Iss, Sub: "spiffe://example.com/agent/diagnose"}
	hop := *w.items[proposal]
	hop.kind, hop.nonce, hop.refs = writ.EntryHandOff, "hop"+hop.nonce[3:], nil
	hop.body = &writ.HandOffBody{
		HandOff: id[writ.HandOffID]("hnd", 1), From: giver, To: agent, Lineage: []writ.Principal{giver}, Playbooks: []string{"rollback-deployment"}, MaxTier: tier, Expires: hop.at.Add(5 * time.Minute),
	}
	body[writ.ProposalBody](w, proposal).HandOff = id[writ.HandOffID]("hnd", 1)
	w.items = slices.Insert(w.items, proposal, &hop)
	for _, i := range w.items {
		i.refs = slices.Clone(i.refs)
		for n := range i.refs {
			if i.refs[n] >= proposal {
				i.refs[n]++
			}
		}
	}
}

// TestI11AGrantAboveWhatWasPassedOnIsFoundOffline: what was passed on ends at the tier in force, not at the plan's own, which is T2.
func TestI11AGrantAboveWhatWasPassedOnIsFoundOffline(t *testing.T) {
	for name, c := range map[string]struct {
		passed, inForce writ.Tier
		found           bool
	}{
		"T2 of T2": {writ.T2, writ.T2, false},
		"T3 of T3": {writ.T3, writ.T3, false},
		"T3 of T2": {writ.T2, writ.T3, true},
		"T2 of T1": {writ.T1, writ.T2, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.raised(c.inForce, "", 2)
			w.handedUpTo(c.passed)
			b := w.bundle()
			r := judge(t, raw(t, b), w.policyTrust(), []byte(b.Checkpoint))
			found := slices.ContainsFunc(r.Findings, func(f verify.Finding) bool { return f.Code == "handoff" })
			if found != c.found || !c.found && (r.Verdict() != verify.OK || len(r.Findings) != 0) {
				t.Errorf("found: %v\n%s", found, r.Text())
			}
		})
	}
}
