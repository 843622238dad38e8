package crash_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/e2e/install"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/trust"
	"github.com/writ-dev/writ/policies"
)

// lawless is for a control plane that is its attacker's: a policy that grants whatever it is asked, without limits and
// without people. Keys, database and ledger are the attacker's with the process.
func lawless(c *config.Server, dir string) error {
	c.Policies = dir
	return fs.WalkDir(policies.Dev(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasPrefix(name, "grants/") && strings.Contains(name, "/") {
			return err
		}
		b, err := fs.ReadFile(policies.Dev(), name)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o600)
		}
		return err
	})
}

// raise lets the owner of the cell sign the next version of the trust file, and returns the one before.
func (s *site) raise(change func(*trust.Trust)) (before []byte) {
	s.t.Helper()
	before, err := os.ReadFile(s.trust())
	must(s.t, err)
	next, err := trust.Payload(before)
	must(s.t, err)
	next.Version++
	change(&next)
	owner, err := pin.Load(filepath.Join(s.in.Dir, "keys", "owner.pem"))
	must(s.t, err)
	signed, err := trust.Sign(next, owner)
	must(s.t, err)
	s.trusts(signed)
	return before
}

// trusts gives the runner another trust file.
func (s *site) trusts(file []byte) {
	s.t.Helper()
	must(s.t, os.WriteFile(s.trust()+".next", file, 0o600))
	must(s.t, os.Rename(s.trust()+".next", s.trust()))
}

// held lets the runner stand still at a point of its next plan or run, and go on after change.
func held(at string, change func(*site)) func(scenario) scenario {
	return func(sc scenario) scenario {
		sc.begin = func(s *site) {
			s.answered()
			s.runner.faults(s.t, at, "trace")
		}
		sc.during = func(s *site, _ writ.RunID) error {
			if err := until("the runner to stand still", func() (bool, string) { return s.runner.stopped(), s.trouble() }); err != nil {
				return err
			}
			change(s)
			s.runner.signal(syscall.SIGCONT)
			return nil
		}
		return sc
	}
}

// answered waits until the runner, whose passages are traced, is past every answer that it has begun and has begun no other for
// a while: what it answered last reaches others before it has passed the point after that answer, and what is left to tell of an
// ended run follows. Both would be counted with what comes. Without a trace it has passed nothing since it is traced.
func (s *site) answered() {
	s.t.Helper()
	const aWhile = time.Second
	since, last := time.Now(), -1
	await(s.t, "the runner to be past its answers", func() (bool, string) {
		b, err := os.ReadFile(s.runner.script + ".trace")
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		begun, past := bytes.Count(b, []byte("link-answer before\n")), bytes.Count(b, []byte("link-answer after\n"))
		if begun != last {
			since, last = time.Now(), begun
		}
		return err == nil && begun <= past && time.Since(since) >= aWhile, fmt.Sprintf("%d begun, %d past (%v)", begun, past, err)
	})
}

// Passages at which a runner stands still. It answers a reading first, and then with the plan.
const (
	afterPlanning = "stop link-answer after 2"
	afterSpending = "stop journal-spent after 1"
)

