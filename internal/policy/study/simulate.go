package study

import (
	"slices"
	"sync"
	"sync/atomic"
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
const chunk = 16

// each calls do for 0 to n-1, from so many goroutines at once, which are numbered from 0, and returns when all are done.
func each(n, workers int, do func(worker, i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for worker := range max(workers, 1) {
		wg.Go(func() {
			for from := int(next.Add(chunk)) - chunk; from < n; from = int(next.Add(chunk)) - chunk {
				for i := from; i < min(from+chunk, n); i++ {
					do(worker, i)
				}
			}
		})
	}
	wg.Wait()
}

// Simulate decides every record again under next, with so many workers at once. The result does not depend on their
// number.
func Simulate(next *policy.Bundle, records Records, workers int) Simulation {
	t := newTally(next, workers)
	some := make([]*Record, 0, window)
	for part := range slices.Chunk(records.All, window) {
		some = some[:0]
		for i := range part {
			some = append(some, &part[i])
		}
		t.take(some)
	}
	t.out.Skipped = records.Skipped
	return t.done()
}

// Replay is Simulate for a bundle's text, as FromFile reads it. It holds the bundle, and of its decisions those of a window
// and those that will be told.
func Replay(next *policy.Bundle, raw []byte, workers int, progress func(done, of int)) (Simulation, error) {
	l, err := ofFile(raw)
	if err != nil {
		return Simulation{}, err
	}
	t := newTally(next, workers)
	err = l.read(progress, func(some []*Record, skipped int) error {
		t.take(some)
		t.out.Skipped += skipped
		return nil
	})
	if err != nil {
		return Simulation{}, err
	}
	return t.done(), nil
}

// A tally decides records and counts what comes out.
type tally struct {
	next    *policy.Bundle
	workers int
	got     []Kind // of the records under way
	out     Simulation
	changed map[Kind][]Record // the first MaxRows of each kind
}

func newTally(next *policy.Bundle, workers int) *tally {
	return &tally{next: next, workers: workers, out: Simulation{Counts: map[Kind]int{}}, changed: map[Kind][]Record{}}
}

// take decides some records and counts them in their order.
func (t *tally) take(some []*Record) {
	t.got = slices.Grow(t.got[:0], len(some))[:len(some)]
	each(len(some), t.workers, func(_, i int) { t.got[i] = kindOf(some[i].Answer, t.next.Answer(some[i].Request)) })
	t.out.Records += len(some)
	for i, k := range t.got {
		r := some[i]
		if r.Alone {
			t.out.Alone++
		}
		if r.Answer.Reason == writ.ReasonFrozen || r.Answer.Reason == writ.ReasonProtected {
			t.out.Above++
			k = Same
		}
		t.out.Counts[k]++
		if k != Same && len(t.changed[k]) < MaxRows {
			t.changed[k] = append(t.changed[k], *r)
		}
	}
}

// done tells what changed.
func (t *tally) done() Simulation {
	out := t.out
	for _, k := range kinds {
		if k == Same {
			continue
		}
		told := t.changed[k][:min(len(t.changed[k]), MaxRows-len(out.Rows))]
		for _, r := range told {
			out.Rows = append(out.Rows, row(k, r, t.next))
		}
		out.RowsLeft += out.Counts[k] - len(told)
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
