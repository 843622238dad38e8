package study

import (
	"fmt"
	"runtime"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
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

// FromBundle reads the decisions of a ledger bundle, in its order. It takes the bundle as it is: package verify judges
// it. Errors wrap writ.ErrInvalid.
func FromBundle(b ledger.Bundle) (Records, error) {
	entries, err := open(b.Entries)
	if err != nil {
		return Records{}, err
	}
	var out Records
	plans := map[writ.PlanID]writ.PlanBody{}
	for _, e := range entries {
		switch body := e.Body.(type) {
		case *writ.PlanBody:
			plans[body.Plan] = *body
		case *writ.DecisionBody:
			if len(out.All) == maxRecords {
				return Records{}, fmt.Errorf("%w: more than %d decisions: simulate a part of the ledger", writ.ErrInvalid, maxRecords)
			}
			plan, known := plans[body.Plan]
			r, ok := record(*body, e.Record.Time, plan)
			if !known || !ok {
				out.Skipped++
				continue
			}
			out.All = append(out.All, r)
		}
	}
	return out, nil
}

// open opens all leaves, several at once: it is most of the work. The error is that of the first that cannot be read.
func open(leaves []ledger.BundleEntry) ([]ledger.Entry, error) {
	out, errs := make([]ledger.Entry, len(leaves)), make([]error, len(leaves))
	each(len(leaves), runtime.GOMAXPROCS(0), func(i int) { out[i], errs[i] = ledger.Open(leaves[i].Leaf) })
	for i, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("%w: entry %d: %w", writ.ErrInvalid, leaves[i].Index, err)
		}
	}
	return out, nil
}

// record puts the request together. The facts hold the tier after the raises of the set that decided; the plan's own
// tier is below it or the same, and is what the next set must raise by itself.
func record(body writ.DecisionBody, at time.Time, plan writ.PlanBody) (Record, bool) {
	f, err := policy.ParseFacts(body.Facts)
	if err != nil {
		return Record{}, false
	}
	if plan.Tier.Valid() {
		f.Tier = min(f.Tier, int(plan.Tier))
	}
	r := Record{
		Decision: body.Decision, Plan: body.Plan, Phase: body.Phase, Step: body.Step, At: at,
		Request: policy.Request{Playbook: body.Playbook, Operations: body.Operations, Facts: f},
		Answer: writ.Decision{
			Observed: body.Observed, Verdict: body.Verdict, Reason: body.Reason, Policies: body.Policies, Requirements: body.Requirements, Policy: body.Policy,
		},
	}
	if r.Request.Playbook == "" && len(r.Request.Operations) == 0 {
		r.Request.Playbook, r.Alone = plan.Playbook.Name, true
	}
	return r, true
}