// TestI12AHostileServerMakesARunnerProcessDoNothingBeyondItsCeiling gives an attacker the control plane of a runner that
// serves an HTTP target, as processes: policy, grant key, ledger, database, and the file that the runner reads its trust
// from. Each way beyond what the cell's owner has signed is refused by the runner, for its own reason and without a call.
func TestI12AHostileServerMakesARunnerProcessDoNothingBeyondItsCeiling(t *testing.T) {
	t.Parallel()
	s := newSite(t, threeProcesses)
	defer s.stop()
	s.runner.faults(t, "trace")
	service := s.services[0]
	asksNobody := sync.OnceFunc(func() {
		s.server.end(syscall.SIGKILL)
		s.edit(func(c *config.Server) { must(t, lawless(c, filepath.Join(s.dir, "lawless"))) })
		must(t, s.server.start())
	})
	helps, scale := scenarioOf(scenarios, "success"), scenarioOf(scenarios, "approved")

	// What the ceiling allows is done, and is what the attacker replays afterwards.
	done, err := s.drive(helps, service)
	s.sound(t, err)
	_, err = s.quiet()
	s.sound(t, err)
	s.sound(t, s.accept(done, writ.RunSucceeded))

	asIs := func(sc scenario) scenario { return sc }
	ceiling := func(change func(*trust.Ceiling)) func(*trust.Trust) {
		return func(t *trust.Trust) { change(&t.Ceiling) }
	}
	aMinute := func(s *site) { s.runner.faults(s.t, "clock 1m", "trace") }
	for _, c := range []struct {
		name   string
		sc     scenario
		signed func(*trust.Trust) // by the owner, before; nil for what is signed already
		play   func(scenario) scenario
		want   writ.Reason
		says   string
	}{
		{"more objects", helps, ceiling(func(c *trust.Ceiling) { c.MaxObjects = 1 }), asIs, writ.ReasonOverCeiling, "2 objects; 1 are allowed"},
		{"more of the service", helps, ceiling(func(c *trust.Ceiling) { c.MaxPermille = 100 }), asIs, writ.ReasonOverCeiling, "permille of the service; 100 are allowed"},
		{"more runs in an hour", helps, ceiling(func(c *trust.Ceiling) { c.RunsPerHour = 1 }), asIs, writ.ReasonOverCeiling, "1 runs in the last hour; 1 are allowed"},
		{"at another hour", helps, ceiling(func(c *trust.Ceiling) {
			day := strings.ToLower(time.Now().UTC().Add(72 * time.Hour).Format("Mon"))
			c.Hours = []trust.Hours{{Days: []string{day}, From: "00:00", To: "24:00"}}
		}), asIs, writ.ReasonOverCeiling, "no run may begin on"},
		{"another operation", helps, ceiling(func(c *trust.Ceiling) { c.Operations = []writ.OperationName{"httpapi/release.set"} }), asIs, writ.ReasonOverCeiling, "operation httpapi/flag.set is not listed"},
		{"another target", helps, ceiling(func(c *trust.Ceiling) { c.Targets = []writ.Location{shop + "/services/another"} }), asIs, writ.ReasonOverCeiling, "lies outside the targets"},
		{"the trust file of before", helps, nil, held(afterPlanning, func(s *site) {
			s.trusts(s.raised)
		}), writ.ReasonTrustRollback, ""},
		{"a trust file of the attacker's own", helps, nil, held(afterPlanning, func(s *site) {
			owner, err := pin.Create(filepath.Join(s.dir, "attacker.pem"), rand.Reader)
			must(s.t, err)
			file, err := os.ReadFile(s.trust())
			must(s.t, err)
			mine, err := trust.Payload(file)
			must(s.t, err)
			mine.Version++
			signed, err := trust.Sign(mine, owner)
			must(s.t, err)
			s.trusts(signed)
		}), writ.ReasonTrustInvalid, ""},
		// From here on by a policy that asks nobody. It puts each plan as high as the worst that it allows.
		// The runner's word on how far its ceiling goes is no more than a courtesy: it is lowered after it was given.
		{"a higher tier", scale, nil, held(afterPlanning, func(s *site) {
			s.raise(ceiling(func(c *trust.Ceiling) { c.MaxTier, c.Quorum = writ.T1, map[writ.Tier]trust.Quorum{writ.T1: {}} }))
		}), writ.ReasonOverCeiling, "T2 is above T1"},
		{"nobody's approval", scale, nil, asIs, writ.ReasonApprovalQuorum, "0 of 1 approvals"},
		{"a freeze that is not told of for a minute", scale, nil, held(afterPlanning, aMinute), writ.ReasonFeedStale, "older than 30s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file, err := os.ReadFile(s.trust())
			must(t, err)
			now, err := trust.Payload(file)
			must(t, err)
			s.raised = nil
			if c.signed == nil {
				c.signed = func(*trust.Trust) {}
			}
			s.raised = s.raise(c.signed)
			if c.sc.name == scale.name {
				asksNobody()
			}
			r, err := s.drive(c.play(c.sc), service)
			s.sound(t, err)
			s.sound(t, s.persist("the runner's words", func(ctx context.Context) (err error) {
				if r.run, err = s.person.Run(ctx, r.run.ID); err == nil && r.run.Detail == "" {
					err = fmt.Errorf("%w: there are none yet", writ.ErrUnavailable)
				}
				return err
			}))
			if r.run.State != writ.RunRefused || r.run.Reason != c.want || !strings.Contains(r.run.Detail, c.says) {
				t.Errorf("the run is %s for %s (%s), want refused for %s (%s)\n%s", r.run.State, r.run.Reason, r.run.Detail, c.want, c.says, s.logs())
			}
			s.untouched(t, r)
			s.runner.faults(t, "trace")
			s.raise(func(next *trust.Trust) {
				v := next.Version
				*next = now
				next.Version = max(v, now.Version) + 9
			})
		})
	}

	t.Run("a run that was carried out before the runner was started again", func(t *testing.T) {
		s.server.end(syscall.SIGKILL)
		install.Rewind(t, s.database.(*sqlite).file, done.run)
		s.runner.end(syscall.SIGKILL)
		must(t, s.runner.start())
		must(t, s.server.start())
		await(t, "the runner's answer to the replay", func() (bool, string) { return install.HandedOut(t, s.database.(*sqlite).file), s.trouble() })
		s.untouched(t, done)
	})
}

