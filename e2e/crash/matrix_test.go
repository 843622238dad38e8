package crash_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/fault"
)

// A kill is one case of the matrix: a scenario in which one process is killed at one passage of one point, or, with the
// name of an error, in which what the point stands before fails with it once.
type kill struct {
	scenario string
	how      topology
	process  string
	op       fault.Op
	side     string
	n        int
	failure  string // EIO or ENOSPC; a kill when empty
}

func (k kill) String() string {
	how := ""
	if k.how == oneProcess {
		how = "one process/"
	}
	what := k.side
	if k.failure != "" {
		what = k.failure
	}
	return fmt.Sprintf("%s/%s%s/%s %s %d", k.scenario, how, k.process, what, k.op, k.n)
}

// line is the case as a line of the file of faults.
func (k kill) line() string {
	verb := "kill"
	if k.failure != "" {
		verb = "fail=" + k.failure
	}
	return fmt.Sprintf("%s %s %s %d", verb, k.op, k.side, k.n)
}

// ends are what a killed repair may end as. Nothing here is unknowable, since the storefront can be read: no case may
// end as uncertain.
var ends = []writ.RunState{writ.RunSucceeded, writ.RunUndone, writ.RunFailed, writ.RunRefused}

// of names the process that passes an operation.
func of(op fault.Op) string {
	switch word := op.String(); {
	case strings.HasPrefix(word, "store-"), strings.HasPrefix(word, "control-"):
		return "server"
	case strings.HasPrefix(word, "signer-"):
		return "signer"
	}
	return "runner"
}

// most is how many passages of one point are cases of their own. Readings that poll, and deliveries and marks that time
// makes, are all alike; the server's commits are not.
func most(op fault.Op, sc scenario) int {
	if sc.name != "success" && op != fault.StoreCommit {
		return 2 // the first repair has been through all of them
	}
	switch op {
	case fault.StoreCommit:
		if sc.name != "success" {
			return 8
		}
		return 40
	case fault.SignerHead, fault.JournalProved, fault.LinkDeliver:
		return 4
	case fault.TargetObserve, fault.LinkAnswer, fault.TargetProbe, fault.JournalProbed, fault.TargetPlan:
		return 3
	case fault.JournalMark, fault.JournalPruned, fault.JournalOpen:
		return 1
	}
	return 4
}

// A passage is a point with how often it was passed.
type passages map[string]int // "op side" -> times

// traced lets a scenario run without faults and returns what it passed.
func (s *site) traced(t *testing.T, sc scenario) passages {
	t.Helper()
	for _, p := range s.processes() {
		_ = os.Remove(p.script + ".trace")
		lines := []string{"trace"}
		if p == s.runner {
			lines = append(lines, sc.faults...)
		}
		p.faults(t, lines...)
	}
	r, err := s.drive(sc, s.services[0])
	must(t, err)
	_, err = s.quiet()
	must(t, err)
	must(t, s.accept(r, sc.ends))
	out := passages{}
	for _, p := range s.processes() {
		b, err := os.ReadFile(p.script + ".trace")
		must(t, err)
		for line := range strings.Lines(string(b)) {
			out[strings.TrimSpace(line)]++
		}
		p.faults(t)
	}
	return out
}

// kills are the cases that passages give.
func (p passages) kills(sc scenario, how topology) (out []kill) {
	for _, op := range fault.Ops() {
		if len(sc.only) > 0 && !slices.Contains(sc.only, op) {
			continue
		}
		if slices.Contains(atStart, op) {
			continue // passed or not, as the machine's load has it
		}
		for _, side := range []string{"before", "after"} {
			for n := 1; n <= min(p[op.String()+" "+side], most(op, sc)); n++ {
				out = append(out, kill{scenario: sc.name, how: how, process: of(op), op: op, side: side, n: n})
			}
		}
	}
	return out
}

// A result is what came of a case.
type result struct {
	kill
	ended   writ.RunState
	fired   bool
	recover time.Duration // from the restart until the run has ended and every lease is dead
	failed  bool
}

