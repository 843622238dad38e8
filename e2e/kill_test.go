package e2e_test

import (
	"testing"
	"time"

	"github.com/writ-dev/writ"
)

// TestI06TheLeaseOfAKilledRunnerDies kills the runner at the worst moment: its credential has power, the call is on the
// wire and the answer has not come. What happened to the call is something that the next process has to find out.
func TestI06TheLeaseOfAKilledRunnerDies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		after  bool // the call has reached the API server
		state  writ.RunState
		writes int
	}{
		"before the call arrives": {false, writ.RunFailed, 0},
		"after the call arrived":  {true, writ.RunSucceeded, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, threeProcesses, "killed")
			x := s.broken(t, "killed").diagnosed()
			h := s.hold(t, x.ns, deployment, c.after)
			run := x.runOf(x.rollback().Plan)
			select {
			case <-h.reached:
			case <-time.After(time.Minute):
				t.Fatal("the runner made no call")
			}
			s.procs["runner"].kill()
			h.free()
			r, err := s.person.Run(t.Context(), run)
			must(t, err)
			if len(r.Leases) != 1 || r.Leases[0].RevokedAt != nil {
				t.Fatalf("the leases when the runner was killed: %+v", r.Leases)
			}
			token := s.token(r.Leases[0].Name)
			if code := s.statusOf(t, token); token == "" || code != 200 {
				t.Fatalf("the token of the killed runner's lease is answered with %d: there is nothing to prove", code)
			}

			s.startRunner()
			end := x.endedRun(run, c.state)
			x.dead(run)
			if code := s.statusOf(t, token); code != 401 {
				t.Errorf("the token still works: %d", code)
			}
			x.wantWrites(c.writes)
			if c.state == writ.RunSucceeded {
				x.fixed()
			} else if image(x.now()) != brokenImage {
				t.Errorf("the image is %s, and the run ended %s (%s)", image(x.now()), end.State, end.Reason)
			}
			if n := count(s.entries(t), writ.EntryStepIntent); n != 1 {
				t.Errorf("%d intents", n)
			}
			s.explainsOr(t, c.writes == 0)
			s.verified(t)
			// The cell is not blocked: the next repair goes through.
			if c.state != writ.RunSucceeded {
				next := x.asks("rollback-deployment", map[string]any{"namespace": x.ns, "name": deployment}, writ.PlanWaiting)
				digest := digestIn(t, s.wantCLI(t, 8, you, "plan", "show", string(next.Plan)).out)
				s.wantCLI(t, 0, you, "approve", string(next.Plan), "--digest", digest) // after a failure an owner must agree
				x.ended(next.Plan, writ.RunSucceeded)
				x.fixed()
				x.wantWrites(1)
			}
		})
	}
}

// TestI13AKilledRunnerNeverRepeatsACall kills the runner while it waits for the effect of its call, and starts it again.
func TestI13AKilledRunnerNeverRepeatsACall(t *testing.T) {
	t.Parallel()
	s := newSite(t, threeProcesses, "killed")
	x := s.broken(t, "killed").diagnosed()
	run := x.runOf(x.asks(restartLong, x.workload(), writ.PlanGranted).Plan)
	x.reaches(run, writ.EntryProbe)
	s.procs["runner"].kill()
	s.startRunner()
	s.awaitRunner()
	s.wantCLI(t, 0, you, "run", "stop", string(run), "--reason", "it does not help")
	x.endedRun(run, writ.RunUndone)
	x.dead(run)
	x.wantWrites(2) // the restart, and its undo
	s.explains(t)
	s.verified(t)
}

// TestI13ADrainedRunnerEndsInOrder ends all processes in an orderly way while a run waits for its effect.
func TestI13ADrainedRunnerEndsInOrder(t *testing.T) {
	t.Parallel()
	s := newSite(t, threeProcesses, "drained")
	x := s.broken(t, "drained").diagnosed()
	run := x.runOf(x.asks(restartLong, x.workload(), writ.PlanGranted).Plan)
	x.reaches(run, writ.EntryProbe)
	s.procs["runner"].end(t) // it undoes, delivers, and proves its leases dead
	x.endedRun(run, writ.RunUndone)
	x.dead(run)
	x.wantWrites(2)
	s.procs["server"].end(t)
	s.procs["signer"].end(t)
}