// untouched demands that nothing reached the target since the last time, and that no lease of it has power.
func (s *site) untouched(t testing.TB, r repair) {
	t.Helper()
	if got := s.wire.taken(); len(got) != 0 {
		t.Errorf("%d changes for the attacker: %+v", len(got), got)
	}
	if err := errors.Join(s.plane.powerless(r.service, r.plan.Run)...); err != nil {
		t.Error(err)
	}
}

// TestCAP05AnExpiredGrantIsNotRevivedByARunnersClock plays CAP-05 as processes: a grant reaches a runner, which stands
// still until the grant has expired, before it has judged it or after it has spent it. Its clock is then put back, so that
// by its own time the grant lives, and it goes on. Nothing reaches the target: the first step needs the control plane's
// acknowledgement, and the control plane knows the time.
func TestCAP05AnExpiredGrantIsNotRevivedByARunnersClock(t *testing.T) {
	t.Parallel()
	s := newSite(t, threeProcesses)
	defer s.stop()
	s.jumped.Store(true)
	clocks := func(runner time.Duration, others time.Duration) {
		must(t, s.signer.write("clock "+others.String()+"\n"))
		must(t, s.server.write("clock "+others.String()+"\n"))
		s.runner.faults(t, "clock "+runner.String(), "trace")
	}
	// aMoment is what has passed by the clock that was put back: less than the proof that comes with the grant is good for.
	const aMoment = 20 * time.Second
	var now time.Duration // how far the machine's clock is behind everybody's
	for _, c := range []struct {
		name string
		back time.Duration
		past time.Duration // since the grant was issued; it lives for five minutes
	}{
		{"two minutes", 2 * time.Minute, 6 * time.Minute},
		{"ten minutes", 10 * time.Minute, 10*time.Minute + aMoment},
		{"an hour", time.Hour, time.Hour + aMoment},
	} {
		for _, at := range []string{afterPlanning, afterSpending} {
			t.Run(c.name+", "+at, func(t *testing.T) {
				clocks(now, now)
				began := now
				r, err := s.drive(held("clock "+began.String()+"\n"+at, func(s *site) {
					now += c.past
					clocks(now-c.back, now)
				})(scenarioOf(scenarios, "success")), s.services[0])
				s.sound(t, err)
				switch r.run.State {
				case writ.RunExpired, writ.RunRefused, writ.RunFailed:
				default:
					t.Errorf("the run is %s\n%s", r.run.State, story(r.run))
				}
				if len(r.run.Leases) != 0 {
					t.Errorf("%d leases were announced", len(r.run.Leases))
				}
				t.Logf("the run is %s (%s: %s)", r.run.State, r.run.Reason, r.run.Detail)
				s.untouched(t, r)
			})
		}
	}
	now += time.Minute
	clocks(now, now)
	s.last(t) // with all clocks right, repairs go through
}