// play plays a case on a site.
func (s *site) play(k kill) (out result, err error) {
	out.kill = k
	p := map[string]*process{"signer": s.signer, "server": s.server, "runner": s.runner}[k.process]
	before, _, _ := p.state()
	sc := scenarioOf(s.scenarios, k.scenario)
	lines := append([]string{k.line()}, sc.faults...)
	if err := p.write(strings.Join(lines, "\n") + "\n"); err != nil {
		return out, err
	}
	failed := p.forgetFailures()
	if k.failure != "" && k.process == "signer" {
		defer failed.restart(p)()
	}
	r, err := s.drive(sc, s.services[0])
	if err != nil && !(k.failure != "" && errors.Is(err, errNoRun)) {
		return out, err
	}
	dead, err := s.quiet()
	if err != nil {
		return out, err
	}
	if k.failure != "" {
		var at time.Time
		if at, out.fired = failed.happened(); out.fired {
			out.recover = max(0, dead.Sub(at))
		}
	} else {
		deaths, born, _ := p.state()
		if out.fired = deaths > before; out.fired {
			out.recover = max(0, dead.Sub(born))
		}
	}
	if err := p.write(""); err != nil {
		return out, err
	}
	if r.plan.Run == "" { // it was not granted
		return out, s.accept(r, noRun)
	}
	out.ended = r.run.State
	return out, s.accept(r, ends...)
}

// noRun stands for the end of a run that a failed write has kept from being granted.
const noRun writ.RunState = ""

// perSite is how many cases a site sees before it is thrown away: its ledger, which is verified after each, grows.
const perSite = 25

// playAll plays the cases, several at a time, each as a subtest.
func playAll(t *testing.T, cases []kill, options ...option) []result {
	queue := make(chan kill, len(cases))
	for _, k := range cases {
		queue <- k
	}
	close(queue)
	var mu sync.Mutex
	var results []result
	var workers sync.WaitGroup
	for range atOnce {
		workers.Go(func() {
			var s *site
			played := 0
			defer func() {
				if s != nil {
					s.last(t)
				}
			}()
			for k := range queue {
				if s != nil && (played >= perSite || s.how != k.how) {
					s.last(t)
					s = nil
				}
				t.Run(k.String(), func(sub *testing.T) {
					if s == nil {
						s, played = newSite(t, k.how, options...), 0
					}
					played++
					r, err := s.play(k)
					if err != nil {
						r.failed = true
						sub.Errorf("%v\n%s", err, s.logs())
						s.stop()
						s = nil
					}
					mu.Lock()
					defer mu.Unlock()
					results = append(results, r)
				})
			}
		})
	}
	workers.Wait()
	return results
}

// last repairs once more, without faults, and stops the site: what the case before left behind would be in the way.
func (s *site) last(t *testing.T) {
	defer s.stop()
	sc := scenarioOf(s.scenarios, "success")
	r, err := s.drive(sc, s.services[0])
	if err == nil {
		_, err = s.quiet()
	}
	if err == nil {
		err = s.accept(r, sc.ends)
	}
	if err != nil {
		t.Errorf("the repair after the last case: %v\n%s", err, s.logs())
	}
}

// full says whether all of the matrix is wanted.
func full() bool { return !testing.Short() || os.Getenv("WRIT_MATRIX") == "full" }

