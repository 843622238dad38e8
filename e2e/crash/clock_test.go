package crash_test

import (
	"errors"
	"testing"

	"github.com/writ-dev/writ"
)

// TestD02AClockThatJumpsEndsSafe puts the clock of server or runner an hour forward or back: while a run waits for its
// effect, and while a person is asked. What has expired by the new clock is refused, nothing counts as verified that was
// not read, the run ends, and the ledger shows a clock that went back. With the clock right again, repairs go through.
func TestD02AClockThatJumpsEndsSafe(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"server", "runner"} {
		for _, by := range []string{"1h", "-1h"} {
			t.Run(name+" "+by, func(t *testing.T) {
				t.Parallel()
				s := newSite(t, threeProcesses)
				p := map[string]*process{"server": s.server, "runner": s.runner}[name]
				jump := func(s *site) error {
					if by[0] == '-' {
						s.jumped.Store(true)
					}
					return p.write("clock " + by + "\n")
				}
				right := func() {
					s.jumped.Store(true)
					must(t, p.write(""))
				}

				verifying := scenarioOf(scenarios, "stop")
				verifying.during = func(s *site, run writ.RunID) error {
					return errors.Join(s.applied(run), jump(s), s.stopWhenApplied(run))
				}
				r, err := s.drive(verifying, s.services[0])
				s.sound(t, err)
				_, err = s.quiet()
				s.sound(t, err)
				s.sound(t, s.accept(r, writ.RunUndone))

				right()
				asked := scenarioOf(scenarios, "approved")
				asked.asked = jump
				r, err = s.drive(asked, s.services[0])
				if r.plan.Run == "" {
					if n := len(s.wire.taken()); err == nil || n != 0 {
						t.Errorf("%d changes without a run (%v)", n, err)
					}
				} else {
					s.sound(t, err)
					_, err = s.quiet()
					s.sound(t, err)
					s.sound(t, s.accept(r, writ.RunSucceeded, writ.RunRefused, writ.RunFailed, writ.RunExpired))
				}
				t.Logf("the plan is %s, its run %s (%v)", r.plan.State, r.run.State, err)

				right()
				s.last(t)
			})
		}
	}
}
