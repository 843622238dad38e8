package journal_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/runner/journal"
)

// Changes that are committed together stand and fall alone: of many runs that spend one grant one does, and what others
// write at the same time is all there, in this process and in the next.
func TestI13ChangesThatAreCommittedTogetherStandAndFallAlone(t *testing.T) {
	j, path := open(t)
	const many = 40
	name := func(i int) writ.RunID { return writ.RunID(fmt.Sprintf("run_%026d", i)) }
	var won atomic.Int64
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			err := j.Spend(ctx, run(name(i), grantID))
			switch {
			case err == nil:
				won.Add(1)
			case writ.ReasonOf(err) != writ.ReasonSpent:
				t.Errorf("run %d: %v", i, err)
			}
		})
		all.Go(func() {
			for range 3 {
				if err := j.Append(ctx, name(i), []journal.Event{{Kind: "a", At: at}}, journal.Entry{Leaf: []byte(name(i))}); err != nil {
					t.Errorf("run %d: %v", i, err)
				}
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d runs spent one grant", won.Load())
	}
	after := reopen(t, copies(t, path, -1))
	runs := 0
	for i := range many {
		events, err := after.Events(ctx, name(i))
		must(t, err)
		waiting, err := after.Waiting(ctx, name(i), 10)
		must(t, err)
		if len(events) != 3 || len(waiting) != 3 {
			t.Errorf("run %d: %d events, %d entries", i, len(events), len(waiting))
		}
		if _, err := after.Run(ctx, name(i)); err == nil {
			runs++
		}
	}
	if runs != 1 {
		t.Errorf("%d runs are there", runs)
	}
}
