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
