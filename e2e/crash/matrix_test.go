package crash_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/fault"
)

// A kill is one case of the matrix: a scenario in which one process is killed at one passage of one point.
type kill struct {
	scenario string
	how      topology
	process  string
	op       fault.Op
	side     string
	n        int
}

func (k kill) String() string {
	how := ""
	if k.how == oneProcess {
		how = "one process/"
	}
	return fmt.Sprintf("%s/%s%s/%s %s %d", k.scenario, how, k.process, k.side, k.op, k.n)
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
				out = append(out, kill{sc.name, how, of(op), op, side, n})
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
	sc := scenarioOf(k.scenario)
	lines := append([]string{fmt.Sprintf("kill %s %s %d", k.op, k.side, k.n)}, sc.faults...)
	if err := p.write(strings.Join(lines, "\n") + "\n"); err != nil {
		return out, err
	}
	r, err := s.drive(sc, s.services[0])
	if err != nil {
		return out, err
	}
	dead, err := s.quiet()
	if err != nil {
		return out, err
	}
	deaths, born, _ := p.state()
	if out.fired = deaths > before; out.fired {
		out.recover = max(0, dead.Sub(born))
	}
	if err := p.write(""); err != nil {
		return out, err
	}
	out.ended = r.run.State
	return out, s.accept(r, ends...)
}

// perSite is how many cases a site sees before it is thrown away: its ledger, which is verified after each, grows.
const perSite = 25

// playAll plays the cases, several at a time, each as a subtest.
func playAll(t *testing.T, cases []kill) []result {
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
						s, played = newSite(t, k.how), 0
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
	sc := scenarioOf("success")
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

// TestD02KilledAtEveryPoint kills each process at each point of each scenario, before and after, and demands that the
// repair ends as if nothing had happened, or as if it had not been made: once, without power left behind, and on record.
func TestD02KilledAtEveryPoint(t *testing.T) {
	var cases []kill
	seen := passages{}
	traces := make([]passages, len(scenarios))
	t.Run("without faults", func(t *testing.T) {
		for i, sc := range scenarios {
			t.Run(sc.name, func(t *testing.T) {
				t.Parallel()
				s := newSite(t, threeProcesses)
				traces[i] = s.traced(t, sc)
				s.stop()
			})
		}
	})
	if t.Failed() {
		return
	}
	for i, sc := range scenarios {
		for word, n := range traces[i] {
			seen[word] += n
		}
		cases = append(cases, traces[i].kills(sc, threeProcesses)...)
		if sc.name == "success" {
			for _, k := range traces[i].kills(sc, oneProcess) {
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
	t.Logf("%d cases", len(cases))
	results := playAll(t, cases)
	missed := 0
	for _, r := range results {
		if !r.fired && !r.failed {
			missed++
			if r.n == 1 {
				t.Errorf("%s was never passed", r.kill)
			}
		}
	}
	t.Logf("%d of %d cases did not come to their passage", missed, len(results))
	report(t, results)
}

// atStart are the points that a runner passes while it starts, and then not for an hour.
var atStart = []fault.Op{fault.JournalOpen, fault.JournalPruned}

// A runner that is killed while it opens its journal, or prunes it, finds all that it knew when it starts again.
func TestD02KilledWhileItStarts(t *testing.T) {
	s := newSite(t, threeProcesses)
	defer s.stop()
	sc := scenarioOf("success")
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

// report prints what came of the cases, and times.
func report(t *testing.T, results []result) {
	type row struct{ scenario, process string }
	count := map[row]map[string]int{}
	var times []time.Duration
	for _, r := range results {
		at := row{r.scenario, r.process}
		if r.how == oneProcess {
			at.process = "all in one"
		}
		if count[at] == nil {
			count[at] = map[string]int{}
		}
		switch {
		case r.failed:
			count[at]["broken"]++
		case !r.fired:
			count[at]["missed"]++
		default:
			count[at][string(r.ended)]++
			count[at]["killed"]++
			times = append(times, r.recover)
		}
	}
	var rows []row
	for r := range count {
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a.scenario+a.process, b.scenario+b.process) })
	columns := []string{"killed", "succeeded", "undone", "failed", "refused", "uncertain", "missed", "broken"}
	var b strings.Builder
	extent := "Part of the matrix (-short)"
	if full() {
		extent = "The whole matrix"
	}
	fmt.Fprintf(&b, "%s: %d cases.\n\n", extent, len(results))
	b.WriteString("| scenario | process | killed at | succeeded | undone | failed | refused | uncertain | point not reached | promise broken |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	total := map[string]int{}
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s |", r.scenario, r.process)
		for _, c := range columns {
			fmt.Fprintf(&b, " %d |", count[r][c])
			total[c] += count[r][c]
		}
		b.WriteByte('\n')
	}
	b.WriteString("| all | |")
	for _, c := range columns {
		b.WriteString(" " + strconv.Itoa(total[c]) + " |")
	}
	slices.Sort(times)
	if len(times) > 0 {
		fmt.Fprintf(&b, "\n\nFrom the restart of the killed process until the run has ended and every lease is proven dead: p50 %.1f s, p99 %.1f s.\n",
			times[len(times)/2].Seconds(), times[len(times)*99/100].Seconds())
	}
	t.Log("\n" + b.String())
	publish(t, "matrix", b.String())
}
