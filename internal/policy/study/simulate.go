package study

import (
	"slices"
	"sync"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
)

// A Simulation is what another set would have said to recorded decisions, each by itself: once one answer had been
// another, the counters of later ones would have been others too, and that is not followed.
type Simulation struct {
	Records  int          `json:"decisions"`
	Skipped  int          `json:"skipped"`   // recorded without what is needed to decide them again
	Alone    int          `json:"alone"`     // decided again on their playbook, without operations: they were not recorded
	Above    int          `json:"above"`     // decided by a freeze or a protected object, which stand above every set
	Counts   map[Kind]int `json:"counts"`    // by kind, Same included
	Rows     []Row        `json:"rows"`      // that changed, the dangerous first, then by time; at most MaxRows
	RowsLeft int          `json:"rows_left"` // that changed beyond those
}

// A Row is one recorded decision that comes out differently.
type Row struct {
	Kind     Kind            `json:"kind"`
	Decision writ.DecisionID `json:"decision"`
	Plan     writ.PlanID     `json:"plan"`
	Phase    writ.Phase      `json:"phase"`
	Step     string          `json:"step,omitempty"`
	At       time.Time       `json:"at"`
	Service  string          `json:"service"`
	Playbook string          `json:"playbook"`
	Before   string          `json:"before"`
	After    string          `json:"after"`
}

// MaxRows bounds the rows of a simulation: more than anybody reads.
const MaxRows = 1000

// Wider reports whether any decision would have permitted more in any part.
func (s Simulation) Wider() bool {
	for k, n := range s.Counts {
		if k.Wider() && n > 0 {
			return true
		}
	}
	return false
}

// chunk is how many a worker takes at a time.
const chunk = 256

// each calls do for 0 to n-1, from so many goroutines at once, and returns when all are done.
func each(n, workers int, do func(i int)) {
	work := make(chan int)
	var wg sync.WaitGroup
	for range max(workers, 1) {
		wg.Go(func() {
			for from := range work {
				for i := from; i < min(from+chunk, n); i++ {
					do(i)
				}
			}
		})
	}
	for from := 0; from < n; from += chunk {
		work <- from
	}
	close(work)
	wg.Wait()
}

// Simulate decides every record again under next, with so many workers at once. The result does not depend on their
// number.
func Simulate(next *policy.Bundle, records Records, workers int) Simulation {
	out := Simulation{Records: len(records.All), Skipped: records.Skipped, Counts: map[Kind]int{}}
	got := make([]Kind, len(records.All))
	each(len(got), workers, func(i int) { got[i] = kindOf(records.All[i].Answer, next.Answer(records.All[i].Request)) })
	for i, k := range got {
		r := &records.All[i]
		if r.Alone {
			out.Alone++
		}
		if r.Answer.Reason == writ.ReasonFrozen || r.Answer.Reason == writ.ReasonProtected {
			out.Above++
			got[i], k = Same, Same
		}
		out.Counts[k]++
	}
	for _, k := range kinds {
		if k == Same {
			continue
		}
		for i := range got {
			if got[i] != k {
				continue
			}
			if len(out.Rows) == MaxRows {
				out.RowsLeft++
				continue
			}
			out.Rows = append(out.Rows, row(k, records.All[i], next))
		}
	}
	return out
}

func row(k Kind, r Record, next *policy.Bundle) Row {
	return Row{
		Kind: k, Decision: r.Decision, Plan: r.Plan, Phase: r.Phase, Step: r.Step, At: r.At, Service: r.Request.Facts.Service,
		Playbook: r.Request.Playbook, Before: Outcome(r.Answer), After: Outcome(next.Decide(r.Request)),
	}
}

// Kinds are all kinds of change, the dangerous first.
func Kinds() []Kind { return slices.Clone(kinds) }
