package e2e_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
)

// standby starts a second process of the runner: the same identity and key, and a journal of its own.
func (s *site) standby() {
	s.t.Helper()
	c, err := config.LoadRunner(s.in.Runner)
	must(s.t, err)
	c.Journal = filepath.Join(s.dir, "standby-journal.db")
	b, err := yaml.Marshal(c)
	must(s.t, err)
	file := filepath.Join(filepath.Dir(s.in.Runner), "standby.yaml")
	write(s.t, file, b)
	s.procs["standby"] = s.launch(s.t, s.dir, "standby", "runner", "-c", file)
}

// says waits until a process has printed something.
func (s *site) says(process, what string) {
	s.t.Helper()
	await(s.t, process+" to say: "+what, func() (bool, string) {
		return strings.Contains(string(read(s.t, s.procs[process].log)), what), s.procs[process].tail()
	})
}

// TestTOC03APausedRunnerThatComesBackMovesNothing stops a runner in the middle of its call, as a machine that stalls
// does. The process that stands by takes over: it ends the credential by its name on the cluster and the run as
// uncertain. The first one comes back to a dead credential and a control plane that refuses it.
func TestTOC03APausedRunnerThatComesBackMovesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		after  bool // the call has reached the API server
		writes int
	}{
		"before the call arrives": {false, 0},
		"after the call arrived":  {true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, threeProcesses, "paused", "next")
			s.standby()
			s.says("standby", "this one stands by")
			x := s.broken(t, "paused").diagnosed()
			h := s.hold(t, x.ns, deployment, c.after)
			run := x.runOf(x.rollback().Plan)
			select {
			case <-h.reached:
			case <-time.After(time.Minute):
				t.Fatal("the runner made no call")
			}
			paused := s.procs["runner"].cmd.Process
			must(t, paused.Signal(syscall.SIGSTOP))
			t.Cleanup(func() { _ = paused.Signal(syscall.SIGCONT) }) // so that it can end

			r := x.endedRun(run, writ.RunUncertain)
			if r.Reason != writ.ReasonTakenOver {
				t.Errorf("the reason is %s", r.Reason)
			}
			await(t, "the lease to be proven dead", func() (bool, string) {
				var err error
				r, err = s.person.Run(t.Context(), run)
				must(t, err)
				return len(r.Leases) == 1 && r.Leases[0].Dead(), story(r)
			})
			x.nothingLeft(strings.ToLower(string(run)))
			if token := s.token(r.Leases[0].Name); token != "" && s.statusOf(t, token) != http.StatusUnauthorized {
				t.Error("the token of the paused runner still works")
			}
			entries := len(s.entries(t))

			h.free() // the call that was held comes through now, if it had not
			must(t, paused.Signal(syscall.SIGCONT))
			s.says("runner", "another process works for this runner now")
			s.says("runner", "stands by")
			x.wantWrites(c.writes)
			var late []writ.EntryKind
			for _, e := range s.entries(t)[entries:] {
				switch e.Record.Kind {
				case writ.EntryRevoke, writ.EntryProbe: // what it says of its own lease
				default:
					late = append(late, e.Record.Kind)
				}
			}
			if len(late) != 0 {
				t.Errorf("after its return the log took %v", late)
			}
			again, err := s.person.Run(t.Context(), run)
			must(t, err)
			if again.State != writ.RunUncertain {
				t.Errorf("the run is %s", again.State)
			}
			s.verified(t)
			// The process that took over works on.
			y := s.broken(t, "next").diagnosed()
			y.ended(y.rollback().Plan, writ.RunSucceeded)
			y.fixed()
			y.wantWrites(1)
			s.verified(t)
		})
	}
}
