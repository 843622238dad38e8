package verify_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/verify"
)

// raised makes the plan count as of a tier, as its decisions and its grant say; its own stays T2. The first owner types what
// typed says; a second one does too, unless there is only one.
func (w *world) raised(tier writ.Tier, typed string, people int) {
	w.t.Helper()
	for _, i := range w.items {
		switch b := i.body.(type) {
		case *writ.DecisionBody:
			b.Facts = json.RawMessage(fmt.Sprintf(`{"tier":%d}`, tier))
		case *writ.GrantBody:
			b.Tier = tier
		}
	}
	w.statement.Typed, w.statement.Tier = typed, max(tier, writ.T2)
	if people < 2 {
		return
	}
	second := *w.items[approved]
	second.nonce = "second" + second.nonce
	second.before = func(w *world, i *item) {
		statement, human, first := w.statement, w.human, *w.approval
		other, err := ssh.NewSignerFromKey(key(7))
		if err != nil {
			w.t.Fatal(err)
		}
		w.statement.Approver, w.statement.Nonce, w.human = seconder, "statementnonce00000002", other
		b := w.approvalBody()
		b.Approval = id[writ.ApprovalID]("apr", 2)
		i.body = b
		g := w.entry(writ.EntryGrant).body.(*writ.GrantBody)
		for _, a := range []writ.Approval{first, *w.approval} {
			d, err := a.Digest()
			if err != nil {
				w.t.Fatal(err)
			}
			g.Approvals = append(g.Approvals, d)
		}
		w.statement, w.human = statement, human
	}
	w.items = slices.Insert(w.items, approved+1, &second)
	for _, i := range w.items {
		i.refs = slices.Clone(i.refs)
		for n := range i.refs {
			if i.refs[n] > approved {
				i.refs[n]++
			}
		}
	}
}

// TestI12AGrantBelowItsTierInForceIsFoundOffline: what the decision recorded holds for the people that the grant counts and
// for what the grant says, whatever the log says that was required.
func TestI12AGrantBelowItsTierInForceIsFoundOffline(t *testing.T) {
	for name, c := range map[string]struct {
		tier   writ.Tier
		as     writ.Tier // that the people answered it as of; the zero: that one
		typed  string
		people int
		spoil  func(*writ.GrantBody)
		code   string // "" for an honest log
	}{
		"T3 by two":                         {tier: writ.T3, people: 2},
		"T4 by two who typed the name":      {tier: writ.T4, typed: "api", people: 2},
		"T3 by one":                         {tier: writ.T3, people: 1, code: "quorum"},
		"T3 by two who were shown T2":       {tier: writ.T3, as: writ.T2, people: 2, code: "approved_lower"},
		"T2 by two who were shown T3":       {tier: writ.T2, as: writ.T3, people: 2},
		"T4 by one":                         {tier: writ.T4, typed: "api", people: 1, code: "quorum"},
		"T4, and nothing is typed":          {tier: writ.T4, people: 2, code: "typed"},
		"T4, and another name is typed":     {tier: writ.T4, typed: "apis", people: 2, code: "typed"},
		"T4, and the grant says T2":         {tier: writ.T4, typed: "api", people: 2, spoil: func(g *writ.GrantBody) { g.Tier = writ.T2 }, code: "tier_understated"},
		"T3, and the grant says nothing":    {tier: writ.T3, people: 2, spoil: func(g *writ.GrantBody) { g.Tier = 0 }, code: "tier_understated"},
		"T2, and the grant says T3":         {tier: writ.T2, people: 2, spoil: func(g *writ.GrantBody) { g.Tier = writ.T3 }, code: "tier_understated"},
		"a decision that recorded no tier":  {tier: 9, typed: "api", people: 2, spoil: func(g *writ.GrantBody) { g.Tier = writ.T2 }, code: "tier_understated"},
		"decided below the plan's own tier": {tier: writ.T1, people: 1, spoil: func(g *writ.GrantBody) { g.Tier = writ.T2 }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.raised(min(c.tier, writ.T4), c.typed, c.people)
			if c.as != writ.T0 {
				w.statement.Tier = c.as
			}
			g := w.entry(writ.EntryGrant).body.(*writ.GrantBody)
			if c.tier == 9 {
				for _, i := range w.items {
					if d, ok := i.body.(*writ.DecisionBody); ok {
						d.Facts = json.RawMessage(`{"tier":9}`)
					}
				}
			}
			if c.spoil != nil {
				c.spoil(g)
			}
			b := w.bundle()
			r := judge(t, raw(t, b), w.policyTrust(), []byte(b.Checkpoint))
			found := slices.ContainsFunc(r.Findings, func(f verify.Finding) bool { return f.Code == c.code })
			switch {
			case c.code == "" && (r.Verdict() != verify.OK || len(r.Findings) != 0 || r.Plans[0].Tier != max(c.tier, writ.T2)):
				t.Errorf("an honest log of %s:\n%s", r.Plans[0].Tier, r.Text())
			case c.code != "" && (r.Verdict() != verify.Violated || !found):
				t.Errorf("no finding %q:\n%s", c.code, r.Text())
			}
		})
	}
}
