package main

import (
	"fmt"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
)

// tierText says what a plan counts as where policy has raised it, and why.
func tierText(p writ.PlanStatus) string {
	if p.Plan == nil || p.Decision == nil || p.Tier() == p.Plan.Tier && len(p.Decision.TierBecause) == 0 {
		return ""
	}
	var b strings.Builder
	if p.Tier() != p.Plan.Tier {
		fmt.Fprintf(&b, "  Tier      %s: policy has raised it from %s\n", p.Tier(), p.Plan.Tier)
	}
	for _, s := range p.Decision.TierBecause {
		fmt.Fprintf(&b, "  Tier      tier %d because %s\n", p.Tier(), writ.Printable(s, 300))
	}
	return b.String()
}

// typedName refuses to sign an approval of T4 in which the object's name is not typed, before anything is asked.
func typedName(p writ.PlanStatus, verdict writ.Answer, typed string) error {
	if verdict != writ.Approve || p.Tier() < writ.T4 || typed == approval.Confirmation(*p.Plan) {
		return nil
	}
	return &usageError{fmt.Sprintf("a plan of %s is approved by typing the name of the first object that it changes", p.Tier()), "--typed NAME"}
}
