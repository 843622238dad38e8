package crash_test

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/writ-dev/writ"
)

// stormVariable asks for a storm of so many kills instead of the short one.
const stormVariable = "WRIT_STORM_KILLS"

// TestD11KillsUnderLoadLoseNothing kills random processes at random moments while several services are repaired at once.
// When the storm is over, every repair that was acknowledged has ended, no change was made twice, no token has power,
// and the ledger verifies.
func TestD11KillsUnderLoadLoseNothing(t *testing.T) {
	t.Parallel()
	kills := 12
	if !testing.Short() {
		kills = 60
	}
	if text := os.Getenv(stormVariable); text != "" {
		n, err := strconv.Atoi(text)
		must(t, err)
		kills = n
	}
	const agents = 4
	s := newSite(t, threeProcesses, withServices(agents))
	seed := rand.Uint64()
	t.Logf("%d kills, seed %d", kills, seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	var over atomic.Bool
	var mu sync.Mutex
	var repairs []repair
	var work sync.WaitGroup
	for i := range agents {
		work.Go(func() {
			for !over.Load() {
				r, err := s.drive(scenarioOf(scenarios, []string{"success", "undo"}[i%2]), s.services[i])
				mu.Lock()
				if r.plan.Run != "" {
					repairs = append(repairs, r)
				}
				mu.Unlock()
				if err != nil {
					t.Errorf("%s: %v", s.services[i], err)
					return
				}
			}
		})
	}
	s.storm.Store(true)
	for range kills {
		time.Sleep(time.Duration(200+dice.IntN(1800)) * time.Millisecond)
		p := s.processes()[dice.IntN(3)]
		before, _, _ := p.state()
		p.signal(syscall.SIGKILL)
		await(t, "the next "+p.name, func() (bool, string) { n, _, failed := p.state(); return n > before && failed == "", failed })
	}
	ended := time.Now()
	over.Store(true)
	s.storm.Store(false)
	work.Wait()
	dead, err := s.quiet()
	s.sound(t, err)
	states := map[writ.RunState]int{}
	for _, r := range repairs {
		states[r.run.State]++
		if !r.run.State.Final() || r.run.State == writ.RunUncertain {
			t.Errorf("the run %s of %s is %s", r.plan.Run, r.service, r.run.State)
		}
	}
	keys := map[string]int{}
	for _, e := range s.wire.taken() {
		if keys[e.key]++; keys[e.key] > 1 {
			t.Errorf("the call %s of %s had an effect %d times", e.key, e.path, keys[e.key])
		}
	}
	for _, err := range s.plane.powerless(s.services[0], "") {
		t.Error(err)
	}
	if n, err := s.database.reservations(context.Background()); err != nil || n != 0 {
		t.Errorf("%d reservations are held (%v)", n, err)
	}
	s.sound(t, s.verified())
	if len(repairs) == 0 {
		t.Error("nothing was repaired in the storm")
	}
	t.Logf("%d kills, %d repairs: %v; quiet %.1f s after the last kill", kills, len(repairs), states, dead.Sub(ended).Seconds())
}
