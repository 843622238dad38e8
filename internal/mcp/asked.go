package mcp

import (
	"fmt"

	"github.com/writ-dev/writ"
)

// withAsked says in a plan's answer, before the next step, what a person wants to see before anybody answers the plan, and what
// to do about it. What was asked is a person's text, shown like any other.
func withAsked(p writ.PlanStatus, lines []string) []string {
	if len(p.EvidenceAsked) == 0 || len(lines) == 0 || p.State != writ.PlanPlanning && p.State != writ.PlanWaiting && p.State != writ.PlanReady {
		return lines
	}
	last := p.EvidenceAsked[len(p.EvidenceAsked)-1]
	next := lines[len(lines)-1]
	said := fmt.Sprintf("EVIDENCE_ASKED_FOR by a person at %s: %s", last.At.UTC().Format("15:04:05Z"), line(last.Text, writ.MaxEvidenceAsk))
	if len(p.EvidenceSince) > 0 && p.EvidenceSince[0].At.After(last.At) {
		return append(lines[:len(lines)-1:len(lines)-1], said, "What you have read since stands on the plan's page.", next)
	}
	return append(lines[:len(lines)-1:len(lines)-1], said,
		fmt.Sprintf(`Next: read_evidence(incident="%s", kind="…") for that; it then stands on the plan's page by itself. Then get_plan(plan_id="%s", wait_seconds=20). Do not propose the same plan again.`, p.Incident, p.ID))
}
