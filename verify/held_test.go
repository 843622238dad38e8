package verify_test

import (
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/verify"
)

// The proposal says who is to hold the grant; plan and grant must name that key, whoever signed them.
func TestI03AnAuditorSeesWhoHeldAGrant(t *testing.T) {
	for name, c := range map[string]struct {
		asked, planned, granted string
		mode                    writ.HolderMode
		code                    string // of the one finding; empty for none
	}{
		"the control plane": {"", "dispatch", "dispatch", writ.ModeHandle, ""},
		"the agent":         {"mine", "mine", "mine", writ.ModeKey, ""},
		"another key":       {"mine", "dispatch", "dispatch", writ.ModeKey, "holder"},
		"another grant":     {"mine", "mine", "dispatch", writ.ModeKey, "grant"},
	} {
		w := newWorld(t)
		body[writ.ProposalBody](w, proposal).Holder = c.asked
		body[writ.PlanBody](w, planned).Holder = c.planned
		body[writ.GrantBody](w, granted).Holder = c.granted
		b := w.bundle()
		r := judge(t, raw(t, b), w.trust(), []byte(b.Checkpoint))
		var codes []string
		for _, f := range r.Findings {
			codes = append(codes, f.Code)
		}
		if got := strings.Join(codes, " "); got != c.code || r.Plans[0].Mode != c.mode {
			t.Errorf("%s: findings %q, mode %s\n%s", name, got, r.Plans[0].Mode, r.Text())
		}
		if held := strings.Contains(r.Text(), "held by the agent"); held != (c.mode == writ.ModeKey) {
			t.Errorf("%s: the text says held: %t", name, held)
		}
		if c.code == "" && r.Verdict() != verify.OK {
			t.Errorf("%s: %s", name, r.Text())
		}
	}
}
