package main

import (
	"strings"
	"testing"

	"github.com/writ-dev/writ"
)

// The command line says what a raised plan counts as, and signs no approval of T4 in which the name is not typed.
func TestI12TheCommandLineAsksForWhatTheTierInForceDemands(t *testing.T) {
	p := writ.PlanStatus{
		Plan:     &writ.Plan{Tier: writ.T2, Steps: []writ.Step{{Tier: writ.T2, Object: writ.Object{Location: "kubernetes://prod/shop/deployment/checkout"}}}},
		Decision: &writ.Decision{Tier: writ.T2},
	}
	if got := tierText(p); got != "" || typedName(p, writ.Approve, "") != nil {
		t.Errorf("of T2 it says %q", got)
	}
	p.Decision = &writ.Decision{Tier: writ.T4, TierBecause: []string{"raise 1 of tiers.yaml puts it into T4 at least\x1b[2J"}}
	got := tierText(p)
	if !strings.Contains(got, "T4: policy has raised it from T2") || !strings.Contains(got, "tier 4 because raise 1") || strings.Contains(got, "\x1b") {
		t.Errorf("of T4 it says %q", got)
	}
	for typed, want := range map[string]bool{"": false, "Checkout": false, "checkout ": false, "checkout": true} {
		if err := typedName(p, writ.Approve, typed); (err == nil) != want {
			t.Errorf("%q: %v", typed, err)
		}
	}
	if err := typedName(p, writ.Reject, ""); err != nil {
		t.Errorf("a rejection: %v", err)
	}
}