// traces lets each scenario run without faults and returns what it passed.
func traces(t *testing.T, scenarios []scenario, options ...option) []passages {
	t.Helper()
	out := make([]passages, len(scenarios))
	t.Run("without faults", func(t *testing.T) {
		for i, sc := range scenarios {
			t.Run(sc.name, func(t *testing.T) {
				t.Parallel()
				s := newSite(t, threeProcesses, options...)
				out[i] = s.traced(t, sc)
				s.stop()
			})
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	return out
}

// TestD02KilledAtEveryPoint kills each process at each point of each scenario, before and after, and demands that the
// repair ends as if nothing had happened, or as if it had not been made: once, without power left behind, and on record.
func TestD02KilledAtEveryPoint(t *testing.T) {
	var cases []kill
	passed := traces(t, scenarios)
	seen := passages{}
	for i, sc := range scenarios {
		for word, n := range passed[i] {
			seen[word] += n
		}
		cases = append(cases, passed[i].kills(sc, threeProcesses)...)
		if sc.name == "success" {
			for _, k := range passed[i].kills(sc, oneProcess) {
				if k.n == 1 {
					cases = append(cases, k)
				}
			}
		}
	}
	for _, op := range fault.Ops() { // a point that nothing passes proves nothing
		if slices.Contains(atStart, op) {
			continue // TestD02KilledWhileItStarts passes them
		}
		for _, side := range []string{"before", "after"} {
			if seen[op.String()+" "+side] == 0 {
				t.Errorf("no repair passes the point %s %s", side, op)
			}
		}
	}
	if !full() {
		cases = slices.DeleteFunc(cases, func(k kill) bool { return !k.representative() })
	}
	report(t, columnSQLite, playAll(t, cases))
}

// TestD02KilledAtEveryPointOnPostgreSQL is the same matrix with the control plane's state in PostgreSQL.
func TestD02KilledAtEveryPointOnPostgreSQL(t *testing.T) {
	var cases []kill
	passed := traces(t, scenarios, onPostgres)
	for i, sc := range scenarios {
		cases = append(cases, passed[i].kills(sc, threeProcesses)...)
	}
	if !full() { // what the database makes different is the server's
		cases = slices.DeleteFunc(cases, func(k kill) bool { return !k.representative() || k.process == "runner" && k.op != fault.LinkDeliver })
	}
	report(t, columnPostgres, playAll(t, cases, onPostgres))
}

// fallible are the operations that a full or broken disk can make fail: the durable writes.
func fallible(op fault.Op) bool {
	return op == fault.StoreCommit || op == fault.StoreBlob || op == fault.SignerHead || strings.HasPrefix(op.String(), "journal-")
}

// TestD06AWriteThatFailsOnceAtEveryPoint lets each durable write fail once, as on a broken disk and as on a full one,
// instead of killing who writes. The demands are the same, and a plan may also come to nothing.
func TestD06AWriteThatFailsOnceAtEveryPoint(t *testing.T) {
	var cases []kill
	for i, passed := range traces(t, scenarios) {
		for _, k := range passed.kills(scenarios[i], threeProcesses) {
			if !fallible(k.op) || k.side != "before" {
				continue
			}
			k.failure = []string{"EIO", "ENOSPC"}[k.n%2]
			cases = append(cases, k)
			if k.n == 1 && k.scenario == "success" {
				k.failure = "EIO"
				cases = append(cases, k)
			}
		}
	}
	if !full() {
		cases = slices.DeleteFunc(cases, func(k kill) bool { return k.n != 1 || k.failure != "ENOSPC" || k.scenario != "success" })
	}
	report(t, columnFailing, playAll(t, cases))
}

// atStart are the points that a runner passes while it starts, and then not for an hour.
var atStart = []fault.Op{fault.JournalOpen, fault.JournalPruned}

// A runner that is killed while it opens its journal, or prunes it, finds all that it knew when it starts again.
func TestD02KilledWhileItStarts(t *testing.T) {
	s := newSite(t, threeProcesses)
	defer s.stop()
	sc := scenarioOf(s.scenarios, "success")
	for _, op := range atStart {
		for _, side := range []string{"before", "after"} {
			r, err := s.drive(sc, s.services[0])
			if err == nil {
				_, err = s.quiet()
			}
			must(t, err)
			s.runner.end(syscall.SIGKILL)
			before, _, _ := s.runner.state()
			s.runner.faults(t, fmt.Sprintf("kill %s %s 1", op, side))
			must(t, s.runner.start())
			await(t, "the kill "+side+" "+op.String(), func() (bool, string) {
				deaths, _, _ := s.runner.state()
				return deaths > before, s.trouble()
			})
			if _, err = s.quiet(); err == nil {
				err = s.accept(r, sc.ends)
			}
			if err != nil {
				t.Errorf("%s %s: %v\n%s", side, op, err, s.logs())
			}
		}
	}
	r, err := s.drive(sc, s.services[0]) // and goes on
	if err == nil {
		_, err = s.quiet()
	}
	if err == nil {
		err = s.accept(r, sc.ends)
	}
	must(t, err)
}

// representative cases are those of -short: the first passage of each point that success passes in the runner, and of
// those that only an undo or a lost answer passes; the server's grant; the signer's memory.
func (k kill) representative() bool {
	if k.n != 1 || k.how != threeProcesses {
		return false
	}
	switch k.scenario {
	case "success":
		return k.side == "after" || k.op == fault.TargetDo || k.op == fault.TargetMint || k.op == fault.JournalSpent
	case "undo":
		return k.op == fault.JournalUndo || k.op == fault.TargetUndo || k.op == fault.JournalUndone || k.op == fault.JournalTurned && k.side == "after"
	case "lost":
		return k.op == fault.TargetSettle
	}
	return false
}
