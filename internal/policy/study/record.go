package study

import (
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
)

// A Record is one decision as the ledger has it, with what is needed to decide it again.
type Record struct {
	Decision writ.DecisionID
	Plan     writ.PlanID
	Phase    writ.Phase
	Step     string
	At       time.Time
	Request  policy.Request
	Answer   writ.Decision // verdict, reason, rules, requirements and set only

	// Alone says that only the playbook was recorded, and not the operations: entries of before they were.
	Alone bool
}

// Records are the decisions of a bundle.
type Records struct {
	All     []Record
	Skipped int // decisions whose plan or facts are not there, or not readable
}

// maxRecords bounds what one simulation holds: about 3 KiB each.
const maxRecords = 1_000_000

// record puts the request together, as far as the decision itself has it. It is false for facts that cannot be read.
func record(body writ.DecisionBody, at time.Time) (Record, bool) {
	f, err := policy.ParseFacts(body.Facts)
	if err != nil {
		return Record{}, false
	}
	return Record{
		Decision: body.Decision, Plan: body.Plan, Phase: body.Phase, Step: body.Step, At: at,
		Request: policy.Request{Playbook: body.Playbook, Operations: body.Operations, Facts: f},
		Answer: writ.Decision{
			Observed: body.Observed, Verdict: body.Verdict, Reason: body.Reason, Policies: body.Policies, Requirements: body.Requirements, Policy: body.Policy,
		},
	}, true
}
