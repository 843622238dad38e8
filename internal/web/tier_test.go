package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
)

// A plan that policy raised is shown and answered as what it counts as: the page says the raised tier and why, the buttons
// wait as its tier demands, the name is to be typed, and the inbox and the plan's own page say the same.
func TestAPlanThatPolicyRaisedIsShownAndAskedForAtTheTierInForce(t *testing.T) {
	for tier, c := range map[writ.Tier]struct{ look, typed bool }{writ.T2: {}, writ.T3: {true, false}, writ.T4: {true, true}, writ.T0: {true, true}} {
		f := newFake(t)
		h, _ := approvals(t, f)
		b, err := f.plan.Plan.Bytes()
		must(t, err)
		f.plan.Bytes, f.plan.Digest = b, writ.DigestOf(b)
		d := *f.plan.Decision
		d.Tier, d.TierBecause = tier, []string{"raise 1 of tiers.yaml"}
		f.plan.Decision = &d
		f.plan.Approvals = []writ.ApprovalStatus{{Answer: writ.Approve, Slot: "owner", Proof: writ.ProofC, At: at, Approver: other, Reason: "go on then"}}
		want := f.plan.Tier()
		if tier != writ.T0 && want != tier || tier == writ.T0 && want != writ.T4 { // a decision that says nothing asks for the most
			t.Fatalf("decided as %s, it is %s", tier, want)
		}
		a := ask(t, h, "GET", "/approve/"+string(planID), nil, here)
		if a.StatusCode != http.StatusOK || strings.Contains(a.body, `data-look="change-end"`) != c.look || strings.Contains(a.body, `name="typed"`) != c.typed {
			t.Errorf("%s: %s; the buttons wait: %t; the name is asked for: %t", want, a.Status, strings.Contains(a.body, `data-look="change-end"`), strings.Contains(a.body, `name="typed"`))
		}
		lead := a.body[strings.Index(a.body, `<p class="lead">`):]
		if lead = lead[:strings.Index(lead, "</p>")]; !strings.Contains(lead, want.String()) || strings.Contains(a.body, "go on then") == c.look {
			t.Errorf("%s: %s; others' reasons are shown: %t", want, lead, strings.Contains(a.body, "go on then"))
		}
	}
}
