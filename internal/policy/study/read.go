package study

import (
	"fmt"
	"runtime"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

// FromBundle reads the decisions of a ledger bundle, in its order. It takes the bundle as it is: package verify judges
// it. Errors wrap writ.ErrInvalid.
func FromBundle(b ledger.Bundle) (Records, error) {
	return collect(leaves{
		n:     len(b.Entries),
		index: func(i int) int64 { return b.Entries[i].Index },
		skim:  func(m *ledger.Skimmer, i int) (ledger.Skimmed, error) { return m.Skim(b.Entries[i].Leaf) },
	}, nil)
}

// FromFile is FromBundle for a bundle's text, of which it decodes only what is needed to decide again: each entry is
// looked at for what it is, and plans and decisions are checked and read. Progress, if it is not nil, is told now and then
// how many of how many entries were read; from one goroutine at a time.
func FromFile(raw []byte, progress func(done, of int)) (Records, error) {
	l, err := ofFile(raw)
	if err != nil {
		return Records{}, err
	}
	return collect(l, progress)
}

// collect reads all records of l.
func collect(l leaves, progress func(done, of int)) (Records, error) {
	var out Records
	err := l.read(progress, func(some []*Record, skipped int) error {
		if len(out.All)+len(some) > maxRecords {
			return fmt.Errorf("%w: more than %d decisions: simulate a part of the ledger", writ.ErrInvalid, maxRecords)
		}
		for _, r := range some {
			out.All = append(out.All, *r)
		}
		out.Skipped += skipped
		return nil
	})
	if err != nil {
		return Records{}, err
	}
	return out, nil
}

// leaves are n entries that are still to be looked at, from any goroutine.
type leaves struct {
	n     int
	index func(i int) int64
	skim  func(m *ledger.Skimmer, i int) (ledger.Skimmed, error)
}

func ofFile(raw []byte) (leaves, error) {
	all, err := ledger.Leaves(raw)
	if err != nil {
		return leaves{}, err
	}
	return leaves{
		n:     len(all),
		index: func(i int) int64 { return all[i].Index },
		skim:  func(m *ledger.Skimmer, i int) (ledger.Skimmed, error) { return m.SkimLeaf(all[i]) },
	}, nil
}

// window is how many entries are opened at once before their records are put together. It bounds memory, beside the
// bundle itself, and what one window holds stays in the processor's own.
const window = 1024

// read opens the leaves window by window, several leaves at once, and hands the records of each window to take, in their
// order, with the number of decisions that are not readable. A record is good until take returns; its parts stay as they are.
// The error is that of the first entry that cannot be read, or that of take.
func (l leaves) read(progress func(done, of int), take func(some []*Record, skipped int) error) error {
	plans := map[writ.PlanID]planned{}
	items, errs := make([]item, min(l.n, window)), make([]error, min(l.n, window))
	openers := make([]opener, runtime.GOMAXPROCS(0))
	some := make([]*Record, 0, window)
	for from := 0; from < l.n; from += window {
		part := min(window, l.n-from)
		each(part, len(openers), func(worker, i int) {
			o := &openers[worker]
			s, err := l.skim(&o.skimmer, from+i)
			if err == nil {
				err = o.open(s, &items[i])
			}
			if errs[i] = err; err != nil {
				errs[i] = fmt.Errorf("%w: entry %d: %w", writ.ErrInvalid, l.index(from+i), err)
			}
		})
		skipped := 0
		some = some[:0]
		for i := range part {
			x := &items[i]
			switch {
			case errs[i] != nil:
				return errs[i]
			case x.kind == writ.EntryPlan:
				plans[x.plan.id] = x.plan
			case x.kind == writ.EntryDecision:
				plan, known := plans[x.record.Plan]
				if !known || !x.readable {
					skipped++
					continue
				}
				x.record.of(plan)
				some = append(some, &x.record)
			}
		}
		if err := take(some, skipped); err != nil {
			return err
		}
		if progress != nil {
			progress(from+part, l.n)
		}
	}
	return nil
}

// of completes the record of a decision by its plan. The facts hold the tier after the raises of the set that decided; the
// plan's own tier is below it or the same, and is what the next set must raise by itself.
func (r *Record) of(plan planned) {
	if plan.tier.Valid() {
		r.Request.Facts.Tier = min(r.Request.Facts.Tier, int(plan.tier))
	}
	if r.Request.Playbook == "" && len(r.Request.Operations) == 0 {
		r.Request.Playbook, r.Alone = plan.playbook, true
	}
}
