package crash_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/storefront"
)

// TestI15ACutWireIsSettledByReadingAndNeverCalledAgain cuts the connection to the target before, in the middle of and
// after a call. What cannot be known by the answer is found out by reading; where the target stays away, a person is
// asked. In no case is the call made again.
func TestI15ACutWireIsSettledByReadingAndNeverCalledAgain(t *testing.T) {
	t.Parallel()
	change := func(r *http.Request, path string) bool {
		return r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, path)
	}
	for name, c := range map[string]struct {
		wire  func(s *site)
		ends  writ.RunState
		calls int // of the first step that arrived
	}{
		"before the first call": {func(s *site) { s.wire.cutOnce(lost, "/release") }, writ.RunFailed, 0},
		"after the first call":  {func(s *site) { s.wire.cutOnce(unanswered, "/release") }, writ.RunUndone, 1},
		"before the last call":  {func(s *site) { s.wire.cutOnce(lost, "/flags/dark-mode") }, writ.RunUndone, 1},
		"after the last call":   {func(s *site) { s.wire.cutOnce(unanswered, "/flags/dark-mode") }, writ.RunSucceeded, 1},
		"before every mint, for two seconds": {func(s *site) {
			s.wire.cutFor(2*time.Second, func(r *http.Request) bool {
				client, _, _ := r.BasicAuth()
				return client == storefront.ClientT1
			})
		}, writ.RunFailed, 0},
		"after the call, and then everything": {func(s *site) {
			gone := false
			s.wire.setCut(func(r *http.Request) cut {
				switch {
				case gone:
					return lost
				case change(r, "/flags/dark-mode"):
					gone = true
					time.AfterFunc(3*time.Second, func() { s.wire.setCut(nil) })
					return unanswered
				}
				return passes
			})
		}, writ.RunSucceeded, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, threeProcesses)
			sc := scenarioOf(scenarios, "success")
			sc.begin = func(*site) {}
			sent := 0
			sc.during = nil
			c.wire(s)
			defer s.wire.setCut(nil)
			r, err := s.drive(sc, s.services[0])
			s.sound(t, err)
			_, err = s.quiet()
			s.sound(t, err)
			for _, e := range s.wire.seen() {
				if strings.HasSuffix(e.path, "/release") && e.key == r.stepKey(0) {
					sent++
				}
			}
			if sent != c.calls {
				t.Errorf("the first step had %d effects, want %d", sent, c.calls)
			}
			s.sound(t, s.accept(r, c.ends))
		})
	}
}

// TestI15ATargetThatStaysAwayEndsUncertain: the answer to the call is lost and the changed object can never be read. The
// run says so, nothing else is touched, and the lease dies when the target is back.
func TestI15ATargetThatStaysAwayEndsUncertain(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a target stays away for as long as a runner asks it")
	}
	s := newSite(t, threeProcesses)
	gone := false
	s.wire.setCut(func(r *http.Request) cut {
		switch {
		case r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/flags/dark-mode"):
			gone = true
			return unanswered
		case gone && strings.HasSuffix(r.URL.Path, "/flags/dark-mode"):
			return lost
		}
		return passes
	})
	r, err := s.drive(scenarioOf(scenarios, "success"), s.services[0])
	s.sound(t, err)
	s.wire.setCut(nil)
	_, err = s.quiet()
	s.sound(t, err)
	s.sound(t, s.accept(r, writ.RunUncertain))
}
