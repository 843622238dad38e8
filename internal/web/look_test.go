package web_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
)

func TestAtTierThreeTheButtonsWaitForTheChange(t *testing.T) {
	for tier, waits := range map[string]bool{"T2": false, "T3": true, "T4": true} {
		f := newFake(t)
		h, _ := approvals(t, f)
		b := regexp.MustCompile(`"tier":"T[0-4]"`).ReplaceAll(f.plan.Bytes, []byte(`"tier":"`+tier+`"`))
		plan, digest, err := writ.ParsePlan(b)
		must(t, err)
		f.plan.Plan, f.plan.Bytes, f.plan.Digest = &plan, b, digest
		a := ask(t, h, "GET", "/approve/"+string(plan.ID), nil, here)
		if a.StatusCode != http.StatusOK || !strings.Contains(a.body, `id="change-end"`) {
			t.Fatalf("%s\n%s", a.Status, a.body)
		}
		if got := strings.Contains(a.body, `data-look="change-end"`); got != waits {
			t.Errorf("%s: the buttons wait: %t", tier, got)
		}
		if n := strings.Count(a.body, " disabled>"); n != 2 {
			t.Errorf("%s: %d buttons cannot be pressed before the script has looked", tier, n)
		}
	}
}
